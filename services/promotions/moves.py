"""Moving a stage in the registry, idempotently: operation tag, alias, legacy stage, and a look at the result.

MLflow has no compare-and-set, so a move first reads where the alias points and leaves a tag of the operation on the
version: a second run of the same move sees its own tag and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable

from services.clock import Clock, utc_now
from services.errors import Conflict, NotFound
from services.lineage.sunset import check_may_serve
from services.registry.port import Registry
from services.registry.stages import PROTECTED_ALIASES, alias_of
from services.registry.tags import CHECKPOINT_TAG, OPERATION_TAG
from services.registry.values import ModelVersion, Stage

WAS_PRODUCTION_TAG = "was_production"


class StageMover:
    """Moves stages in one registry.

    Args:
        legacy_stages: whether MLflow's own stage is moved as well as the alias.
        sign: returns a signed checkpoint of the audit log, which is left on the version.
    """

    def __init__(
        self, registry: Registry, *, legacy_stages: bool, sign: Callable[[], str], clock: Clock = utc_now
    ) -> None:
        self._registry = registry
        self._legacy_stages = legacy_stages
        self._sign = sign
        self._clock = clock

    def check_may_serve(self, version: ModelVersion) -> None:
        """Let pass only a version whose sunset has not come: nothing is pinned that nobody should use.

        Raises:
            Blocked: it has come.
        """
        check_may_serve(version, self._clock().date())

    def is_moved(self, model: str, version: int, stage: Stage, operation_id: str) -> bool:
        """Return whether this very operation has already moved the alias."""
        alias = alias_of(stage)
        tags = self._registry.get_version(model, version).tags
        return tags.get(OPERATION_TAG) == operation_id and (
            alias is None or self._registry.find_alias(model, alias) == version
        )

    def point(self, model: str, version: int, stage: Stage, operation_id: str, *, replaces: int | None) -> int | None:
        """Make `stage` mean `version` instead of `replaces`, and return where its alias pointed.

        Raises:
            Conflict: somebody moved the alias while we did.
            Unverified: the audit log does not verify, so nothing is moved.
            Unreachable: the registry does not answer; run it again.
        """
        alias = alias_of(stage)
        before = None if alias is None else self._registry.find_alias(model, alias)
        note = self._sign()
        self._registry.set_version_tag(model, version, OPERATION_TAG, operation_id)
        self._registry.set_version_tag(model, version, CHECKPOINT_TAG, note)
        if alias is not None:
            self._registry.set_alias(model, alias, version)
        self._take_away(model, version, keep=alias)
        if self._legacy_stages:
            self._registry.set_stage(model, version, stage)
        if stage is Stage.PRODUCTION and replaces not in (None, version):
            self._retire(model, replaces)
        if alias is not None and (found := self._registry.find_alias(model, alias)) != version:
            raise Conflict(
                f"The alias {alias} of {model} was set to {version} and points at {found}.",
                next_step="Somebody else moved it at the same moment; look at the drift of this model.",
            )
        return before

    def _take_away(self, model: str, version: int, *, keep: str | None) -> None:
        # A version is in one stage, so no alias may say that it is in another as well.
        aliases = self._registry.get_model(model).aliases
        for other in sorted(PROTECTED_ALIASES - {keep}):
            if aliases.get(other) == version:
                self._registry.delete_alias(model, other)

    def _retire(self, model: str, version: int | None) -> None:
        # The version before stays, archived and marked, so that going back finds it (practice 4).
        assert version is not None
        try:
            self._registry.set_version_tag(model, version, WAS_PRODUCTION_TAG, "true")
            if self._legacy_stages:
                self._registry.set_stage(model, version, Stage.ARCHIVED)
        except NotFound:
            return  # deleted since: nothing is left to mark, and drift tells of it
