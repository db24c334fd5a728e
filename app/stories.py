"""Stories and lineage as pages and commands show them: what stands in the registry, with what was decided here."""

from __future__ import annotations

from collections.abc import Sequence

from app.facade import Gatehouse
from services.lineage.happenings import list_happenings, list_requests
from services.lineage.marks import pin_marks, promotion_marks
from services.lineage.records import Mark
from services.lineage.story import Story
from services.registry.stages import alias_of
from services.registry.values import ModelVersion, Stage

_MOST_PROMOTIONS = 200


def tell_story(gatehouse: Gatehouse, version: ModelVersion) -> Story:
    """Tell the whole story of a version, read live.

    Raises:
        NotFound: the model itself is gone.
        Unreachable: the registry does not answer.
    """
    return gatehouse.stories.tell(
        version,
        champion=_find_champion(gatehouse, version),
        requests=list_requests(gatehouse.changes, version),
        happenings=list_happenings(gatehouse.audit, version),
    )


def list_marks(gatehouse: Gatehouse, model: str) -> Sequence[Mark]:
    """Return what was put on the versions of a model here: pins and promotions."""
    pinned = gatehouse.pins.find(model)
    pins = {} if pinned is None else {name: getattr(pinned, name) for name in ("current", "previous", "fallback")}
    changes = gatehouse.changes.list_changes(kinds=["promotion"], model=model, limit=_MOST_PROMOTIONS)
    return [*pin_marks(model, pins), *promotion_marks(changes)]


def _find_champion(gatehouse: Gatehouse, version: ModelVersion) -> ModelVersion | None:
    alias = alias_of(Stage.PRODUCTION)
    number = None if alias is None else gatehouse.registry.find_alias(version.name, alias)
    return None if number in (None, version.version) else gatehouse.registry.get_version(version.name, number)
