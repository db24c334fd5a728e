"""What a promotion to production owes those whom it breaks: a migration plan, with an owner and a date for every step.

Judged against the version that the alias points at, on both signatures as they are read live. The plan is the
requester's; what it lacks blocks the promotion, whatever gate was waived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.gates.collectors.records import read_version_signature
from services.registry.port import RegistryReader
from services.registry.values import ModelVersion
from services.signatures.compare import compare
from services.signatures.migration import list_breaking, list_link_problems, plan_of

PLAN = "migration_plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """What breaks, the plan for it, and what the plan lacks."""

    breaking: tuple[str, ...] = ()
    plan: Mapping[str, Any] | None = None
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as the evidence of a promotion keeps it."""
        return {"breaking": list(self.breaking), "plan": self.plan, "problems": list(self.problems)}


def judge_migration(
    registry: RegistryReader, version: ModelVersion, replaced: int | None, plan: Mapping[str, Any] | None, today: date
) -> Migration:
    """Return what replacing a version owes its callers; nothing where none is replaced or nothing breaks.

    Raises:
        InvalidInput: the plan is none.
    """
    if replaced is None or replaced == version.version:
        return Migration()
    before = read_version_signature(registry, registry.get_version(version.name, replaced))
    comparison = compare(before, read_version_signature(registry, version))
    problems = list_link_problems(
        None if plan is None else plan_of(plan),
        comparison,
        model=version.name,
        old_version=replaced,
        new_version=version.version,
        today=today,
    )
    return Migration(breaking=list_breaking(comparison), plan=plan, problems=tuple(problems))
