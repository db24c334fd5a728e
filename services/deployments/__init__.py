"""What serves: pins and their history, going back, files for serving platforms."""

from services.deployments.files import to_configmap, to_env, to_yaml
from services.deployments.pins import Pins, PinSet
from services.deployments.rollback import Rollback
from services.deployments.routes import Route, Routes
from services.deployments.service import Deployments, PinsFollowPromotions, RollbackOutcome

__all__ = [
    "Deployments",
    "PinSet",
    "Pins",
    "PinsFollowPromotions",
    "Rollback",
    "RollbackOutcome",
    "Route",
    "Routes",
    "to_configmap",
    "to_env",
    "to_yaml",
]
