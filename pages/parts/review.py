"""The review of one change: evidence, who decides, and the buttons that move it on, without leaving the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import streamlit as st

from app import ui
from app.facade import Gatehouse
from pages.parts import plan_review, policy_review, waivers
from pages.parts.gates import exceptions_first, gate_cards, gate_table, summary
from pages.parts.shadow_link import offer_shadow
from services.audit import EventQuery
from services.changes import OPEN, PENDING, Change, ChangeState, Decision
from services.deployments import Rollback
from services.documents.activation import Activation
from services.errors import GatehouseError
from services.identity import Actor, Permission
from services.promotions import Adoption, Promotion

SOON = timedelta(hours=24)
_CONTEXT = {
    "improvements": "Expected improvement",
    "risks": "Risks",
    "context": "Business context",
    "plan": "Deployment plan",
}


def show(gatehouse: Gatehouse, actor: Actor, change_id: int) -> None:
    """Draw one change."""
    change = gatehouse.changes.get(change_id)
    now = gatehouse.clock()
    _header(change, now)
    gates = exceptions_first(change.findings.get("gates", []))
    if change.blocker:
        st.warning(ui.md(change.blocker), icon=":material/block:")
    gate_cards(gates)
    left, right = st.columns([0.68, 0.32], gap="medium")
    is_document = change.kind == Activation.name
    with left:
        if is_document:
            policy_review.show_text(gatehouse, change)
        elif change.kind in plan_review.KINDS:
            plan_review.show(change)
        else:
            ui.section("Gates")
            picked = gate_table(gates, key="gates")
            if picked is not None and change.kind in {Promotion.name, Adoption.name}:
                waivers.offer(gatehouse, actor, change, picked)
    with right:
        ui.section("Approvals")
        _approvals(gatehouse, actor, change, now)
        champion = change.bound.get("alias_points_at")
        if change.kind == Promotion.name and champion is not None:
            offer_shadow(str(change.model), int(champion), int(change.payload["version"]))
    if is_document:
        policy_review.show_what_if(change)
    context, signature, history = st.tabs(
        ["Decision context", "Signature diff", "History"], on_change="rerun", key="tab"
    )
    if context.open:
        with context:
            _context(change)
    if signature.open:
        with signature:
            _signature(gatehouse, change)
    if history.open:
        with history:
            _history(gatehouse, actor, change)
    _actions(gatehouse, actor, change, gates)


def _header(change: Change, now: Any) -> None:
    champion = change.bound.get("alias_points_at")
    is_promotion = change.kind == Promotion.name
    came_from = f"v{champion} → " if champion is not None else ""
    title = f"{change.model} {came_from}v{change.payload['version']}" if is_promotion else change.title
    ui.page_header(
        title,
        subtitle=ui.facts(
            (f"Requested by {ui.md(change.requester)}", change.created_at),
            f"policy {ui.strong(change.policy_revision)}" if change.policy_revision else None,
            f"{len(change.approvals)} of {change.required_approvals} approvals" if change.required_approvals else None,
            ("expires", change.expires_at) if change.state in OPEN else None,
            now=now,
        ),
        back=("promotions", "All promotions"),
        badges=_badges(change, now),
    )
    st.markdown(ui.md(change.reason))


def _badges(change: Change, now: Any) -> list[str]:
    badges = [str(change.payload["to"]).lower()] if change.kind == Promotion.name else []
    if change.bound.get("tier"):
        badges.append(ui.tag(str(change.bound["tier"])))
    badges.append(change.state.value)
    if change.state in OPEN and change.expires_at - now <= SOON:
        badges.append(ui.state_markdown("expires_soon", label=f"Expires {ui.ago(change.expires_at, now)}"))
    return badges


def _approvals(gatehouse: Gatehouse, actor: Actor, change: Change, now: Any) -> None:
    with ui.panel():
        pairs = [
            (
                record.actor,
                ui.state_markdown(
                    record.decision.value,
                    label=f"{record.decision.value.replace('_', ' ').capitalize()} {ui.ago(record.at, now)}",
                )
                + (" :gray[on other evidence]" if _is_stale(change, record) else ""),
            )
            for record in change.decisions
        ]
        if gatehouse.changes.waits_for(change, actor):
            pairs.append((actor.name, ui.state_markdown("pending", label="You · pending")))
        if pairs:
            ui.key_values(pairs, alt="Decisions so far")
        for record in change.decisions:
            if record.reason:
                st.markdown(f":gray[{ui.md(record.actor)}: {ui.md(record.reason)}]")
        st.markdown(f":gray[{_needed(change)}]")
        for name, why in change.barred.items():
            st.markdown(f":gray[{ui.md(name)} {ui.md(why)} and cannot approve.]")


def _needed(change: Change) -> str:
    if not change.required_approvals:
        return "Going back needs no approval." if change.kind == Rollback.name else "Needs no approval."
    return f"Needs {ui.count(change.required_approvals, 'approver')}. The requester cannot approve."


def _is_stale(change: Change, record: Any) -> bool:
    return record.decision is Decision.APPROVED and record not in change.approvals


def _context(change: Change) -> None:
    pairs = [(words, ui.md(change.payload[name])) for name, words in _CONTEXT.items() if change.payload.get(name)]
    if pairs:
        ui.key_values(pairs, alt="Decision context")
    elif change.kind == Promotion.name:
        ui.empty_state(
            "No decision context was given", "Risks, improvement, context and plan can be given when asking."
        )
    ui.key_values(
        [(name.replace("_", " "), ui.md(_short(value))) for name, value in change.bound.items()],
        alt="What approvals are bound to",
    )
    st.markdown(f":gray[Evidence digest] `{change.evidence_digest}`")


def _short(value: object) -> str:
    if value is None:
        return ui.NOTHING
    # A digest has no place to break at: in full it would scroll sideways.
    text = (", ".join(map(str, value)) or ui.NOTHING) if isinstance(value, list) else str(value)
    return f"{text[:19]}…" if text.startswith("sha256:") else text


def _signature(gatehouse: Gatehouse, change: Change) -> None:
    champion = change.bound.get("alias_points_at")
    if change.kind != Promotion.name or champion is None:
        ui.empty_state("Nothing to compare with", "No version is in this stage yet.", icon="difference")
        return
    with ui.guarded():
        from pages.parts.signatures import show_comparison

        show_comparison(gatehouse, str(change.model), int(champion), int(change.payload["version"]))
        migration = change.findings.get("migration")
        if migration and migration["plan"]:
            from pages.parts.migration_plan import show_steps

            ui.section("Migration of callers")
            show_steps(migration["plan"], key="migration")


def _history(gatehouse: Gatehouse, actor: Actor, change: Change) -> None:
    if Permission.READ_AUDIT not in actor.permissions:
        ui.refused_state("The audit log is not shown to you", "Ask a compliance reviewer.")
        return
    events = gatehouse.audit.list_events(EventQuery(change_id=change.id), limit=50).events
    ui.data_table(
        [{"at": event.at, "actor": event.actor, "action": event.action, "reason": event.reason} for event in events],
        [
            ui.Column(name="at", label="When", kind=ui.Kind.WHEN),
            ui.Column(name="actor", label="Who"),
            ui.Column(name="action", label="What", width="medium"),
            ui.Column(name="reason", label="Why", width="large"),
        ],
        key="history",
        alt="Events of this change, oldest first",
    )


def _actions(gatehouse: Gatehouse, actor: Actor, change: Change, gates: Sequence[Mapping[str, Any]]) -> None:
    changes = gatehouse.changes
    bar = changes.find_bar(change, actor)
    if change.state in OPEN:
        _links(change)
    with ui.action_bar(_summary(change, gates)):
        if change.state in OPEN and st.button("Comment", key="comment"):
            _open(change, "Comment", lambda who, text: changes.comment(change.id, actor=who, text=text))
        if change.state in {ChangeState.BLOCKED, ChangeState.VOID} and Permission.REQUEST_CHANGE in actor.permissions:
            _button("Run gates again", "refresh", lambda: changes.renew(change.id, actor=actor), "The gates ran again.")
        if change.requester == actor.name and change.state in PENDING:
            _button("Take back", "undo", lambda: changes.cancel(change.id, actor=actor), "The request was taken back.")
        if change.state is ChangeState.AWAITING_APPROVAL:
            if bar is not None:
                st.markdown(f":gray[{ui.md(bar)}]", width="content")
            else:
                _decisions(gatehouse, change)
        if (
            change.state is ChangeState.APPROVED
            and changes.may_execute(change, actor)
            and ui.primary_button("Execute…", key="execute", icon="rocket_launch")
        ):
            _open(change, "Execute", lambda who, _reason: changes.execute(change.id, actor=who), reason_label="")


def _links(change: Change) -> None:
    """Lead to the pages that look closer at a version."""
    if change.kind != Promotion.name:
        return
    model = str(change.model)
    with st.container(horizontal=True):
        st.page_link(
            ui.page_path("gate_results"),
            label="Gates over versions",
            icon=":material/rule:",
            help="",
            query_params={"model": model, "version": str(change.payload["version"])},
        )
        st.page_link(
            ui.page_path("model"),
            label="Lineage and story",
            icon=":material/account_tree:",
            help="",
            query_params={"name": model, "tab": "Lineage"},
        )


def _decisions(gatehouse: Gatehouse, change: Change) -> None:
    changes, seen = gatehouse.changes, change.evidence_digest
    if st.button("Reject", key="reject"):
        _open(change, "Reject", lambda who, reason: changes.reject(change.id, actor=who, reason=reason))
    if st.button("Ask for changes", key="ask"):
        _open(
            change, "Ask for changes", lambda who, reason: changes.ask_for_changes(change.id, actor=who, reason=reason)
        )
    if ui.primary_button("Approve…", key="approve", icon="check"):
        _open(change, "Approve", lambda who, reason: changes.approve(change.id, actor=who, reason=reason, seen=seen))


_PLACEHOLDERS = {"Approve": "Why is this safe to ship?", "Comment": "What do you want the others to know?"}
_ON_PROMOTIONS = {"Approve", "Execute", "Reject"}


def _open(change: Change, verb: str, run: Callable[[Actor, str], object], *, reason_label: str = "Comment") -> None:
    waived = {gate["gate"]: waivers.tell(gate) for gate in change.findings.get("gates", []) if gate["waived"]}
    is_yes = verb in {"Approve", "Execute"}
    facts = [("Approvals", f"{len(change.approvals)} of {change.required_approvals}")]
    if change.policy_revision:
        facts.insert(0, ("Policy", ui.md(change.policy_revision)))
    if waived:
        facts.append(("Waivers", " ".join(ui.state_markdown("waived", label=told) for told in waived.values())))
    ui.open_drawer(
        ui.Confirmation(
            key=verb.lower().replace(" ", "_"),
            title=f"{verb}: {change.title}",
            icon="check_circle" if is_yes else "rate_review",
            text=_what_follows(change, verb),
            facts=facts,
            reason_label=reason_label,
            placeholder=_PLACEHOLDERS.get(verb, "What has to change, or why not?"),
            checks=[f"I reviewed the waiver of {', '.join(waived)}"] if waived and verb == "Approve" else [],
            confirm=f"{verb} promotion" if change.kind == Promotion.name and verb in _ON_PROMOTIONS else verb,
            run=run,
            done=f"{verb}: done.",
        )
    )


def _what_follows(change: Change, verb: str) -> str:
    champion = change.bound.get("alias_points_at")
    if verb == "Approve":
        if (left := change.missing_approvals - 1) > 0:
            return f"{left} more will be needed."
        follows = "it can be executed then" if change.kind == Promotion.name else "it takes effect at once"
        return f"Your approval completes it; {follows}."
    if verb == "Execute" and change.kind == Promotion.name:
        kept = f" from v{champion}" if champion is not None else ""
        moved = f"The alias **{ui.md(str(change.payload['to']).lower())}** moves{kept} to v{change.payload['version']}"
        return f"{moved}{f', and v{champion} is kept as previous' if champion is not None else ''}."
    told = {
        "Reject": "A rejection ends the request.",
        "Ask for changes": "It goes back to its requester.",
        "Comment": "A comment is kept with the request and decides nothing.",
    }
    return told.get(verb, "")


def _button(label: str, icon: str, run: Callable[[], object], done: str) -> None:
    if st.button(label, icon=f":material/{icon}:"):
        try:
            run()
        except GatehouseError as error:
            ui.show_error(error)
        else:
            ui.flash(done)
            st.rerun()


def _summary(change: Change, gates: Sequence[Mapping[str, Any]]) -> str:
    told = summary(gates)
    match change.state:
        case ChangeState.AWAITING_APPROVAL:
            first = f"**{ui.count(change.missing_approvals, 'approval')} left**"
        case ChangeState.APPROVED:
            first = "**Approved**, ready to execute"
        case state:
            first = f"**{state.value.replace('_', ' ').capitalize()}**"
    return f"{first} · gates: {told}" if told else first
