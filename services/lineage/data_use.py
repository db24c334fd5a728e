"""Which versions rest on a data set: those that a run made that read it, and those that were tuned from them.

The runs are asked of the registry; the versions that they made, and which came from which, are in the index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.lineage import artifacts
from services.lineage.records import list_parents
from services.registry.entries import VersionEntry
from services.registry.index import Index
from services.registry.port import RecordReader
from services.registry.values import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUse:
    """A version that rests on a data set.

    Args:
        context: what its own run read it for, such as `training`; empty where that is not said.
        through: the version that it was tuned from; empty where its own run read the data.
    """

    version: VersionEntry
    context: str = ""
    through: str = ""

    @property
    def is_serving(self) -> bool:
        """Whether it is in production."""
        return self.version.stage is Stage.PRODUCTION


def list_data_uses(registry: RecordReader, index: Index, name: str, digest: str) -> tuple[DataUse, ...]:
    """Return the versions that rest on a data set, those in production first.

    Raises:
        InvalidInput: the registry cannot be asked for a data set of this name.
        Unreachable: the registry does not answer.
    """
    contexts = {
        run.run_id: next(data.context for data in run.datasets if (data.name, data.digest) == (name, digest))
        for run in registry.list_runs_reading(name, digest)
    }
    direct = index.list_versions_of_runs(sorted(contexts))
    uses = {entry.reference: DataUse(version=entry, context=contexts[entry.run_id or ""]) for entry in direct}
    children = _children(index)
    pending = list(uses)
    while pending:
        parent = pending.pop()
        for child in children.get(parent, ()):
            if child.reference not in uses:
                uses[child.reference] = DataUse(version=child, through=parent)
                pending.append(child.reference)
    return tuple(sorted(uses.values(), key=lambda use: (not use.is_serving, use.version.name, -use.version.version)))


def _children(index: Index) -> Mapping[str, Sequence[VersionEntry]]:
    children: dict[str, list[VersionEntry]] = defaultdict(list)
    for entry in index.list_tagged_versions(artifacts.TUNED_FROM):
        for parent in list_parents(entry.tags, artifacts.TUNED_FROM):
            children[parent].append(entry)
    return children
