"""Tables of the index: what the registry held when it was last looked at, and the writes that keep it in step.

A model's row and its versions' rows change in one transaction, so that an index whose sync died is old in part but
never wrong in itself. What is deleted in the registry moves to `registry_gone` with all that was known of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from services.store.metadata import BigKey, metadata
from services.store.unit_of_work import UnitOfWork

Values = Mapping[str, Any]

MODELS = Table(
    "registry_model",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("aliases", JSON, nullable=False),
    Column("team", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("version_count", Integer, nullable=False),
    Column("latest_version", Integer),
    Column("latest_us", BigInteger),
    Column("production_version", Integer),
    Column("staging_version", Integer),
    Column("stage_versions", JSON, nullable=False),
    Column("metric_name", Text),
    Column("metric_value", Float),
    Column("trend", JSON, nullable=False),
    Column("problems", JSON, nullable=False),
    Column("problem_count", Integer, nullable=False),
    Column("open_drifts", Integer, nullable=False, default=0),
    Column("search_text", Text, nullable=False),
    Index(None, "updated_us", "name"),
    Index(None, "problem_count", "name"),
    Index(None, "metric_value", "name"),
)

VERSIONS = Table(
    "registry_version",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("stage", String(16), nullable=False),
    Column("status", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("run_id", Text),
    Column("model_id", Text),
    Column("tags", JSON, nullable=False),
    Column("aliases", JSON, nullable=False),
    Column("record_digest", String(32), nullable=False),
    # Read after the record, once or now and then: what the run and the model folder say.
    Column("folder", Text, nullable=False),
    Column("is_detailed", Boolean, nullable=False, default=False),
    Column("priority", Integer, nullable=False, default=0),
    Column("metrics", JSON, nullable=False),
    Column("facts", JSON, nullable=False),
    Index(None, "updated_us"),
    Index(None, "is_detailed", "priority", "created_us"),
    Index(None, "folder"),
    Index(None, "run_id"),
)

FOLDERS = Table(
    "registry_folder",
    metadata,
    Column("folder", Text, primary_key=True),
    Column("signature_state", String(16), nullable=False),
    Column("size_bytes", Integer),
    Column("mlmodel", Text),
    Column("read_us", BigInteger, nullable=False),
)

GONE = Table(
    "registry_gone",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("version", Integer),
    Column("created_us", BigInteger, nullable=False),
    Column("gone_us", BigInteger, nullable=False),
    Column("record", JSON, nullable=False),
    Index(None, "model", "version"),
)

SYNC = Table(
    "registry_sync",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("attempt_us", BigInteger),
    Column("success_us", BigInteger),
    Column("full_us", BigInteger),
    Column("duration_ms", Integer),
    Column("error", Text, nullable=False, default=""),
    # How far drift was looked for: see registry_drift.
    Column("baseline_us", BigInteger),
    Column("examined_gone_id", BigInteger, nullable=False, default=0),
)

_SYNC_ID = 1
# Any number that no other advisory lock of the store uses.
_LOCK = 7_264_001


def list_model_rows(unit: UnitOfWork, names: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Return the rows of the named models."""
    return [dict(row) for row in unit.connection.execute(select(MODELS).where(MODELS.c.name.in_(names))).mappings()]


def list_model_records(unit: UnitOfWork) -> Sequence[Any]:
    """Return of each model what a sync compares: name, times, description, tags, aliases."""
    columns = (MODELS.c.name, MODELS.c.created_us, MODELS.c.updated_us, MODELS.c.description)
    return unit.connection.execute(select(*columns, MODELS.c.tags, MODELS.c.aliases)).all()


def list_version_records(unit: UnitOfWork, models: Sequence[str]) -> Sequence[Any]:
    """Return of each version of the models what a sync compares: its key, origin and the digest of its record."""
    columns = (VERSIONS.c.model, VERSIONS.c.version, VERSIONS.c.created_us, VERSIONS.c.source, VERSIONS.c.run_id)
    query = select(*columns, VERSIONS.c.record_digest).where(VERSIONS.c.model.in_(models))
    return unit.connection.execute(query).all()


def list_singled_out(unit: UnitOfWork, model: str, versions: Sequence[int]) -> Sequence[Any]:
    """Return version, stage, aliases and priority of the versions and of those singled out so far."""
    query = select(VERSIONS.c.version, VERSIONS.c.stage, VERSIONS.c.aliases, VERSIONS.c.priority).where(
        VERSIONS.c.model == model, (VERSIONS.c.priority > 0) | VERSIONS.c.version.in_(versions)
    )
    return unit.connection.execute(query).all()


def find_watermark_us(unit: UnitOfWork) -> int | None:
    """Return when the version that changed last did so."""
    newest: int | None = unit.connection.execute(select(func.max(VERSIONS.c.updated_us))).scalar_one()
    return newest


def lock_index(unit: UnitOfWork) -> None:
    """Keep other syncs from writing until this unit ends; SQLite has one writer at a time anyway."""
    if unit.dialect == "postgresql":
        unit.connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def insert_models(unit: UnitOfWork, rows: Sequence[Values]) -> None:
    """Insert models."""
    _insert(unit, MODELS, rows)


def update_models(unit: UnitOfWork, rows: Sequence[Values]) -> None:
    """Replace columns of models; each row has `b_name`, and all rows the same columns."""
    _update(unit, MODELS, MODELS.c.name == bindparam("b_name"), rows)


def insert_versions(unit: UnitOfWork, rows: Sequence[Values]) -> None:
    """Insert versions."""
    _insert(unit, VERSIONS, rows)


def update_versions(unit: UnitOfWork, rows: Sequence[Values]) -> None:
    """Replace columns of versions; each row has `b_model` and `b_version`, and all rows the same columns."""
    where = (VERSIONS.c.model == bindparam("b_model")) & (VERSIONS.c.version == bindparam("b_version"))
    _update(unit, VERSIONS, where, rows)


def move_to_gone(unit: UnitOfWork, versions: Iterable[tuple[str, int]], *, gone_us: int) -> None:
    """Take versions out of the index, and keep what was known of them."""
    for key in versions:
        which = tuple_(VERSIONS.c.model, VERSIONS.c.version) == key
        row = unit.connection.execute(select(VERSIONS).where(which)).mappings().first()
        if row is not None:
            _keep(unit, row["model"], row["version"], row, gone_us)
            unit.connection.execute(delete(VERSIONS).where(which))


def move_model_to_gone(unit: UnitOfWork, name: str, *, gone_us: int) -> int:
    """Take a model and its versions out of the index, keep what was known, and return how many versions it had."""
    row = unit.connection.execute(select(MODELS).where(MODELS.c.name == name)).mappings().first()
    if row is None:
        return 0
    numbers = unit.connection.execute(select(VERSIONS.c.version).where(VERSIONS.c.model == name)).scalars().all()
    move_to_gone(unit, [(name, number) for number in numbers], gone_us=gone_us)
    _keep(unit, name, None, row, gone_us)
    unit.connection.execute(delete(MODELS).where(MODELS.c.name == name))
    return len(numbers)


def list_summary_rows(unit: UnitOfWork, names: Sequence[str], *, latest: int) -> Sequence[Any]:
    """Return the `latest` newest versions of each model and all that an alias or a stage singles out, newest first."""
    rank = func.row_number().over(partition_by=VERSIONS.c.model, order_by=VERSIONS.c.version.desc()).label("rank")
    count = func.count().over(partition_by=VERSIONS.c.model).label("version_count")
    ranked = select(VERSIONS, rank, count).where(VERSIONS.c.model.in_(names)).subquery()
    chosen = (ranked.c.rank <= latest) | (ranked.c.priority > 0)
    query = (
        select(ranked, FOLDERS.c.signature_state)
        .select_from(ranked.outerjoin(FOLDERS, FOLDERS.c.folder == ranked.c.folder))
        .where(chosen)
        .order_by(ranked.c.model, ranked.c.version.desc())
    )
    return unit.connection.execute(query).all()


def list_undetailed(unit: UnitOfWork, limit: int) -> Sequence[Any]:
    """Return versions whose run and folder were not read yet, the most looked-at first; `has_folder` if read before."""
    query = (
        select(VERSIONS, FOLDERS.c.folder.is_not(None).label("has_folder"))
        .select_from(VERSIONS.outerjoin(FOLDERS, FOLDERS.c.folder == VERSIONS.c.folder))
        .where(VERSIONS.c.is_detailed.is_(False))
        .order_by(VERSIONS.c.priority.desc(), VERSIONS.c.created_us.desc())
        .limit(limit)
    )
    return unit.connection.execute(query).all()


def count_undetailed(unit: UnitOfWork) -> int:
    """Return how many versions are still to be read."""
    query = select(func.count()).select_from(VERSIONS).where(VERSIONS.c.is_detailed.is_(False))
    return unit.connection.execute(query).scalar_one()


def mark_undetailed(unit: UnitOfWork) -> None:
    """Have the versions that are most looked at read again, since metrics may be logged late."""
    unit.connection.execute(update(VERSIONS).where(_looked_at()).values(is_detailed=False))


def put_folders(unit: UnitOfWork, rows: Sequence[Values]) -> None:
    """Insert or replace what was read of model folders."""
    unit.connection.execute(delete(FOLDERS).where(FOLDERS.c.folder.in_([row["folder"] for row in rows])))
    _insert(unit, FOLDERS, rows)


def forget_folders(unit: UnitOfWork, state: str) -> None:
    """Have folders in a state read again where versions that are most looked at need them."""
    wanted = select(VERSIONS.c.folder).where(_looked_at())
    unit.connection.execute(delete(FOLDERS).where(FOLDERS.c.signature_state == state, FOLDERS.c.folder.in_(wanted)))


def find_sync_row(unit: UnitOfWork) -> Any | None:
    """Return how the last syncs went."""
    return unit.connection.execute(select(SYNC).where(SYNC.c.id == _SYNC_ID)).first()


def put_sync_row(unit: UnitOfWork, **values: Any) -> None:
    """Note how a sync went."""
    if find_sync_row(unit) is None:
        unit.connection.execute(insert(SYNC).values(id=_SYNC_ID))
    unit.connection.execute(update(SYNC).where(SYNC.c.id == _SYNC_ID).values(**values))


def stamp_sync(unit: UnitOfWork, *, at_us: int) -> None:
    """Note that what is written now was looked at then: nothing in the index counts as younger than that."""
    columns = (SYNC.c.success_us, SYNC.c.full_us)
    lowered = {column.name: case((column > at_us, at_us), else_=column) for column in columns}
    unit.connection.execute(update(SYNC).where(SYNC.c.id == _SYNC_ID).values(attempt_us=at_us, **lowered))


def find_stamp_us(unit: UnitOfWork) -> int:
    """Return when the look began whose findings were written last."""
    stamp: int = unit.connection.execute(select(SYNC.c.attempt_us).where(SYNC.c.id == _SYNC_ID)).scalar_one()
    return stamp


def _looked_at() -> ColumnElement[bool]:
    newest = select(MODELS.c.name, MODELS.c.latest_version)
    return (VERSIONS.c.priority > 0) | tuple_(VERSIONS.c.model, VERSIONS.c.version).in_(newest)


def _keep(unit: UnitOfWork, model: str, version: int | None, row: Mapping[Any, Any], gone_us: int) -> None:
    record = {key: value for key, value in row.items() if key != "search_text"}
    unit.connection.execute(
        insert(GONE).values(model=model, version=version, created_us=row["created_us"], gone_us=gone_us, record=record)
    )


def _insert(unit: UnitOfWork, table: Table, rows: Sequence[Values]) -> None:
    if rows:
        unit.connection.execute(insert(table), list(rows))


def _update(unit: UnitOfWork, table: Table, where: Any, rows: Sequence[Values]) -> None:
    if rows:
        unit.connection.execute(update(table).where(where), list(rows))
