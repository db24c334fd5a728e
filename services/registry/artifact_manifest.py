"""The manifest of model artifacts in a backup: their bytes stay in the registry's own storage, their digests go along.

It lists every version that was ever approved for a stage. Held against a registry, it says which of them are gone or
changed since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from services.errors import GatehouseError, NotFound
from services.registry.port import RegistryReader
from services.registry.writes import Watched
from services.store import Store
from services.store import registry_drift as rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a registry stands to a manifest, by reference."""

    same: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]


def list_digests(store: Store, registry: RegistryReader | None) -> Mapping[str, str]:
    """Return the approved digest of every version's model folder by reference, read now where it is not known yet."""
    with store.read() as unit:
        facts = rows.list_facts(unit, [Watched.ARTIFACTS.value])
    found = {}
    for fact in sorted(facts, key=lambda each: (each.model, each.version)):
        reference = f"{fact.model}/{fact.version}"
        if fact.value is not None:
            found[reference] = fact.value
        elif registry is not None:
            with suppress(GatehouseError):
                found[reference] = registry.get_artifact_digest(registry.get_version(fact.model, fact.version))
    return found


def compare(registry: RegistryReader, digests: Mapping[str, str]) -> Comparison:
    """Hold a manifest against a registry.

    Raises:
        Unreachable: the registry does not answer.
    """
    found = dict(_read(registry, digests))
    return Comparison(
        same=tuple(reference for reference in digests if found[reference] == digests[reference]),
        changed=tuple(reference for reference in digests if found[reference] not in (digests[reference], None)),
        gone=tuple(reference for reference in digests if found[reference] is None),
    )


def _read(registry: RegistryReader, digests: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for reference in digests:
        name, _, version = reference.rpartition("/")
        try:
            yield reference, registry.get_artifact_digest(registry.get_version(name, int(version)))
        except NotFound:
            yield reference, None
