"""The tags of models and of their versions, read from the registry in two calls however many they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.errors import NotFound
from services.registry.names import quoted
from services.registry.port import Registry
from services.registry.stages import PROTECTED_ALIASES
from services.registry.values import ModelVersion, RegisteredModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """The tags of some models and of their versions, as the registry has them now."""

    models: Mapping[str, RegisteredModel]
    versions: Sequence[ModelVersion]

    def look_up(self) -> Mapping[tuple[str, int], Mapping[str, str]]:
        """Return the tags by model and version, 0 for the model itself."""
        of_models = {(name, 0): model.tags for name, model in self.models.items()}
        return of_models | {(each.name, each.version): each.tags for each in self.versions}

    def merge_tags(self) -> dict[str, dict[str, str]]:
        """Return what is known of each model: its own tags over those of its newest version."""
        newest = {each.name: each.tags for each in sorted(self.versions, key=lambda each: each.version)}
        return {name: {**newest.get(name, {}), **model.tags} for name, model in self.models.items()}

    def find_serving(self) -> list[str]:
        """Return which of the models serve, by an alias of a stage."""
        return sorted(name for name, model in self.models.items() if PROTECTED_ALIASES & model.aliases.keys())


def read_tags(registry: Registry, names: Collection[str] = ()) -> Tagged:
    """Read the named models, or all, in a few calls however many they are.

    Raises:
        NotFound: one of the names is no model.
        Unreachable: the registry does not answer.
    """
    models = {model.name: model for model in registry.list_models() if not names or model.name in names}
    missing = sorted(set(names) - models.keys())
    if missing:
        raise NotFound(
            f"There is no model {quoted(missing[0])}.", next_step="`gatehouse models list` lists all that there are."
        )
    return Tagged(models=models, versions=list(registry.list_versions(sorted(models))) if models else [])
