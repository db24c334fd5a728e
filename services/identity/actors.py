"""Actors, roles and the frozen table that says which role holds which permission.

The first four roles and their permissions are the user's own (practice 5, access control); a person may hold several.
An admin manages people and settings and may ask for changes, but can never approve one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a person or service is here for."""

    ML_ENGINEER = "ml_engineer"
    RELEASE_MANAGER = "release_manager"
    DATA_SCIENTIST = "data_scientist"
    SERVICE_ACCOUNT = "service_account"
    COMPLIANCE_REVIEWER = "compliance_reviewer"
    ADMIN = "admin"


class Permission(StrEnum):
    """One thing that services let an actor do."""

    READ_MODEL = "read_model"
    READ_METRICS = "read_metrics"
    READ_PRODUCTION_MODEL = "read_production_model"
    WRITE_MODEL = "write_model"
    REGISTER_MODEL = "register_model"
    RUN_GATES = "run_gates"
    REQUEST_CHANGE = "request_change"
    PROMOTE_TO_PRODUCTION = "promote_to_production"
    ARCHIVE_MODEL = "archive_model"
    ROLL_BACK = "roll_back"
    WAIVE_GATE = "waive_gate"
    EDIT_DOCUMENT = "edit_document"
    APPROVE_DOCUMENT = "approve_document"
    READ_AUDIT = "read_audit"
    EXPORT_AUDIT = "export_audit"
    REDACT_AUDIT = "redact_audit"
    MANAGE_USERS = "manage_users"
    MANAGE_SETTINGS = "manage_settings"


_LOOKING = frozenset({Permission.READ_MODEL, Permission.READ_METRICS, Permission.READ_PRODUCTION_MODEL})
_BUILDING = {
    Permission.WRITE_MODEL,
    Permission.REGISTER_MODEL,
    Permission.RUN_GATES,
    Permission.REQUEST_CHANGE,
    Permission.EDIT_DOCUMENT,
}

PERMISSIONS = MappingProxyType(
    {
        Role.DATA_SCIENTIST: frozenset(
            _LOOKING | {Permission.RUN_GATES, Permission.REQUEST_CHANGE, Permission.EDIT_DOCUMENT}
        ),
        Role.ML_ENGINEER: frozenset(_LOOKING | _BUILDING),
        Role.RELEASE_MANAGER: frozenset(
            _LOOKING
            | {
                Permission.RUN_GATES,
                Permission.REQUEST_CHANGE,
                Permission.PROMOTE_TO_PRODUCTION,
                Permission.ARCHIVE_MODEL,
                Permission.ROLL_BACK,
                Permission.WAIVE_GATE,
                Permission.EDIT_DOCUMENT,
                Permission.APPROVE_DOCUMENT,
                Permission.READ_AUDIT,
            }
        ),
        Role.SERVICE_ACCOUNT: frozenset({Permission.READ_PRODUCTION_MODEL}),
        Role.COMPLIANCE_REVIEWER: frozenset(
            _LOOKING | {Permission.READ_AUDIT, Permission.EXPORT_AUDIT, Permission.APPROVE_DOCUMENT}
        ),
        Role.ADMIN: frozenset(
            _LOOKING
            | _BUILDING
            | {
                Permission.READ_AUDIT,
                Permission.REDACT_AUDIT,
                Permission.MANAGE_USERS,
                Permission.MANAGE_SETTINGS,
            }
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Somebody, or something, that acts.

    Args:
        name: the account's name, `local:<system user>` on an embedded store, or `system:<process>` for the worker.
        origin: where the request came from, such as `cli`, `app` or `worker`, with its request id.
        scopes: what an API token is limited to; None is no limit.
    """

    name: str
    roles: frozenset[Role]
    origin: str
    scopes: frozenset[Permission] | None = None

    @property
    def permissions(self) -> frozenset[Permission]:
        """Everything this actor may do."""
        granted = frozenset[Permission]().union(*(PERMISSIONS[role] for role in self.roles))
        return granted if self.scopes is None else granted & self.scopes


def roles_that_grant(permission: Permission) -> list[Role]:
    """Return the roles that hold a permission, in the order of `Role`.

    >>> [str(role) for role in roles_that_grant(Permission.EXPORT_AUDIT)]
    ['compliance_reviewer']
    """
    return [role for role in Role if permission in PERMISSIONS[role]]


def is_same_person(account: str, name: str) -> bool:
    """Return whether a name that others wrote, such as a run's user, may be that of an account.

    Training code knows people by the name of their machine's user, providers of identity by their e-mail address: where
    one of the two has a domain and the other none, what stands before it decides. To bar one too many is the safe side.

    >>> is_same_person("maya", "@Maya"), is_same_person("maya@bank.example", "maya")
    (True, True)
    >>> is_same_person("maya@bank.example", "maya@shop.example"), is_same_person("maya", "")
    (False, False)
    """
    one, other = (each.strip().removeprefix("@").casefold() for each in (account, name))
    if one == other or ("@" in one) == ("@" in other):
        return one == other
    return one.partition("@")[0] == other.partition("@")[0]


def system_actor(process: str) -> Actor:
    """Return the actor of a process of ours that goes on with what people decided, such as `worker`.

    It looks, records and drives on; it requests, approves, waives and manages nothing.
    """
    return Actor(
        name=f"system:{process}",
        roles=frozenset({Role.ML_ENGINEER, Role.RELEASE_MANAGER}),
        origin=process,
        scopes=_LOOKING
        | {
            Permission.WRITE_MODEL,
            Permission.REGISTER_MODEL,
            Permission.RUN_GATES,
            Permission.ARCHIVE_MODEL,
            Permission.ROLL_BACK,
            Permission.READ_AUDIT,
        },
    )
