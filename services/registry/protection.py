"""What moves through Gatehouse alone: the aliases of stages and reserved tags always, and what a policy adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.registry.aliases import normalise_alias
from services.registry.stages import PROTECTED_ALIASES
from services.registry.tags import OPERATION_TAG, RESERVED_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What is protected beyond what always is.

    Args:
        aliases: however they are spelt.
        tags: keys of tags of versions.
    """

    aliases: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()

    def holds_alias(self, alias: str) -> bool:
        """Return whether an alias is protected.

        >>> Protection(aliases=frozenset({"champion"})).holds_alias("Champion")
        True
        """
        spelt = normalise_alias(alias)
        return spelt in PROTECTED_ALIASES or spelt in {normalise_alias(each) for each in self.aliases}

    def holds_tag(self, key: str) -> bool:
        """Return whether a tag of a version is protected; the marks of single operations are not."""
        return key in self.tags or (key.startswith(RESERVED_PREFIX) and key != OPERATION_TAG)


ReadProtection = Callable[[], Protection]
