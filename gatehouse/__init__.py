"""What training and serving code imports: `import gatehouse`."""

from typing import TYPE_CHECKING, Any

from services.lineage.context import CardText, DecisionContext, Lineage
from services.lineage.registration import register_baseline, register_improved
from services.lineage.registration_record import get_model_by_uuid, webhook_payload
from services.lineage.story_logging import log_story
from services.serving.router import Router

if TYPE_CHECKING:
    from services.policies.policy_model import PolicyModel

__all__ = [
    "CardText",
    "DecisionContext",
    "Lineage",
    "PolicyModel",
    "Router",
    "get_model_by_uuid",
    "log_story",
    "register_baseline",
    "register_improved",
    "webhook_payload",
]


def __getattr__(name: str) -> Any:
    # Brings in mlflow.pyfunc, which only those who serve by a policy have to pay for.
    if name == "PolicyModel":
        from services.policies.policy_model import PolicyModel

        return PolicyModel
    raise AttributeError(name)
