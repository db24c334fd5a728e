"""This installation: what it is told, who may do what, and the tokens of services."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import ui
from app.doctor import examine
from app.ui.session import current_actor, get_gatehouse
from services.errors import GatehouseError
from services.identity import Permission, Role

gatehouse = get_gatehouse()
actor = current_actor()
identity = gatehouse.identity
_ROLES = [role.value for role in Role]
_WAYS = {"oidc": "identity provider", "demo": "one click"}


def show_people() -> None:
    """Draw the accounts; who manages users can add, change and shut out."""
    pager = ui.Pager("people", size=20)
    found = identity.accounts.list_accounts(actor, after=pager.after or "", limit=pager.size)
    picked = ui.data_table(
        [
            {
                "name": account.name,
                "roles": ", ".join(sorted(account.roles)).replace("_", " "),
                "state": "disabled" if account.disabled_at else "active",
            }
            for account in found
        ],
        [
            ui.Column(name="name", label="Name"),
            ui.Column(name="roles", label="Roles", width="large"),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
        ],
        key="people_table",
        alt="Accounts by name",
        select="one",
    )
    pager.draw(shown=len(found), next_after=found[-1].name if len(found) == pager.size else None, noun="account")
    if picked.selected:
        show_account(found[picked.selected[0]].name)
    add_account()


def show_account(name: str) -> None:
    """Draw what can be done with one account."""
    account = identity.accounts.get(name)
    with ui.panel():
        st.markdown(ui.strong(account.name))
        roles = st.multiselect("Roles", _ROLES, default=sorted(account.roles), key=f"roles_{name}")
        reason = st.text_input("Reason", key=f"reason_{name}", placeholder="Why is this changed?")
        with st.container(horizontal=True, gap="small"):
            if st.button("Change roles", key=f"change_{name}"):
                act(lambda: identity.accounts.set_roles(actor, name, map(Role, roles), reason=reason), "Roles changed.")
            if account.disabled_at is None and st.button(
                "Shut out", key=f"disable_{name}", icon=":material/person_off:"
            ):
                act(lambda: identity.accounts.disable(actor, name, reason=reason), f"{name} is shut out.")
            if account.disabled_at is not None and st.button("Let in again", key=f"enable_{name}"):
                act(lambda: identity.accounts.enable(actor, name, reason=reason), f"{name} is let in again.")
        show_sessions(name)


def add_account() -> None:
    """Draw the form that adds an account, and its token once."""
    with st.form("add_account", border=True, clear_on_submit=True):
        st.markdown("**Add an account**")
        name = st.text_input("Name", max_chars=64)
        roles = st.multiselect("Roles", _ROLES)
        if st.form_submit_button("Add"):
            try:
                _, token = identity.add_person(actor, name, map(Role, roles))
            except GatehouseError as error:
                ui.show_error(error)
            else:
                st.success("Shown this once: give it to its owner, to choose a password or for commands.")
                st.code(token, language=None)


def show_tokens() -> None:
    """Draw tokens without their secrets."""
    own = None if Permission.MANAGE_USERS in actor.permissions else actor.name
    pager = ui.Pager("tokens", size=20)
    found = identity.tokens.list_tokens(actor, account=own, after=pager.after or "", limit=pager.size)
    if not found and pager.after is None:
        ui.empty_state("No tokens", "`gatehouse tokens issue NAME` makes one for commands, CI or serving.", icon="key")
        return
    picked = ui.data_table(
        [
            {
                "id": token.id,
                "account": token.account,
                "scopes": "everything its account may" if token.scopes is None else ", ".join(sorted(token.scopes)),
                "expires": token.expires_at,
                "used": token.used_at,
                "state": "disabled" if token.revoked_at else "active",
            }
            for token in found
        ],
        [
            ui.Column(name="id", label="Token"),
            ui.Column(name="account", label="Of"),
            ui.Column(name="scopes", label="For", width="medium"),
            ui.Column(name="expires", label="Expires", kind=ui.Kind.WHEN),
            ui.Column(name="used", label="Last used", kind=ui.Kind.WHEN),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
        ],
        key="tokens_table",
        alt="Tokens",
        select="one",
    )
    pager.draw(shown=len(found), next_after=found[-1].id if len(found) == pager.size else None, noun="token")
    if picked.selected:
        token = found[picked.selected[0]]
        if token.revoked_at is None and st.button(f"Revoke {token.id}", icon=":material/block:"):
            act(lambda: identity.tokens.revoke(actor, token.id), "The token is revoked.")


def show_sessions(name: str) -> None:
    """Draw where an account is signed in, and what ends that."""
    found = identity.sessions.list_open(actor, name)
    if not found:
        ui.empty_state("Signed in nowhere", "A session ends after eight hours, or thirty minutes unused.")
        return
    picked = ui.data_table(
        [
            {
                "way": _WAYS.get(session.way, session.way),
                "since": session.started_at,
                "used": session.seen_at,
                "until": session.expires_at,
            }
            for session in found
        ],
        [
            ui.Column(name="way", label="Signed in by"),
            ui.Column(name="since", label="Since", kind=ui.Kind.WHEN),
            ui.Column(name="used", label="Last used", kind=ui.Kind.WHEN),
            ui.Column(name="until", label="Ends at the latest", kind=ui.Kind.WHEN),
        ],
        key=f"sessions_{name}",
        alt=f"Sessions of {name}",
        select="one",
    )
    with st.container(horizontal=True, gap="small"):
        if picked.selected and st.button("End this session", key=f"end_{name}", icon=":material/logout:"):
            session = found[picked.selected[0]]
            act(lambda: identity.sessions.end_one(actor, session.id), "The session has ended.")
        if st.button("Sign out everywhere", key=f"end_all_{name}", icon=":material/logout:"):
            act(lambda: identity.sessions.end_all(actor, name), f"{name} is signed out everywhere.")


def show_installation() -> None:
    """Draw every setting, where it came from, and whether what it points to answers."""
    ui.data_table(
        [
            {
                "name": each.name,
                "value": each.value,
                "source": each.source,
                "state": {True: "ok", False: "failed", None: None}[each.ok],
                "message": each.message,
            }
            for each in examine(gatehouse)
        ],
        [
            ui.Column(name="name", label="Setting", width="medium"),
            ui.Column(name="value", label="Value", width="medium"),
            ui.Column(name="source", label="From", width="medium"),
            ui.Column(name="state", label="State", kind=ui.Kind.STATE),
            ui.Column(name="message", label="Note", width="large"),
        ],
        key="installation",
        alt="Settings",
    )


def act(run: object, done: str) -> None:
    """Do something and say so, or show why not."""
    assert callable(run)
    try:
        run()
    except GatehouseError as error:
        ui.show_error(error)
    else:
        ui.flash(done)
        st.rerun()


ui.page_header("Settings")
views: dict[str, Callable[[], None]] = {"Tokens": show_tokens, "My sessions": lambda: show_sessions(actor.name)}
if Permission.MANAGE_USERS in actor.permissions:
    views = {"People": show_people, **views}
if Permission.MANAGE_SETTINGS in actor.permissions:
    views = {**views, "Installation": show_installation}
view = st.segmented_control("View", list(views), default=next(iter(views)), required=True, label_visibility="collapsed")
with ui.guarded():
    views[view]()
