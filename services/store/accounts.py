"""Tables and queries of accounts and API tokens; secrets are kept as hashes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    update,
)

from services.store.metadata import metadata
from services.store.unit_of_work import UnitOfWork

account = Table(
    "account",
    metadata,
    Column("name", Text, primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
    Column("password_hash", Text),
    Column("issuer", Text),
    Column("issuer_subject", Text),
    UniqueConstraint("issuer", "issuer_subject"),
)
api_token = Table(
    "api_token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Text, ForeignKey("account.name"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("scopes", JSON(none_as_null=True)),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),
    Column("revoked_us", BigInteger),
    Index(None, "account"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """A person or service; `issuer` and its subject are set for whoever signs in through OpenID Connect."""

    name: str
    roles: list[str]
    created_us: int
    disabled_us: int | None = None
    password_hash: str | None = None
    issuer: str | None = None
    issuer_subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """An API token without its secret; `scopes` None is everything the account may do."""

    id: str
    account: str
    digest: str
    scopes: list[str] | None
    created_us: int
    created_by: str
    expires_us: int
    used_us: int | None = None
    revoked_us: int | None = None


def lock_accounts(unit: UnitOfWork) -> None:
    """Make writers of accounts queue up until this unit ends; on SQLite they already do."""
    if unit.dialect == "postgresql":
        unit.connection.exec_driver_sql("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE")


def find_account(unit: UnitOfWork, name: str) -> AccountRow | None:
    """Return the account of a name."""
    row = unit.connection.execute(select(account).where(account.c.name == name)).mappings().first()
    return AccountRow(**row) if row else None


def find_account_of_subject(unit: UnitOfWork, issuer: str, subject: str) -> AccountRow | None:
    """Return the account bound to a subject of an OpenID Connect issuer."""
    query = select(account).where(account.c.issuer == issuer, account.c.issuer_subject == subject)
    row = unit.connection.execute(query).mappings().first()
    return AccountRow(**row) if row else None


def list_accounts(unit: UnitOfWork, *, after: str, limit: int) -> Sequence[AccountRow]:
    """Return accounts by name, from the first behind `after`."""
    query = select(account).where(account.c.name > after).order_by(account.c.name).limit(limit)
    return [AccountRow(**row) for row in unit.connection.execute(query).mappings()]


def has_account(unit: UnitOfWork) -> bool:
    """Return whether there is any account at all."""
    return unit.connection.execute(select(account.c.name).limit(1)).first() is not None


def list_enabled_roles(unit: UnitOfWork) -> Sequence[list[str]]:
    """Return the roles of every account that may sign in."""
    return list(unit.connection.scalars(select(account.c.roles).where(account.c.disabled_us.is_(None))))


def add_account(unit: UnitOfWork, row: AccountRow) -> None:
    """Insert an account."""
    unit.connection.execute(insert(account), [asdict(row)])


def update_account(unit: UnitOfWork, name: str, **values: Any) -> None:
    """Change columns of an account."""
    unit.connection.execute(update(account).where(account.c.name == name).values(**values))


def find_token(unit: UnitOfWork, token_id: str) -> TokenRow | None:
    """Return the token of an id."""
    row = unit.connection.execute(select(api_token).where(api_token.c.id == token_id)).mappings().first()
    return TokenRow(**row) if row else None


def list_tokens(unit: UnitOfWork, *, owner: str | None, after: str, limit: int) -> Sequence[TokenRow]:
    """Return tokens by id, of one account or of all, from the first behind `after`."""
    query = select(api_token).where(api_token.c.id > after).order_by(api_token.c.id).limit(limit)
    if owner is not None:
        query = query.where(api_token.c.account == owner)
    return [TokenRow(**row) for row in unit.connection.execute(query).mappings()]


def add_token(unit: UnitOfWork, row: TokenRow) -> None:
    """Insert a token."""
    unit.connection.execute(insert(api_token), [asdict(row)])


def update_token(unit: UnitOfWork, token_id: str, **values: Any) -> None:
    """Change columns of a token."""
    unit.connection.execute(update(api_token).where(api_token.c.id == token_id).values(**values))
