import pytest

from services.identity.actors import PERMISSIONS, Actor, Permission, Role, roles_that_grant, system_actor

DECIDING = {
    Permission.PROMOTE_TO_PRODUCTION,
    Permission.APPROVE_DOCUMENT,
    Permission.WAIVE_GATE,
}


def actor(*roles: Role, scopes: frozenset[Permission] | None = None) -> Actor:
    return Actor(name="ada", roles=frozenset(roles), origin="test", scopes=scopes)


def test_every_role_has_permissions_and_every_permission_a_role() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert all(PERMISSIONS[role] for role in Role)
    assert all(roles_that_grant(permission) for permission in Permission)


@pytest.mark.parametrize(
    ("role", "named"),
    [
        (Role.ML_ENGINEER, {Permission.WRITE_MODEL, Permission.REGISTER_MODEL}),
        (Role.RELEASE_MANAGER, {Permission.PROMOTE_TO_PRODUCTION, Permission.ARCHIVE_MODEL}),
        (Role.DATA_SCIENTIST, {Permission.READ_MODEL, Permission.READ_METRICS}),
        (Role.SERVICE_ACCOUNT, {Permission.READ_PRODUCTION_MODEL}),
        (Role.COMPLIANCE_REVIEWER, {Permission.READ_AUDIT, Permission.EXPORT_AUDIT}),
        (Role.ADMIN, {Permission.MANAGE_USERS, Permission.MANAGE_SETTINGS}),
    ],
)
def test_a_role_holds_what_it_was_named_for(role: Role, named: set[Permission]) -> None:
    assert named <= PERMISSIONS[role]


def test_an_admin_decides_nothing() -> None:
    assert not DECIDING & PERMISSIONS[Role.ADMIN]


def test_a_service_account_reads_what_is_in_production_and_nothing_else() -> None:
    assert PERMISSIONS[Role.SERVICE_ACCOUNT] == {Permission.READ_PRODUCTION_MODEL}


def test_roles_add_up_and_scopes_limit() -> None:
    assert actor(Role.ADMIN, Role.RELEASE_MANAGER).permissions >= DECIDING
    scoped = actor(Role.RELEASE_MANAGER, scopes=frozenset({Permission.ROLL_BACK, Permission.MANAGE_USERS}))
    assert scoped.permissions == {Permission.ROLL_BACK}
    assert actor().permissions == frozenset()


def test_a_process_of_ours_decides_and_manages_nothing() -> None:
    worker = system_actor("worker")
    assert (worker.name, worker.origin) == ("system:worker", "worker")
    assert not worker.permissions & (
        DECIDING | {Permission.MANAGE_USERS, Permission.MANAGE_SETTINGS, Permission.REQUEST_CHANGE}
    )
