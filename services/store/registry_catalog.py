"""Queries over the index for pages: models by filter, sort and key; versions of one model; counts for facets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, tuple_

from services.store.registry_drift import DRIFTS, OPEN
from services.store.registry_index import FOLDERS, GONE, MODELS, VERSIONS
from services.store.unit_of_work import UnitOfWork

# Stands in for a metric that is missing, so that models without one come last.
_BELOW_ALL, _ABOVE_ALL = -1.7e308, 1.7e308

HEALTH = case(
    (MODELS.c.open_drifts > 0, literal("drift")),
    (MODELS.c.problem_count > 0, literal("attention")),
    else_=literal("good"),
)
_FACETS: Mapping[str, ColumnElement[Any]] = {
    "team": MODELS.c.team,
    "tier": MODELS.c.tier,
    "stage": MODELS.c.stage,
    "health": HEALTH,
}
_ENTRY = select(VERSIONS, FOLDERS.c.signature_state, FOLDERS.c.size_bytes).select_from(
    VERSIONS.outerjoin(FOLDERS, FOLDERS.c.folder == VERSIONS.c.folder)
)


def list_models(
    unit: UnitOfWork,
    *,
    terms: Sequence[str],
    chosen: Mapping[str, Sequence[str]],
    sort: str,
    is_descending: bool,
    after: tuple[Any, str] | None,
    limit: int,
) -> Sequence[Any]:
    """Return models with `sort_value` and `health`, beyond the key `after`; equal values are in order of name."""
    value = _sort_value(sort, is_descending=is_descending)
    query = _filtered(select(MODELS, value.label("sort_value"), HEALTH.label("health")), unit, terms, chosen)
    if after is not None:
        beyond = value < after[0] if is_descending else value > after[0]
        query = query.where(or_(beyond, and_(value == after[0], MODELS.c.name > after[1])))
    order = value.desc() if is_descending else value.asc()
    return unit.connection.execute(query.order_by(order, MODELS.c.name).limit(limit)).all()


def count_models(unit: UnitOfWork, *, terms: Sequence[str], chosen: Mapping[str, Sequence[str]]) -> int:
    """Return how many models match."""
    query = _filtered(select(func.count()).select_from(MODELS), unit, terms, chosen)
    return int(unit.connection.execute(query).scalar_one())


def count_facets(
    unit: UnitOfWork, *, terms: Sequence[str], chosen: Mapping[str, Sequence[str]]
) -> Mapping[str, Mapping[str, int]]:
    """Return of each facet how many matching models have each value; a facet's own choice does not narrow it."""
    counts = {}
    for name, column in _FACETS.items():
        others = {facet: values for facet, values in chosen.items() if facet != name}
        query = _filtered(select(column.label("value"), func.count().label("models")), unit, terms, others)
        rows = unit.connection.execute(query.group_by(column).order_by(column))
        counts[name] = {row.value: row.models for row in rows}
    return counts


def count_totals(unit: UnitOfWork) -> Any:
    """Return one row of counts over the whole registry."""
    query = select(
        func.count().label("models"),
        func.coalesce(func.sum(MODELS.c.version_count), 0).label("versions"),
        func.count(MODELS.c.production_version).label("in_production"),
        func.count(MODELS.c.staging_version).label("in_staging"),
        func.coalesce(func.sum(case((MODELS.c.problem_count > 0, 1), else_=0)), 0).label("with_problems"),
        # A deleted model has drifted too, and has no row of its own.
        select(func.count(DRIFTS.c.model.distinct())).where(DRIFTS.c.state == OPEN).scalar_subquery().label("drifting"),
    )
    return unit.connection.execute(query).one()


def find_model(unit: UnitOfWork, name: str) -> Any | None:
    """Return one model with its health."""
    return unit.connection.execute(select(MODELS, HEALTH.label("health")).where(MODELS.c.name == name)).first()


def list_hygiene_rows(unit: UnitOfWork) -> Sequence[Any]:
    """Return of every model its problems, what serves, and when the newest version came."""
    columns = (MODELS.c.name, MODELS.c.problems, MODELS.c.latest_us)
    query = select(*columns, MODELS.c.production_version, MODELS.c.staging_version).order_by(MODELS.c.name)
    return unit.connection.execute(query).all()


def list_names(unit: UnitOfWork) -> Sequence[str]:
    """Return every name."""
    return unit.connection.execute(select(MODELS.c.name).order_by(MODELS.c.name)).scalars().all()


def list_versions(unit: UnitOfWork, name: str, *, before: int | None, limit: int) -> Sequence[Any]:
    """Return versions of a model, newest first, below `before`."""
    query = _ENTRY.where(VERSIONS.c.model == name).order_by(VERSIONS.c.version.desc()).limit(limit)
    return unit.connection.execute(query if before is None else query.where(VERSIONS.c.version < before)).all()


def list_chosen_versions(unit: UnitOfWork, keys: Sequence[tuple[str, int]]) -> Sequence[Any]:
    """Return those of the versions that are in the index, by name and number."""
    query = _ENTRY.where(tuple_(VERSIONS.c.model, VERSIONS.c.version).in_(keys))
    return unit.connection.execute(query.order_by(VERSIONS.c.model, VERSIONS.c.version)).all() if keys else []


def list_latest_versions(unit: UnitOfWork) -> Sequence[Any]:
    """Return the newest version of every model, by name."""
    newest = and_(MODELS.c.name == VERSIONS.c.model, MODELS.c.latest_version == VERSIONS.c.version)
    query = _ENTRY.join(MODELS, newest).order_by(VERSIONS.c.model)
    return unit.connection.execute(query).all()


def list_versions_of(unit: UnitOfWork, *, run_id: str | None = None, model_id: str | None = None) -> Sequence[Any]:
    """Return the versions that were made by a run or hold a logged model, by name and number."""
    query = _ENTRY.order_by(VERSIONS.c.model, VERSIONS.c.version)
    if run_id is not None:
        query = query.where(VERSIONS.c.run_id == run_id)
    if model_id is not None:
        query = query.where(VERSIONS.c.folder == model_id)
    return unit.connection.execute(query).all()


def list_tagged(unit: UnitOfWork, tag: str, *, model: str | None) -> Sequence[Any]:
    """Return the versions that carry a tag, by name and number."""
    query = _ENTRY.where(VERSIONS.c.tags[tag].as_string().is_not(None))
    query = query if model is None else query.where(VERSIONS.c.model == model)
    return unit.connection.execute(query.order_by(VERSIONS.c.model, VERSIONS.c.version)).all()


def list_versions_of_runs(unit: UnitOfWork, run_ids: Sequence[str]) -> Sequence[Any]:
    """Return the versions that any of the runs made, by name and number."""
    query = _ENTRY.where(VERSIONS.c.run_id.in_(run_ids)).order_by(VERSIONS.c.model, VERSIONS.c.version)
    return unit.connection.execute(query).all()


def find_mlmodel(unit: UnitOfWork, name: str, version: int) -> str | None:
    """Return the MLmodel file of a version as it was read, or None."""
    query = select(FOLDERS.c.mlmodel).select_from(VERSIONS.join(FOLDERS, FOLDERS.c.folder == VERSIONS.c.folder))
    found: str | None = unit.connection.execute(
        query.where(VERSIONS.c.model == name, VERSIONS.c.version == version)
    ).scalar_one_or_none()
    return found


def list_gone(unit: UnitOfWork, *, model: str | None, before_id: int | None, limit: int) -> Sequence[Any]:
    """Return deleted models and versions with what was known of them, the last deleted first."""
    query = select(GONE).order_by(GONE.c.id.desc()).limit(limit)
    if model is not None:
        query = query.where(GONE.c.model == model)
    if before_id is not None:
        query = query.where(GONE.c.id < before_id)
    return unit.connection.execute(query).all()


def _sort_value(sort: str, *, is_descending: bool) -> ColumnElement[Any]:
    if sort == "metric":
        return func.coalesce(MODELS.c.metric_value, _BELOW_ALL if is_descending else _ABOVE_ALL)
    return {"name": MODELS.c.name, "updated": MODELS.c.updated_us, "problems": MODELS.c.problem_count}[sort]


def _filtered(
    query: Select[Any], unit: UnitOfWork, terms: Sequence[str], chosen: Mapping[str, Sequence[str]]
) -> Select[Any]:
    # No LIKE: what people type holds no patterns, and a few thousand short texts are searched in a millisecond.
    position = func.instr if unit.dialect == "sqlite" else func.strpos
    for term in terms:
        query = query.where(position(MODELS.c.search_text, term) > 0)
    for facet, values in chosen.items():
        if values:
            query = query.where(_FACETS[facet].in_(values))
    return query
