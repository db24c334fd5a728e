"""Stage moves: what a promotion asks for, proves and executes."""

from services.promotions.adoption import Adoption, DriftDecisions
from services.promotions.moves import StageMover
from services.promotions.promotion import Promotion, StageFollower
from services.promotions.service import Promotions, parse_stage, to_json

__all__ = [
    "Adoption",
    "DriftDecisions",
    "Promotion",
    "Promotions",
    "StageFollower",
    "StageMover",
    "parse_stage",
    "to_json",
]
