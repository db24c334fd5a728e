"""Deprecating a version from its page: until when, what instead and why; and taking that back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from app import ui
from app.facade import Gatehouse
from app.ui.session import current_actor
from services.errors import GatehouseError
from services.identity import Actor, Permission
from services.lineage.sunset import find_sunset
from services.registry.entries import ModelEntry, VersionEntry
from services.registry.references import parse_reference, resolve_reference

_DAYS = 90
_CHOICES = 200
_PERMISSIONS = frozenset({Permission.WRITE_MODEL, Permission.ARCHIVE_MODEL})


def offer(gatehouse: Gatehouse, actor: Actor, model: ModelEntry) -> None:
    """Draw the buttons that open the drawers, for those who may."""
    if not _PERMISSIONS & actor.permissions:
        return
    versions = gatehouse.index.list_versions(model.name, limit=_CHOICES).versions
    deprecated = [each for each in versions if find_sunset(each.name, each.tags) is not None]
    with st.container(horizontal=True, gap="small"):
        if versions and st.button("Deprecate a version…", key="deprecate", icon=":material/event_busy:"):
            st.dialog("Deprecate a version", width="medium", position="right", icon=":material/event_busy:")(_declare)(
                gatehouse, versions
            )
        if deprecated and st.button("Take a deprecation back…", key="undeprecate", icon=":material/undo:"):
            st.dialog("Take a deprecation back", width="medium", position="right", icon=":material/undo:")(_withdraw)(
                gatehouse, deprecated
            )


def _declare(gatehouse: Gatehouse, versions: Sequence[VersionEntry]) -> None:
    st.markdown("From its sunset on, the version is neither promoted nor pinned nor gone back to.")
    today = gatehouse.clock().date()
    left, right = st.columns(2)
    # The newest is what people move to; the one before it is what they leave.
    chosen = left.selectbox(
        "Version", [each.version for each in versions], index=min(1, len(versions) - 1), format_func=ui.version_label
    )
    sunset = right.date_input("Sunset", value=today + timedelta(days=_DAYS), min_value=today, format="YYYY-MM-DD")
    others = [each.reference for each in versions if each.version != chosen]
    instead = st.selectbox(
        "Use instead",
        others,
        index=None,
        accept_new_options=True,
        placeholder="Nothing; or choose, or write NAME/VERSION",
    )
    reason = _ask_reason("Why should nobody use it any more?", key="deprecate")
    if not ui.primary_button(f"Deprecate {ui.version_label(chosen)}", key="deprecate_send", width="stretch"):
        return
    try:
        version = gatehouse.registry.get_version(versions[0].name, chosen)
        replacement = resolve_reference(gatehouse.registry, parse_reference(instead)) if instead else None
        gatehouse.deprecations.declare(current_actor(), version, sunset=sunset, replacement=replacement, reason=reason)
    except GatehouseError as error:
        ui.show_error(error)
        return
    _done(f"{ui.md(version.reference)} is deprecated, with its sunset on {sunset}")


def _withdraw(gatehouse: Gatehouse, deprecated: Sequence[VersionEntry]) -> None:
    st.markdown("The tags and the notice in its description go; the record of both stays.")
    chosen = st.selectbox("Version", [each.version for each in deprecated], format_func=ui.version_label)
    reason = _ask_reason("Why may it be used again?", key="undeprecate")
    if not ui.primary_button(f"Keep {ui.version_label(chosen)}", key="undeprecate_send", width="stretch"):
        return
    try:
        version = gatehouse.registry.get_version(deprecated[0].name, chosen)
        gatehouse.deprecations.withdraw(current_actor(), version, reason=reason)
    except GatehouseError as error:
        ui.show_error(error)
        return
    _done(f"{ui.md(version.reference)} is deprecated no more")


def _ask_reason(placeholder: str, *, key: str) -> str:
    return st.text_area("Reason", key=f"{key}_reason", required=True, placeholder=placeholder, height=96).strip()


def _done(what: str) -> None:
    ui.flash(f"{what}. It shows here with the next sync.")
    st.rerun()
