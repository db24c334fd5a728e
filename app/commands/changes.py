"""`promotions` and `changes`: ask for a promotion, and the inbox over all kinds of change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from app.commands.gates import read_text
from app.commands.output import answer, current_actor, current_gatehouse, json_option, reading_gatehouse, table
from app.commands.parameters import ID, WholeNumber
from services.changes import Change, ChangeState
from services.clock import to_text
from services.errors import NotFound
from services.promotions import Promotion, parse_stage, to_json
from services.registry.references import parse_reference
from services.signatures.migration import read_plan

_REFUSED = {ChangeState.BLOCKED, ChangeState.FAILED, ChangeState.VOID, ChangeState.EXPIRED}
_reason = click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
_state = click.option("--state", type=click.Choice([state.value for state in ChangeState]), help="Only in this state.")
_model = click.option("--model", help="Only about this model.")
_before = click.option("--before", type=ID, help="Only below this id: the next page.")
_file = click.Path(dir_okay=False, path_type=Path)
_limit = click.option("--limit", type=WholeNumber(1, 500), default=50, show_default=True)


@click.group("promotions")
def promotions_command() -> None:
    """Promotions: ask for one, approve, reject, execute."""


@click.group("changes")
def changes_command() -> None:
    """Everything that waits for somebody's yes."""


@promotions_command.command("request")
@click.argument("ref")
@click.option("--to", "stage", required=True, help="staging, production, archived or none.")
@_reason
@click.option("--risks", default="", help="What could go wrong.")
@click.option("--improvements", default="", help="What is expected to get better.")
@click.option("--context", default="", help="The business context.")
@click.option("--plan", default="", help="How it will be deployed.")
@click.option(
    "--migration-plan", "migration", type=_file, help="For a breaking change: what `gatehouse signature plan` wrote."
)
@json_option
def request(
    ref: str,
    stage: str,
    reason: str,
    risks: str,
    improvements: str,
    context: str,
    plan: str,
    migration: Path | None,
    *,
    as_json: bool,
) -> int:
    """Ask for REF to be moved to a stage: its gates run at once."""
    asked = current_gatehouse().promotions.request(
        parse_reference(ref),
        parse_stage(stage),
        actor=current_actor(),
        reason=reason,
        risks=risks,
        improvements=improvements,
        context=context,
        plan=plan,
        migration_plan=None if migration is None else read_plan(read_text(migration)),
    )
    return _answer(asked, as_json=as_json)


@promotions_command.command("list")
@_state
@_model
@_before
@_limit
@json_option
def list_promotions(state: str | None, model: str | None, before: int | None, limit: int, *, as_json: bool) -> int:
    """List promotions, newest first."""
    return _list("promotions", [Promotion.name], state, model, before, limit, as_json=as_json)


@changes_command.command("list")
@_state
@_model
@_before
@_limit
@json_option
def list_changes(state: str | None, model: str | None, before: int | None, limit: int, *, as_json: bool) -> int:
    """List changes of every kind, newest first."""
    return _list("changes", None, state, model, before, limit, as_json=as_json)


def _add_decisions(group: click.Group, find: Callable[[int], Change]) -> None:
    """Give a group the commands that the inbox and promotions share: ids are one sequence.

    Args:
        find: returns the change of an id, if the group is about such ones.
    """

    @group.command("show")
    @click.argument("change_id", metavar="ID", type=ID)
    @json_option
    def show(change_id: int, *, as_json: bool) -> int:
        """Show one with its evidence and decisions."""
        return _answer(find(change_id), as_json=as_json, judge=False)

    for name, help_text in (
        ("approve", "Approve it, with a reason."),
        ("reject", "Reject it, which ends it."),
        ("ask-for-changes", "Send it back to its requester."),
    ):
        _add_decision(group, find, name, help_text)

    @group.command("comment")
    @click.argument("change_id", metavar="ID", type=ID)
    @click.option("--text", required=True, help="What you want the others to know.")
    @json_option
    def comment(change_id: int, text: str, *, as_json: bool) -> int:
        """Say something that decides nothing."""
        find(change_id)
        commented = current_gatehouse().changes.comment(change_id, actor=current_actor(), text=text)
        return _answer(commented, as_json=as_json, judge=False)

    @group.command("cancel")
    @click.argument("change_id", metavar="ID", type=ID)
    @click.option("--reason", default="", help="Why, in a sentence.")
    @json_option
    def cancel(change_id: int, reason: str, *, as_json: bool) -> int:
        """Take a request back."""
        find(change_id)
        cancelled = current_gatehouse().changes.cancel(change_id, actor=current_actor(), reason=reason)
        return _answer(cancelled, as_json=as_json)

    @group.command("renew")
    @click.argument("change_id", metavar="ID", type=ID)
    @json_option
    def renew(change_id: int, *, as_json: bool) -> int:
        """Gather its evidence anew."""
        find(change_id)
        return _answer(current_gatehouse().changes.renew(change_id, actor=current_actor()), as_json=as_json)

    @group.command("execute")
    @click.argument("change_id", metavar="ID", type=ID)
    @json_option
    def execute(change_id: int, *, as_json: bool) -> int:
        """Make it so, once it is approved."""
        find(change_id)
        return _answer(current_gatehouse().changes.execute(change_id, actor=current_actor()), as_json=as_json)


def _add_decision(group: click.Group, find: Callable[[int], Change], name: str, help_text: str) -> None:
    @group.command(name, help=help_text)
    @click.argument("change_id", metavar="ID", type=ID)
    @_reason
    @json_option
    def decide(change_id: int, reason: str, *, as_json: bool) -> int:
        find(change_id)
        decision: Callable[..., Change] = getattr(current_gatehouse().changes, name.replace("-", "_"))
        return _answer(decision(change_id, actor=current_actor(), reason=reason), as_json=as_json)


def _find_change(change_id: int) -> Change:
    return reading_gatehouse(f"change/{change_id}").changes.get(change_id)


def _find_promotion(change_id: int) -> Change:
    change = _find_change(change_id)
    if change.kind != Promotion.name:
        raise NotFound(
            f"Change {change_id} is no promotion: {change.title}.",
            next_step=f"`gatehouse changes show {change_id}` shows it.",
        )
    return change


_add_decisions(promotions_command, _find_promotion)
_add_decisions(changes_command, _find_change)


def change_json(change: Change) -> dict[str, Any]:
    """Return a change of any kind in the JSON of the interface."""
    return to_json(change) if change.kind == Promotion.name else change.to_json()


def _list(
    name: str,
    kinds: Sequence[str] | None,
    state: str | None,
    model: str | None,
    before: int | None,
    limit: int,
    *,
    as_json: bool,
) -> int:
    found = reading_gatehouse(name).changes.list_changes(
        states=None if state is None else [ChangeState(state)],
        kinds=kinds,
        model=model,
        before_id=before,
        limit=limit,
    )
    rows = [
        (change.id, change.title, change.state, change.requester, to_text(change.created_at)[:16]) for change in found
    ]
    following = found[-1].id if len(found) == limit else None
    document = {name: [change_json(change) for change in found], "next": following}
    return answer(document, as_json=as_json, lines=table(("ID", "WHAT", "STATE", "BY", "SINCE"), rows))


def _answer(change: Change, *, as_json: bool, judge: bool = True) -> int:
    lines = [
        f"{change.id}  {change.title}: {change.state}",
        *([change.blocker] if change.blocker else []),
        f"asked for by {change.requester}: {change.reason}",
        f"{len(change.approvals)} of {change.required_approvals} approvals",
        *(f"  {record.actor} {record.decision}: {record.reason}" for record in change.decisions),
    ]
    is_yes = not judge or change.state not in _REFUSED
    return answer(change_json(change), as_json=as_json, lines=lines, is_yes=is_yes)
