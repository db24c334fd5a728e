"""`users` and `tokens`: who may do what here."""

from __future__ import annotations

from datetime import timedelta

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, table
from app.commands.parameters import WholeNumber
from services.clock import to_text
from services.identity.actors import Permission, Role

_role = click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    type=click.Choice([role.value for role in Role]),
    help="May repeat.",
)
_reason = click.option("--reason", default="", help="Why, in a sentence; it is kept.")


@click.group("users")
def users_command() -> None:
    """People and services, and their roles."""


@users_command.command("add")
@click.argument("name")
@_role
@json_option
def add(name: str, roles: tuple[str, ...], *, as_json: bool) -> int:
    """Add NAME and print a token, shown this once: for commands, or to choose a password with."""
    gatehouse, actor = current_gatehouse(), current_actor()
    account, token = gatehouse.identity.add_person(actor, name, [Role(role) for role in roles])
    document = {"name": account.name, "roles": sorted(roles), "token": token}
    return answer(document, as_json=as_json, lines=[token])


@users_command.command("list")
@click.option("--after", default="", help="Only behind this name: the next page.")
@click.option("--limit", type=WholeNumber(1, 500), default=100, show_default=True)
@json_option
def list_users(after: str, limit: int, *, as_json: bool) -> int:
    """List accounts by name."""
    found = current_gatehouse().identity.accounts.list_accounts(current_actor(), after=after, limit=limit)
    users = [
        {
            "name": account.name,
            "roles": sorted(account.roles),
            "disabled_at": None if account.disabled_at is None else to_text(account.disabled_at),
        }
        for account in found
    ]
    rows = [
        (account.name, ", ".join(sorted(account.roles)), "disabled" if account.disabled_at else "") for account in found
    ]
    following = found[-1].name if len(found) == limit else None
    return answer({"users": users, "next": following}, as_json=as_json, lines=table(("NAME", "ROLES", ""), rows))


@users_command.command("role")
@click.argument("name")
@_role
@_reason
@json_option
def role(name: str, roles: tuple[str, ...], reason: str, *, as_json: bool) -> int:
    """Give NAME these roles and no others."""
    account = current_gatehouse().identity.accounts.set_roles(
        current_actor(), name, [Role(each) for each in roles], reason=reason
    )
    held = sorted(account.roles)
    return answer({"name": account.name, "roles": held}, as_json=as_json, lines=[f"{name}: {', '.join(held)}"])


@users_command.command("disable")
@click.argument("name")
@_reason
@json_option
def disable(name: str, reason: str, *, as_json: bool) -> int:
    """Shut NAME out, at once and everywhere."""
    account = current_gatehouse().identity.accounts.disable(current_actor(), name, reason=reason)
    document = {"name": account.name, "disabled": account.disabled_at is not None}
    return answer(document, as_json=as_json, lines=[f"{name} is disabled."])


@users_command.command("enable")
@click.argument("name")
@_reason
@json_option
def enable(name: str, reason: str, *, as_json: bool) -> int:
    """Let NAME in again."""
    account = current_gatehouse().identity.accounts.enable(current_actor(), name, reason=reason)
    document = {"name": account.name, "disabled": account.disabled_at is not None}
    return answer(document, as_json=as_json, lines=[f"{name} is enabled."])


@click.group("tokens")
def tokens_command() -> None:
    """API tokens, for CI and serving."""


@tokens_command.command("issue")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice([each.value for each in Permission]), help="May repeat."
)
@click.option("--days", type=WholeNumber(1, 366), default=90, show_default=True, help="How long it is good for.")
@json_option
def issue(name: str, scopes: tuple[str, ...], days: int, *, as_json: bool) -> int:
    """Print a token for NAME, shown this once."""
    limited = [Permission(scope) for scope in scopes] or None
    token = current_gatehouse().identity.tokens.issue(current_actor(), name, scopes=limited, life=timedelta(days=days))
    return answer({"token": token}, as_json=as_json, lines=[token])


@tokens_command.command("list")
@click.option("--name", help="Only of this account.")
@json_option
def list_tokens(name: str | None, *, as_json: bool) -> int:
    """List tokens, never their secrets."""
    found = current_gatehouse().identity.tokens.list_tokens(current_actor(), account=name)
    tokens = [
        {
            "id": token.id,
            "name": token.account,
            "scopes": token.scopes if token.scopes is None else sorted(token.scopes),
            "expires_at": to_text(token.expires_at),
            "last_used_at": None if token.used_at is None else to_text(token.used_at),
            "revoked_at": None if token.revoked_at is None else to_text(token.revoked_at),
        }
        for token in found
    ]
    rows = [(each["id"], each["name"], each["expires_at"], each["last_used_at"], each["revoked_at"]) for each in tokens]
    lines = table(("ID", "NAME", "EXPIRES", "LAST USED", "REVOKED"), rows)
    return answer({"tokens": tokens}, as_json=as_json, lines=lines)


@tokens_command.command("revoke")
@click.argument("reference", metavar="ID|NAME")
@_reason
@json_option
def revoke(reference: str, reason: str, *, as_json: bool) -> int:
    """Revoke one token by id, or all of an account by name."""
    revoked = current_gatehouse().identity.tokens.revoke(current_actor(), reference, reason=reason)
    return answer({"revoked": list(revoked)}, as_json=as_json, lines=[f"revoked {each}" for each in revoked])
