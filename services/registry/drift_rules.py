"""Where the registry differs from what was approved, by comparing plain values.

A protected alias that nobody approved must not be there, in no variant of its spelling; a version that nobody staged
has the legacy stage None. Other aliases and reserved tags are compared where Gatehouse wrote them, and the tags that a
policy protects on the versions that Gatehouse has marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from services.registry.approved import Fact
from services.registry.protection import Protection
from services.registry.values import Stage
from services.registry.writes import Watched

Place = tuple[Watched, str, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The registry when it was last looked at.

    Args:
        at_us: when that look began; facts that are younger cannot be judged by it.
        tags_at_us: when the last look at all tags of versions began, which move no timestamp; 0 before the first.
        aliases: of every model.
        stages: of versions whose legacy stage is not None.
        tags: of versions with approved tags.
    """

    at_us: int
    tags_at_us: int = 0
    aliases: Mapping[str, Mapping[str, int]]
    stages: Mapping[tuple[str, int], str] = field(default_factory=dict)
    tags: Mapping[tuple[str, int], Mapping[str, str]] = field(default_factory=dict)
    versions: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where the registry is not as approved; None means that nothing is, or should be, there."""

    kind: Watched
    model: str
    version: int = 0
    key: str = ""
    approved: str | None = None
    found: str | None = None

    @property
    def place(self) -> Place:
        """What it is about."""
        return self.kind, self.model, self.version, self.key


def find_differences(facts: Iterable[Fact], seen: Seen, protection: Protection) -> list[Difference]:
    """Return every difference in aliases, stages and tags, by place."""
    approved = {fact.place: fact for fact in facts}
    found = {**dict(_found_aliases(seen)), **_found_stages(seen), **dict(_found_tags(approved.values(), seen))}
    differences = []
    for place in sorted(approved.keys() | found.keys()):
        if not _is_judged(place, approved.get(place), seen, protection):
            continue
        nothing = default_fact(place)
        expected, value = approved.get(place, nothing), found.get(place, nothing.value)
        if not expected.allows(value):
            kind, model, version, key = place
            differences.append(
                Difference(kind=kind, model=model, version=version, key=key, approved=expected.value, found=value)
            )
    return differences


def baseline(seen: Seen, protection: Protection) -> Sequence[Fact]:
    """Return what was there before anybody watched, to be taken as it is."""
    found = {**dict(_found_aliases(seen)), **_found_stages(seen)}
    return [
        Fact(kind=kind, model=model, version=version, key=key, value=value)
        for (kind, model, version, key), value in sorted(found.items())
        if kind is not Watched.ALIAS or protection.holds_alias(key)
    ]


def first_tags(facts: Iterable[Fact], seen: Seen, protection: Protection) -> Sequence[Fact]:
    """Return the protected tags of versions that Gatehouse has marked, as they were when first looked at after that.

    A tag that is not there is held as well, so that adding one is a difference.
    """
    known = {fact.place for fact in facts if fact.kind is Watched.TAG}
    marked = {(fact.model, fact.version) for fact in facts if fact.kind is Watched.TAG and fact.at_us < seen.tags_at_us}
    return [
        Fact(kind=Watched.TAG, model=model, version=version, key=key, value=seen.tags[model, version].get(key))
        for model, version in sorted(marked & seen.tags.keys())
        for key in sorted(protection.tags)
        if (Watched.TAG, model, version, key) not in known
    ]


def _is_judged(place: Place, fact: Fact | None, seen: Seen, protection: Protection) -> bool:
    """Leave out what is gone as a whole, which is a difference of its own, and what is younger than the look."""
    kind, model, version, key = place
    if model not in seen.aliases or (version and (model, version) not in seen.versions):
        return False
    if kind is Watched.TAG:
        return fact is not None and fact.at_us < seen.tags_at_us and protection.holds_tag(key)
    if fact is not None:
        return fact.at_us < seen.at_us
    return kind is not Watched.ALIAS or protection.holds_alias(key)


def default_fact(place: Place) -> Fact:
    """Return what is as approved where nobody approved anything."""
    kind, model, version, key = place
    value = Stage.NONE.value if kind is Watched.STAGE else None
    return Fact(kind=kind, model=model, version=version, key=key, value=value)


def _found_aliases(seen: Seen) -> Iterator[tuple[Place, str | None]]:
    for model, aliases in seen.aliases.items():
        for alias, version in aliases.items():
            yield (Watched.ALIAS, model, 0, alias), str(version)


def _found_stages(seen: Seen) -> dict[Place, str | None]:
    return {(Watched.STAGE, model, version, ""): stage for (model, version), stage in seen.stages.items()}


def _found_tags(facts: Iterable[Fact], seen: Seen) -> Iterator[tuple[Place, str | None]]:
    for fact in facts:
        if fact.kind is Watched.TAG:
            yield fact.place, seen.tags.get((fact.model, fact.version), {}).get(fact.key)
