"""Tables and queries of gate reports, waivers and checklist answers. Reports and their results never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from services.store.append_only import refuse_changes
from services.store.metadata import BigKey, metadata
from services.store.rows import add_row, find_row, list_rows
from services.store.unit_of_work import UnitOfWork

_KEY = BigInteger().with_variant(Integer, "sqlite")

REPORTS = Table(
    "gate_report",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("version_created_us", BigInteger, nullable=False),
    Column("stage", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("champion", Integer),
    Column("outcome", Text, nullable=False),
    Column("policy_revision", Text, nullable=False),
    Column("bound", JSON, nullable=False),
    Column("evidence_digest", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index("ix_gate_report_version", "model", "stage", "version", "id"),
    Index("ix_gate_report_stage", "stage", "id"),
    sqlite_autoincrement=True,
)

RESULTS = Table(
    "gate_result",
    metadata,
    Column("report_id", _KEY, ForeignKey("gate_report.id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("model", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("gate", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("observed", JSON),
    Column("threshold", JSON),
    Column("unit", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("remedy", Text, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("waived", Boolean, nullable=False),
    Column("details", JSON, nullable=False),
    Index("ix_gate_result_trend", "model", "stage", "gate", "report_id"),
)

WAIVERS = Table(
    "gate_waiver",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("stage", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("granted_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("revoked_by", Text),
    Column("revoked_us", BigInteger),
    Index("ix_gate_waiver_version", "model", "version", "stage"),
    sqlite_autoincrement=True,
)

ANSWERS = Table(
    "checklist_answer",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("item", Text, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

for _table in (REPORTS, RESULTS):
    refuse_changes(_table)


def add_report(unit: UnitOfWork, report: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> int:
    """Insert a report with its results, in order, and return its id."""
    report_id = add_row(unit, REPORTS, report)
    shared = {key: report[key] for key in ("model", "stage", "version")}
    rows = [{"report_id": report_id, "place": place, **shared, **result} for place, result in enumerate(results)]
    if rows:
        unit.connection.execute(insert(RESULTS), rows)
    return report_id


def find_report(unit: UnitOfWork, report_id: int) -> Mapping[str, Any] | None:
    """Return the row of a report."""
    return find_row(unit, select(REPORTS).where(REPORTS.c.id == report_id))


def list_results(unit: UnitOfWork, report_ids: Sequence[int]) -> Mapping[int, Sequence[Mapping[str, Any]]]:
    """Return the results of each of the reports, in order."""
    found: dict[int, list[Mapping[str, Any]]] = {report_id: [] for report_id in report_ids}
    query = select(RESULTS).where(RESULTS.c.report_id.in_(report_ids)).order_by(RESULTS.c.report_id, RESULTS.c.place)
    for row in unit.connection.execute(query).mappings():
        found[row["report_id"]].append(dict(row))
    return found


def list_reports(
    unit: UnitOfWork,
    *,
    model: str | None,
    version: int | None,
    stage: str | None,
    before_id: int | None,
    limit: int,
) -> Sequence[Mapping[str, Any]]:
    """Return reports, newest first, below `before_id`."""
    query = select(REPORTS).order_by(REPORTS.c.id.desc()).limit(limit)
    for column, value in ((REPORTS.c.model, model), (REPORTS.c.version, version), (REPORTS.c.stage, stage)):
        if value is not None:
            query = query.where(column == value)
    if before_id is not None:
        query = query.where(REPORTS.c.id < before_id)
    return list_rows(unit, query)


def list_newest_reports(
    unit: UnitOfWork, *, stage: str, models: Sequence[str] | None, after: tuple[str, int] | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Return the newest report of every version for a stage, by model and version, above `after`."""
    newest = (
        select(func.max(REPORTS.c.id).label("id"))
        .where(REPORTS.c.stage == stage)
        .group_by(REPORTS.c.model, REPORTS.c.version)
        .order_by(REPORTS.c.model, REPORTS.c.version)
        .limit(limit)
    )
    if models is not None:
        newest = newest.where(REPORTS.c.model.in_(models))
    if after is not None:
        model, version = after
        is_later = or_(REPORTS.c.model > model, (REPORTS.c.model == model) & (REPORTS.c.version > version))
        newest = newest.where(is_later)
    query = select(REPORTS).where(REPORTS.c.id.in_(newest.scalar_subquery()))
    return list_rows(unit, query.order_by(REPORTS.c.model, REPORTS.c.version))


def list_newest_of_model(unit: UnitOfWork, *, model: str, stage: str, limit: int) -> Sequence[Mapping[str, Any]]:
    """Return the newest report of each of the newest versions of a model, newest version first."""
    newest = (
        select(func.max(REPORTS.c.id))
        .where(REPORTS.c.model == model, REPORTS.c.stage == stage)
        .group_by(REPORTS.c.version)
        .order_by(REPORTS.c.version.desc())
        .limit(limit)
    )
    query = select(REPORTS).where(REPORTS.c.id.in_(newest.scalar_subquery())).order_by(REPORTS.c.version.desc())
    return list_rows(unit, query)


def list_trend(unit: UnitOfWork, *, model: str, stage: str, gate: str, limit: int) -> Sequence[Mapping[str, Any]]:
    """Return the newest results of one gate with their reports' times, oldest first."""
    query = (
        select(RESULTS, REPORTS.c.at_us)
        .join(REPORTS, REPORTS.c.id == RESULTS.c.report_id)
        .where(RESULTS.c.model == model, RESULTS.c.stage == stage, RESULTS.c.gate == gate)
        .order_by(RESULTS.c.report_id.desc())
        .limit(limit)
    )
    return list_rows(unit, query)[::-1]


def add_waiver(unit: UnitOfWork, values: Mapping[str, Any]) -> int:
    """Insert a waiver and return its id."""
    return add_row(unit, WAIVERS, values)


def find_waiver(unit: UnitOfWork, waiver_id: int) -> Mapping[str, Any] | None:
    """Return the row of a waiver."""
    return find_row(unit, select(WAIVERS).where(WAIVERS.c.id == waiver_id))


def revoke_waiver(unit: UnitOfWork, waiver_id: int, *, actor: str, at_us: int) -> None:
    """End a waiver."""
    statement = update(WAIVERS).where(WAIVERS.c.id == waiver_id, WAIVERS.c.revoked_us.is_(None))
    unit.connection.execute(statement.values(revoked_by=actor, revoked_us=at_us))


def list_waivers(
    unit: UnitOfWork,
    *,
    model: str | None = None,
    version: int | None = None,
    stage: str | None = None,
    standing_at_us: int | None = None,
    before_id: int | None = None,
    limit: int = 500,
) -> Sequence[Mapping[str, Any]]:
    """Return waivers, newest first; with `standing_at_us` only those that stand at that time."""
    query = select(WAIVERS).order_by(WAIVERS.c.id.desc()).limit(limit)
    for column, value in ((WAIVERS.c.model, model), (WAIVERS.c.version, version), (WAIVERS.c.stage, stage)):
        if value is not None:
            query = query.where(column == value)
    if standing_at_us is not None:
        query = query.where(WAIVERS.c.expires_us > standing_at_us, WAIVERS.c.revoked_us.is_(None))
    if before_id is not None:
        query = query.where(WAIVERS.c.id < before_id)
    return list_rows(unit, query)


def put_answer(unit: UnitOfWork, values: Mapping[str, Any]) -> None:
    """Write an answer to a checklist item, over the one before."""
    dialect_insert = postgresql.insert if unit.dialect == "postgresql" else sqlite.insert
    added = dialect_insert(ANSWERS).values(**values)
    changed = {key: added.excluded[key] for key in ("answer", "note", "actor", "at_us")}
    keys = [ANSWERS.c.model, ANSWERS.c.version, ANSWERS.c.item]
    unit.connection.execute(added.on_conflict_do_update(index_elements=keys, set_=changed))


def list_answers(unit: UnitOfWork, *, model: str, version: int) -> Sequence[Mapping[str, Any]]:
    """Return the answers given for a version, by item."""
    query = select(ANSWERS).where(ANSWERS.c.model == model, ANSWERS.c.version == version).order_by(ANSWERS.c.item)
    return list_rows(unit, query)
