"""Tables of drift: what was approved of the registry, fact by fact, and where the registry was found to differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    cast,
    delete,
    func,
    insert,
    select,
    update,
)

from services.store.metadata import BigKey, metadata
from services.store.registry_index import GONE, MODELS, SYNC, VERSIONS
from services.store.unit_of_work import UnitOfWork

# Facts that are about no version have the version 0, since a key has no NULL.
APPROVED = Table(
    "registry_approved",
    metadata,
    Column("model", Text, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("value", Text),
    Column("former", Text),
    Column("is_settled", Boolean, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("next_check_us", BigInteger, nullable=False, default=0),
)

DRIFTS = Table(
    "registry_drift",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("approved", Text),
    Column("found", Text),
    Column("state", String(16), nullable=False),
    Column("detected_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Column("closed_by", Text, nullable=False, default=""),
    Column("reason", Text, nullable=False, default=""),
    Index(None, "state", "id"),
    Index(None, "model", "state"),
    sqlite_autoincrement=True,
)

OPEN = "open"
_FACT_KEY = ("model", "kind", "version", "key")


def find_fact(unit: UnitOfWork, key: Mapping[str, Any]) -> Any | None:
    """Return what is approved for one key."""
    return unit.connection.execute(select(APPROVED).where(*_matches(key))).first()


def list_facts(unit: UnitOfWork, kinds: Sequence[str]) -> Sequence[Any]:
    """Return what is approved of some kinds."""
    return unit.connection.execute(select(APPROVED).where(APPROVED.c.kind.in_(kinds))).all()


def list_due_facts(unit: UnitOfWork, kind: str, *, now_us: int, limit: int) -> Sequence[Any]:
    """Return facts of a kind that are due to be checked, those that waited longest first."""
    query = select(APPROVED).where(APPROVED.c.kind == kind, APPROVED.c.next_check_us <= now_us)
    return unit.connection.execute(query.order_by(APPROVED.c.next_check_us).limit(limit)).all()


def put_fact(unit: UnitOfWork, key: Mapping[str, Any], **values: Any) -> None:
    """Insert or replace what is approved for a key."""
    done = unit.connection.execute(update(APPROVED).where(*_matches(key)).values(**values))
    if done.rowcount == 0:
        unit.connection.execute(insert(APPROVED).values(**key, **values))


def postpone_check(unit: UnitOfWork, kind: str, model: str, version: int, *, next_check_us: int) -> None:
    """Say when a fact is checked next."""
    key = {"kind": kind, "model": model, "version": version}
    unit.connection.execute(update(APPROVED).where(*_matches(key)).values(next_check_us=next_check_us))


def delete_facts(unit: UnitOfWork, **key: Any) -> None:
    """Forget what is approved of a model, or of one of its versions, or for one key."""
    unit.connection.execute(delete(APPROVED).where(*_matches(key)))


def list_aliases(unit: UnitOfWork) -> Sequence[Any]:
    """Return the name and aliases of every model as last seen."""
    return unit.connection.execute(select(MODELS.c.name, MODELS.c.aliases)).all()


def list_staged(unit: UnitOfWork, unstaged: str) -> Sequence[Any]:
    """Return model, version and stage of every version in a legacy stage other than `unstaged`."""
    query = select(VERSIONS.c.model, VERSIONS.c.version, VERSIONS.c.stage).where(VERSIONS.c.stage != unstaged)
    return unit.connection.execute(query).all()


def list_tagged(unit: UnitOfWork, kind: str) -> Sequence[Any]:
    """Return model, version, stage and tags of versions of which something of a kind is approved."""
    about = (APPROVED.c.model == VERSIONS.c.model) & (APPROVED.c.version == VERSIONS.c.version)
    query = select(VERSIONS.c.model, VERSIONS.c.version, VERSIONS.c.tags).where(
        select(APPROVED.c.key).where(about, APPROVED.c.kind == kind).exists()
    )
    return unit.connection.execute(query).all()


def list_present(unit: UnitOfWork, models: Sequence[str]) -> Sequence[tuple[str, int]]:
    """Return the versions of some models that the registry had when last seen."""
    query = select(VERSIONS.c.model, VERSIONS.c.version).where(VERSIONS.c.model.in_(models))
    return [(row.model, row.version) for row in unit.connection.execute(query)]


def list_gone_after(unit: UnitOfWork, last_id: int) -> Sequence[Any]:
    """Return what was deleted since the record `last_id`, in order."""
    query = select(GONE.c.id, GONE.c.model, GONE.c.version, GONE.c.created_us, GONE.c.gone_us)
    return unit.connection.execute(query.where(GONE.c.id > last_id).order_by(GONE.c.id)).all()


def list_returned(unit: UnitOfWork, *, models: str, versions: str) -> Sequence[Any]:
    """Return open drifts about a deletion whose model or version is in the index again, made when it was made.

    Args:
        models, versions: the kinds of such drifts, whose key is the id of what is gone.
    """
    gone = and_(GONE.c.model == DRIFTS.c.model, cast(GONE.c.id, Text) == DRIFTS.c.key)
    found: list[Any] = []
    for kind, here, number in ((models, MODELS, None), (versions, VERSIONS, VERSIONS.c.version)):
        name = here.c.name if number is None else here.c.model
        same = [name == DRIFTS.c.model, here.c.created_us == GONE.c.created_us]
        same += [] if number is None else [number == DRIFTS.c.version]
        query = select(DRIFTS).join(GONE, gone).join(here, and_(*same))
        found += unit.connection.execute(query.where(DRIFTS.c.kind == kind, DRIFTS.c.state == OPEN)).all()
    return found


def list_drifting(unit: UnitOfWork, models: Sequence[str]) -> Sequence[str]:
    """Return those of the models of which a drift is open."""
    query = select(DRIFTS.c.model).distinct().where(DRIFTS.c.state == OPEN, DRIFTS.c.model.in_(models))
    return unit.connection.execute(query).scalars().all()


def note_examined(unit: UnitOfWork, **values: int) -> None:
    """Note how far drift was looked for; there is a row once there was a sync."""
    unit.connection.execute(update(SYNC).values(**values))


def add_drift(unit: UnitOfWork, **values: Any) -> int:
    """Insert an open drift and return its id."""
    query = insert(DRIFTS).values(**values, state=OPEN).returning(DRIFTS.c.id)
    return int(unit.connection.execute(query).scalar_one())


def close_drift(unit: UnitOfWork, drift_id: int, **values: Any) -> bool:
    """Close a drift; False if it is closed already."""
    query = update(DRIFTS).where(DRIFTS.c.id == drift_id, DRIFTS.c.state == OPEN).values(**values)
    return unit.connection.execute(query).rowcount == 1


def find_drift(unit: UnitOfWork, drift_id: int) -> Any | None:
    """Return one drift."""
    return unit.connection.execute(select(DRIFTS).where(DRIFTS.c.id == drift_id)).first()


def list_drifts(
    unit: UnitOfWork, *, state: str | None, model: str | None, before_id: int | None, limit: int | None
) -> Sequence[Any]:
    """Return drifts, last found first, below `before_id`."""
    query = select(DRIFTS).order_by(DRIFTS.c.id.desc()).limit(limit)
    for column, value in ((DRIFTS.c.state, state), (DRIFTS.c.model, model)):
        if value is not None:
            query = query.where(column == value)
    return unit.connection.execute(query if before_id is None else query.where(DRIFTS.c.id < before_id)).all()


def count_on_models(unit: UnitOfWork, models: Sequence[str]) -> None:
    """Bring the count of open drifts on models up to date, which the catalog shows."""
    for model in models:
        count = select(func.count()).where(DRIFTS.c.model == model, DRIFTS.c.state == OPEN).scalar_subquery()
        unit.connection.execute(update(MODELS).where(MODELS.c.name == model).values(open_drifts=count))


def _matches(key: Mapping[str, Any]) -> list[Any]:
    return [APPROVED.c[name] == key[name] for name in _FACT_KEY if name in key]
