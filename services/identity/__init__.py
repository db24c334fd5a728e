"""Who may do what: actors, roles, permissions, local accounts, sessions and API tokens."""

from services.identity.actors import Actor, Permission, Role, roles_that_grant, system_actor
from services.identity.identity import Identity
from services.identity.oidc import GroupMapping

__all__ = ["Actor", "GroupMapping", "Identity", "Permission", "Role", "roles_that_grant", "system_actor"]
