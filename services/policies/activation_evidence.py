"""What has to stand behind a decision policy before it comes into force: a what-if, and for tier 1 without exception.

The risk tier is bound: where it changes, approvals are void and the evidence is gathered anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from services.documents.activation import Evidence
from services.documents.revisions import Revision
from services.errors import InvalidInput, NotFound
from services.identity.actors import Actor
from services.policies.what_if import LOG_SOURCE, WhatIf, WhatIfs

_STRICTEST = {"tier1", "1"}


class PolicyEvidence:
    """Gathers the evidence of decision policies.

    Args:
        find_tier: the risk tier of a model as the registry has it; empty where nobody said.
    """

    def __init__(self, what_ifs: WhatIfs, find_tier: Callable[[str], str]) -> None:
        self._what_ifs = what_ifs
        self._find_tier = find_tier

    def bind(self, revision: Revision) -> Mapping[str, Any]:
        """Return the tier."""
        return {"risk_tier": self._find_tier(revision.name)}

    def gather(self, revision: Revision, actor: Actor) -> Evidence:
        """Return the last what-if of this text, or run it on the recorded traffic."""
        what_if, problem = self._find(revision, actor)
        if what_if is not None:
            return Evidence(findings={"what_if": what_if.to_json()})
        is_needed = needs_what_if(self._find_tier(revision.name))
        blocker = f"A model of tier 1 needs a what-if before its policy changes. {problem}" if is_needed else ""
        return Evidence(findings={"what_if": None, "why_no_what_if": problem}, blocker=blocker)

    def _find(self, revision: Revision, actor: Actor) -> tuple[WhatIf | None, str]:
        found = self._what_ifs.find(revision.name, revision.text)
        is_chosen = found is not None and found.source != LOG_SOURCE
        if found is None or found.simulation.rows == 0 or (is_chosen and self._what_ifs.find_log(revision.name)):
            # A file that its author chose proves little where real requests were recorded.
            try:
                found = self._what_ifs.run(actor, revision.name, revision.text)
            except (NotFound, InvalidInput) as error:
                return None, f"{error.message} {error.next_step}"
        if found.simulation.rows == 0:
            return None, "The traffic that was replayed holds no row with a score."
        return found, ""


def needs_what_if(tier: str) -> bool:
    """Return whether a model of this tier needs a what-if.

    >>> needs_what_if("Tier 1"), needs_what_if("tier2"), needs_what_if("")
    (True, False, False)
    """
    return re.sub(r"[\s_-]", "", tier).lower() in _STRICTEST
