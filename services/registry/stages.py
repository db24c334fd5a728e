"""Stages (practice 1): which moves are legal, and the alias that stands for a stage.

The alias is what counts, since MLflow's own stages are deprecated; the legacy stage follows where it is configured.
"""

from __future__ import annotations

from types import MappingProxyType

from services.errors import Blocked
from services.registry.values import ModelVersion, Stage

_ALIASES = MappingProxyType({Stage.STAGING: "staging", Stage.PRODUCTION: "production"})

# Archived versions come back through None or Staging and so through the gates again; going back to what served before
# is a rollback, which asks no stage.
LEGAL_MOVES = MappingProxyType(
    {
        Stage.NONE: frozenset({Stage.STAGING, Stage.PRODUCTION, Stage.ARCHIVED}),
        Stage.STAGING: frozenset({Stage.PRODUCTION, Stage.ARCHIVED, Stage.NONE}),
        Stage.PRODUCTION: frozenset({Stage.ARCHIVED}),
        Stage.ARCHIVED: frozenset({Stage.NONE, Stage.STAGING}),
    }
)

PROTECTED_ALIASES = frozenset(_ALIASES.values())
"""Aliases that move through Gatehouse alone."""


def alias_of(stage: Stage) -> str | None:
    """Return the alias that stands for a stage; None and Archived have none.

    >>> alias_of(Stage.PRODUCTION)
    'production'
    """
    return _ALIASES.get(stage)


def stage_of(version: ModelVersion) -> Stage:
    """Return the stage a version is in: what its aliases say, or else its legacy stage."""
    for stage in (Stage.PRODUCTION, Stage.STAGING):
        if alias_of(stage) in version.aliases:
            return stage
    return version.stage


def check_move(version: ModelVersion, to: Stage) -> None:
    """Let pass only a legal move.

    Raises:
        Blocked: it is not one; the sentence says what is.
    """
    stage = stage_of(version)
    if stage is to:
        raise Blocked(f"{version.reference} is in {to} already.", next_step="Nothing has to be done.")
    if to not in LEGAL_MOVES[stage]:
        legal = ", ".join(sorted(LEGAL_MOVES[stage]))
        raise Blocked(
            f"{version.reference} is in {stage}, and from there it cannot move to {to}.",
            next_step=f"It can move to {legal}; to make a former version serve again, roll back to it.",
        )
