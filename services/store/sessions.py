"""Tables and queries of sessions, attempts to sign in, and facts about the installation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text, delete, func, insert, select, update

from services.store.metadata import BigKey, metadata
from services.store.unit_of_work import UnitOfWork

session = Table(
    "session",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("account", Text, ForeignKey("account.name"), nullable=False),
    Column("way", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("end_reason", Text),
    Index(None, "account", "ended_us"),
    Index(None, "expires_us"),
)
sign_in_attempt = Table(
    "sign_in_attempt",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Index(None, "key", "at_us"),
    Index(None, "at_us"),
)
installation_fact = Table(
    "installation_fact",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

_EVERY_SESSION_ENDED = "every_session_ended_us"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """Somebody signed in; `digest` is the hash of the cookie, or of what identifies an OpenID Connect sign-in."""

    digest: str
    account: str
    way: str
    origin: str
    started_us: int
    seen_us: int
    expires_us: int
    ended_us: int | None = None
    end_reason: str | None = None


def find_session(unit: UnitOfWork, digest: str) -> SessionRow | None:
    """Return the session of a digest, ended or not."""
    row = unit.connection.execute(select(session).where(session.c.digest == digest)).mappings().first()
    return SessionRow(**row) if row else None


def list_open_sessions(unit: UnitOfWork, owner: str, *, now_us: int) -> Sequence[SessionRow]:
    """Return the sessions of an account that have neither ended nor expired, oldest first."""
    query = (
        select(session)
        .where(session.c.account == owner, session.c.ended_us.is_(None), session.c.expires_us > now_us)
        .order_by(session.c.started_us, session.c.digest)
    )
    return [SessionRow(**row) for row in unit.connection.execute(query).mappings()]


def add_session(unit: UnitOfWork, row: SessionRow) -> None:
    """Insert a session."""
    unit.connection.execute(insert(session), [asdict(row)])


def update_session(unit: UnitOfWork, digest: str, **values: Any) -> None:
    """Change columns of a session."""
    unit.connection.execute(update(session).where(session.c.digest == digest).values(**values))


def end_sessions(unit: UnitOfWork, owner: str, *, now_us: int, reason: str) -> int:
    """End the open sessions of an account; returns how many."""
    query = update(session).where(session.c.account == owner, session.c.ended_us.is_(None))
    return unit.connection.execute(query.values(ended_us=now_us, end_reason=reason)).rowcount


def end_every_session(unit: UnitOfWork, *, now_us: int, reason: str) -> None:
    """End the open sessions of everybody, and refuse what began before now; see `find_ended_us`."""
    unit.connection.execute(
        update(session).where(session.c.ended_us.is_(None)).values(ended_us=now_us, end_reason=reason)
    )
    set_fact(unit, _EVERY_SESSION_ENDED, str(now_us))


def find_ended_us(unit: UnitOfWork) -> int:
    """Return when every session was last ended, of which some may not be known here; 0 if never."""
    return int(find_fact(unit, _EVERY_SESSION_ENDED) or 0)


def forget_sessions(unit: UnitOfWork, *, expired_before_us: int) -> None:
    """Remove sessions that expired before a moment."""
    unit.connection.execute(delete(session).where(session.c.expires_us < expired_before_us))


def lock_attempts(unit: UnitOfWork) -> None:
    """Make attempts to sign in queue up until this unit ends; on SQLite they already do."""
    if unit.dialect == "postgresql":
        unit.connection.exec_driver_sql("LOCK TABLE sign_in_attempt IN SHARE ROW EXCLUSIVE MODE")


def count_attempts(unit: UnitOfWork, key: str, *, since_us: int) -> tuple[int, int | None]:
    """Return how many attempts there were under a key since a moment, and when the first of them was."""
    attempts = sign_in_attempt.c
    query = select(func.count(), func.min(attempts.at_us)).where(attempts.key == key, attempts.at_us > since_us)
    count, first = unit.connection.execute(query).one()
    return count, first


def add_attempts(unit: UnitOfWork, keys: Collection[str], *, at_us: int) -> None:
    """Insert an attempt under each key."""
    unit.connection.execute(insert(sign_in_attempt), [{"key": key, "at_us": at_us} for key in keys])


def forget_attempts(unit: UnitOfWork, keys: Collection[str], *, at_us: int | None = None) -> None:
    """Remove the attempts under some keys, of one moment or of all."""
    query = delete(sign_in_attempt).where(sign_in_attempt.c.key.in_(keys))
    unit.connection.execute(query if at_us is None else query.where(sign_in_attempt.c.at_us == at_us))


def forget_old_attempts(unit: UnitOfWork, *, before_us: int) -> None:
    """Remove every attempt from before a moment."""
    unit.connection.execute(delete(sign_in_attempt).where(sign_in_attempt.c.at_us < before_us))


def find_fact(unit: UnitOfWork, name: str) -> str | None:
    """Return a fact about the installation."""
    return unit.connection.scalar(select(installation_fact.c.value).where(installation_fact.c.name == name))


def set_fact(unit: UnitOfWork, name: str, value: str | None) -> None:
    """Replace a fact about the installation, or remove it."""
    unit.connection.execute(delete(installation_fact).where(installation_fact.c.name == name))
    if value is not None:
        unit.connection.execute(insert(installation_fact).values(name=name, value=value))
