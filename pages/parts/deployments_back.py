"""The ways back: which versions could serve again, how ready each is, and the drawer that asks why."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from app import ui
from app.facade import Gatehouse
from services.deployments import PinSet, RollbackPreview, Standby, StandbyState
from services.errors import Blocked
from services.identity import Actor, Permission

_FORMER = 20
_MEGA = 1024 * 1024


def show_standbys(gatehouse: Gatehouse, pinned: PinSet) -> None:
    """Draw how ready each pinned version is."""
    ui.section("Ready to serve", help="Tried in the sandbox by the worker, and held by digest.")
    now = gatehouse.clock()
    roles = dict(
        zip(("Current", "Previous", "Fallback"), (pinned.current, pinned.previous, pinned.fallback), strict=True)
    )
    with ui.panel():
        for role, version in roles.items():
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.markdown(f":gray[{role}]", width=72)
                if version is None:
                    st.markdown(ui.NOTHING, width="content")
                    continue
                standby = gatehouse.standbys.find(pinned.model, version)
                st.markdown(f"**v{version}**", width="content")
                ui.state_badge(standby.state.value, help=standby.problem or None)
                st.markdown(f":gray[:small[{_words(standby, now)}]]", width="content")


def _words(standby: Standby, now: datetime) -> str:
    if standby.state is StandbyState.WARM and standby.proven_at is not None:
        size = f"{(standby.size_bytes or 0) / _MEGA:.1f} MB"
        return f"{size} · tried {ui.ago(standby.proven_at, now)}"
    return ui.md(standby.problem or "The worker has not come to it yet.")


def show_ways_back(gatehouse: Gatehouse, actor: Actor, pinned: PinSet) -> None:
    """Draw a button a version that could serve again."""
    ui.section("Go back")
    if Permission.ROLL_BACK not in actor.permissions:
        ui.refused_state("Going back is for release managers", "Ask one of them; `gatehouse rollback` does the same.")
        return
    history = gatehouse.pins.list_history(pinned.model, limit=_FORMER)
    former = dict.fromkeys([*pinned.versions[1:], *(each.current for each in history)])
    versions = [version for version in former if version != pinned.current]
    if not versions:
        ui.empty_state("Nothing to go back to", f"v{pinned.current} is the first version in production.", icon="undo")
        return
    with st.container(horizontal=True, gap="small"):
        for version in versions:
            role = {pinned.previous: " (previous)", pinned.fallback: " (fallback)"}.get(version, "")
            if st.button(f"Roll back to v{version}{role}…", key=f"back_{version}", icon=":material/undo:"):
                _ask(gatehouse, gatehouse.deployments.preview(pinned.model, str(version)))


def _ask(gatehouse: Gatehouse, preview: RollbackPreview) -> None:
    model, version = preview.model, preview.target

    def run(who: Actor, reason: str) -> None:
        outcome = gatehouse.deployments.roll_back(model, str(version), actor=who, reason=reason)
        if not outcome.is_back:
            raise Blocked(" ".join(outcome.remaining), next_step="Go back to another version, such as the fallback.")
        for told in outcome.following:
            ui.flash(ui.md(told), icon="dns")
        for told in outcome.remaining:
            ui.flash(ui.md(told), icon="hourglass_top")

    warnings = "".join(f"\n\n:orange[:material/warning:] {ui.md(told)}" for told in preview.warnings)
    ui.open_drawer(
        ui.Confirmation(
            key=f"rollback_{model}_{version}",
            title=f"Roll {model} back to v{version}",
            icon="undo",
            text=f"Version {version} serves again at once. It was approved before, so nobody has to approve it now. "
            f"It is tried before and after; if it fails, v{preview.current} serves again.{warnings}",
            facts=[
                ("Serving now", ui.version_label(preview.current)),
                ("Serving then", ui.version_label(version)),
                ("Takes today's requests", ui.state_markdown(preview.signature.verdict.value)),
                ("As JSON", ui.state_markdown(preview.signature.json_verdict.value)),
                ("Ready", ui.state_markdown(preview.standby.state.value)),
            ],
            placeholder="What is wrong with the version that serves?",
            confirm=f"Roll back to v{version}",
            run=run,
            done=f"{ui.md(model)} serves v{version}.",
        )
    )
