"""What training and serving code imports: `import gatehouse`."""

from services.lineage.context import CardText, DecisionContext, Lineage
from services.lineage.registration import register_baseline, register_improved
from services.lineage.registration_record import get_model_by_uuid, webhook_payload
from services.lineage.story_logging import log_story

__all__ = [
    "CardText",
    "DecisionContext",
    "Lineage",
    "get_model_by_uuid",
    "log_story",
    "register_baseline",
    "register_improved",
    "webhook_payload",
]
