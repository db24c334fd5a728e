"""A move to a new name as a plan: what would be written, and a digest of it.

The plan follows from the old model's records alone, without the deprecation that it ends in. So whoever applies it
makes it anew, and an equal digest proves that the registry has not changed since. A tag on each copy tells what is
there under the new name already: a plan that was cut short goes on, and a finished one has nothing left to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from services.errors import Conflict, InvalidInput, NotFound
from services.lineage.plans import digest_of
from services.lineage.sunset import (
    DEPRECATED,
    REPLACEMENT,
    SUNSET_ON,
    find_sunset,
    prefix_description,
    strip_description,
)
from services.registry.name_lint import lint_name
from services.registry.names import check_model_name, quoted
from services.registry.port import Registry
from services.registry.tags import OPERATION_TAG
from services.registry.values import ModelVersion, RegisteredModel, Stage

MIGRATED_FROM_TAG = "gatehouse.migrated_from"
"""On a copy: the `NAME/VERSION` that it is a copy of."""

_NOT_COPIED = frozenset({DEPRECATED, SUNSET_ON, REPLACEMENT, OPERATION_TAG})


class StepKind(StrEnum):
    """What one step writes."""

    CREATE_MODEL = "create_model"
    COPY_VERSION = "copy_version"
    SET_STAGE = "set_stage"
    SET_ALIAS = "set_alias"
    DEPRECATE = "deprecate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One write: `version` is of the old model for a deprecation, 0 for the model itself, of the new one otherwise."""

    kind: StepKind
    version: int = 0
    value: str = ""

    @property
    def where(self) -> str:
        """What it writes to, with what it writes there."""
        return f"{self.kind} of {self.value}"

    def to_json(self) -> dict[str, Any]:
        """Return the step as it stands in a plan file."""
        return {"do": self.kind.value, "version": self.version or None, "value": self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A version under the new name, as it is to be created."""

    of: int
    number: int
    source: str
    run_id: str | None
    description: str
    tags: Mapping[str, str]
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """Everything that a migration writes to the registry."""

    old: str
    new: str
    sunset: date
    description: str
    tags: Mapping[str, str]
    copies: tuple[Copy, ...]
    aliases: Mapping[str, int]

    @property
    def digest(self) -> str:
        """`sha256:…` over all of it."""
        copies = [
            [each.of, each.source, each.run_id, each.description, dict(each.tags), each.stage.value]
            for each in self.copies
        ]
        content: Any = {
            "from": self.old,
            "to": self.new,
            "sunset": self.sunset.isoformat(),
            "description": self.description,
            "tags": dict(self.tags),
            "copies": copies,
            "aliases": dict(self.aliases),
        }
        return digest_of(content)

    @property
    def numbers(self) -> Mapping[int, int]:
        """The new number of each old version."""
        return {copy.of: copy.number for copy in self.copies}

    def list_steps(self) -> list[Step]:
        """Return every write, in order; old versions are deprecated last, when all of the new ones are there."""
        copy, stage, alias, end = StepKind.COPY_VERSION, StepKind.SET_STAGE, StepKind.SET_ALIAS, StepKind.DEPRECATE
        staged = [each for each in self.copies if each.stage is not Stage.NONE]
        copies = [Step(kind=copy, version=each.number, value=f"{self.old}/{each.of}") for each in self.copies]
        stages = [Step(kind=stage, version=each.number, value=each.stage.value) for each in staged]
        aliases = [Step(kind=alias, version=number, value=name) for name, number in sorted(self.aliases.items())]
        ends = [Step(kind=end, version=each.of, value=f"{self.new}/{each.number}") for each in self.copies]
        return [Step(kind=StepKind.CREATE_MODEL, value=self.new), *copies, *stages, *aliases, *ends]

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a file holds it; only names, sunset and digest are read back."""
        return {
            "kind": "migration_plan",
            "from": self.old,
            "to": self.new,
            "sunset": self.sunset.isoformat(),
            "digest": self.digest,
            "steps": [step.to_json() for step in self.list_steps()],
        }


def make_plan(registry: Registry, old: str, new: str, *, sunset: date) -> MigrationPlan:
    """Read the old model and say what a migration to `new` would write; nothing is written.

    Raises:
        NotFound: there is no model of the old name.
        InvalidInput: the new name is the old one, or no product's name, or the old model has no versions.
        Conflict: the new name has versions of its own.
        Unreachable: the registry does not answer.
    """
    _check_new_name(old, new)
    model = registry.get_model(old)
    versions = sorted(registry.list_versions([old]), key=lambda version: version.version)
    if not versions:
        raise InvalidInput(f"{quoted(old)} has no versions to move.", next_step="Register the new name directly.")
    strangers = [each.reference for each in registry.list_versions([new]) if not _is_copy(each, old)]
    if strangers:
        raise Conflict(
            f"{quoted(new)} has versions of its own, such as {strangers[0]}.", next_step="Choose a name that is free."
        )
    copies = tuple(_copy(version, number) for number, version in enumerate(versions, 1))
    numbers = {copy.of: copy.number for copy in copies}
    return MigrationPlan(
        old=old,
        new=new,
        sunset=sunset,
        description=model.description,
        tags=dict(model.tags),
        copies=copies,
        aliases={alias: numbers[version] for alias, version in model.aliases.items() if version in numbers},
    )


def list_pending(registry: Registry, plan: MigrationPlan) -> list[Step]:
    """Return the steps that the registry does not show as done, in their order.

    Raises:
        Unreachable: the registry does not answer.
    """
    try:
        model: RegisteredModel | None = registry.get_model(plan.new)
    except NotFound:
        model = None
    copies = {each.version: each for each in registry.list_versions([plan.new])} if model else {}
    olds = {each.version: each for each in registry.list_versions([plan.old])}
    return [step for step in plan.list_steps() if not _is_done(step, plan, model, copies, olds)]


def apply_step(registry: Registry, plan: MigrationPlan, step: Step) -> None:
    """Write one step; all but the copying of a version can be written twice to the same effect."""
    match step.kind:
        case StepKind.CREATE_MODEL:
            registry.create_model(plan.new, description=plan.description, tags=plan.tags)
        case StepKind.COPY_VERSION:
            _create(registry, plan, plan.copies[step.version - 1], step.value)
        case StepKind.SET_STAGE:
            registry.set_stage(plan.new, step.version, Stage(step.value))
        case StepKind.SET_ALIAS:
            registry.set_alias(plan.new, step.value, step.version)
        case StepKind.DEPRECATE:
            _deprecate(registry, plan, step.version, step.value)


def _check_new_name(old: str, new: str) -> None:
    check_model_name(new)
    if new == old:
        raise InvalidInput(f"{quoted(new)} is the name that it has.", next_step="Name another one.")
    report = lint_name(new)
    if not report.is_ok:
        better = f"Name a product, such as {report.suggestion}." if report.suggestion else "Name a product."
        raise InvalidInput(" ".join(problem.message for problem in report.problems), next_step=better)


def _is_copy(version: ModelVersion, old: str) -> bool:
    return version.tags.get(MIGRATED_FROM_TAG, "").rpartition("/")[0] == old


def _copy(version: ModelVersion, number: int) -> Copy:
    return Copy(
        of=version.version,
        number=number,
        source=version.source,
        run_id=version.run_id,
        description=strip_description(version.description),
        tags={key: value for key, value in version.tags.items() if key not in _NOT_COPIED},
        stage=version.stage,
    )


def _create(registry: Registry, plan: MigrationPlan, copy: Copy, origin: str) -> None:
    tags = {**copy.tags, MIGRATED_FROM_TAG: origin}
    created = registry.create_version(
        plan.new, source=copy.source, run_id=copy.run_id, description=copy.description, tags=tags
    )
    if created.version != copy.number:
        raise Conflict(
            f"{origin} became {created.reference}, where the plan expects number {copy.number}.",
            next_step=f"Somebody else registers or deletes versions of {plan.new}: choose a name that is free.",
        )


def _is_done(
    step: Step,
    plan: MigrationPlan,
    model: RegisteredModel | None,
    copies: Mapping[int, ModelVersion],
    olds: Mapping[int, ModelVersion],
) -> bool:
    match step.kind:
        case StepKind.CREATE_MODEL:
            return model is not None
        case StepKind.COPY_VERSION:
            return step.version in copies and copies[step.version].tags.get(MIGRATED_FROM_TAG) == step.value
        case StepKind.SET_STAGE:
            return step.version in copies and copies[step.version].stage is Stage(step.value)
        case StepKind.SET_ALIAS:
            return model is not None and model.aliases.get(step.value) == step.version
        case StepKind.DEPRECATE:
            found = olds.get(step.version)
            sunset = None if found is None else find_sunset(plan.old, found.tags)
            return sunset is not None and (sunset.on, sunset.replacement) == (plan.sunset, step.value)


def _deprecate(registry: Registry, plan: MigrationPlan, version: int, replacement: str) -> None:
    found = registry.get_version(plan.old, version)
    described = prefix_description(found.description, plan.sunset)
    if described != found.description:
        registry.set_version_description(plan.old, version, described)
    tags: Sequence[tuple[str, str]] = (
        (DEPRECATED, "true"),
        (SUNSET_ON, plan.sunset.isoformat()),
        # Last, since it is by this tag that the step is seen to be done.
        (REPLACEMENT, replacement),
    )
    for key, value in tags:
        registry.set_version_tag(plan.old, version, key, value)
