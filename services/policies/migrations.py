"""The decision policy follows a model to its new name: the text in force, under the new name and in force at once.

It was approved for this very model, so it takes no approval anew; the old name keeps its own until its sunset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from services.changes import Change
from services.documents.library import Documents
from services.documents.validation import parse
from services.errors import InvalidInput
from services.identity.actors import Actor
from services.policies.document import DECISION_POLICY
from services.store import UnitOfWork


class PoliciesFollowMigrations:
    """Carries the policy over when a migration is recorded; one that the new name has already stays."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def model_moved(
        self, unit: UnitOfWork, change: Change, old: str, new: str, numbers: Mapping[int, int], actor: Actor
    ) -> Mapping[str, Any]:
        """Bring the policy in force under the old name into force under the new one."""
        found = self._documents.find_in_force_in(unit, DECISION_POLICY.name, old)
        if found is None:
            return {}
        text = rename_policy(found.text, old, new)
        if text is None:
            return {"decision_policy": f"not carried over: {found.reference} cannot be renamed by its first line"}
        revision = self._documents.carry_over(unit, found, new, text, actor=actor, reason=change.reason)
        return {"decision_policy": f"{new} has one already" if revision is None else revision.reference}


def rename_policy(text: str, old: str, new: str) -> str | None:
    """Return the text for another model with nothing else changed, or None where its name stands in an odd way."""
    key = rf"^(['\"]?){re.escape(old)}\1(?=\s*:)"
    renamed, count = re.subn(key, lambda _found: new, text, count=1, flags=re.MULTILINE)
    try:
        before, after = parse(DECISION_POLICY, text).value, parse(DECISION_POLICY, renamed).value
    except InvalidInput:
        return None
    return renamed if count and list(after) == [new] and after[new] == before.get(old) else None
