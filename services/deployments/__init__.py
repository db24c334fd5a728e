"""What serves: pins and their history, going back, files for serving platforms."""

from services.deployments.files import to_configmap, to_env, to_kserve, to_yaml
from services.deployments.pins import Pins, PinSet
from services.deployments.ramp_values import Ramp, RampEntry, RampState
from services.deployments.rollback import Rollback
from services.deployments.routes import Route, Routes
from services.deployments.servers import ServerReport, Servers
from services.deployments.service import Deployments, PinsFollowPromotions, RollbackOutcome, RollbackPreview
from services.deployments.standbys import Standby, Standbys, StandbyState

__all__ = [
    "Deployments",
    "PinSet",
    "Pins",
    "PinsFollowPromotions",
    "Ramp",
    "RampEntry",
    "RampState",
    "Rollback",
    "RollbackOutcome",
    "RollbackPreview",
    "Route",
    "Routes",
    "ServerReport",
    "Servers",
    "Standby",
    "StandbyState",
    "Standbys",
    "to_configmap",
    "to_env",
    "to_kserve",
    "to_yaml",
]
