"""`pins`, `rollback` and `ramp`: what serves, going back with one command, and letting a candidate take over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, table
from app.commands.parameters import VERSION
from services.clock import from_text, to_text
from services.deployments import Ramp, RampState, StandbyState, to_configmap, to_env, to_kserve, to_yaml
from services.deployments.files import STORAGE_URI
from services.errors import InvalidInput, NotFound
from services.identity.actors import Permission

_REASON = click.option("--reason", required=True, help="Why, in a sentence; it is kept.")
_BAD = (RampState.PAUSED, RampState.ABORTED, RampState.ROLLED_BACK, RampState.OVERTAKEN)


@click.group("pins")
def pins_command() -> None:
    """Which version of each model serves."""


@pins_command.command("show")
@click.argument("name", required=False)
@click.option("--at", "at_text", help="As it was at this time (ISO 8601, UTC unless it says otherwise).")
@json_option
def show(name: str | None, at_text: str | None, *, as_json: bool) -> int:
    """Show the pins of all models, or of NAME."""
    gatehouse = current_gatehouse()
    gatehouse.identity.demand(current_actor(), Permission.READ_PRODUCTION_MODEL, subject=name or "pins")
    at = None if at_text is None else _moment(at_text)
    if name is not None:
        gatehouse.deployments.pins.get(name)
    found = gatehouse.deployments.pins.list_pins(model=name, at=at)
    if name is not None and not found:
        raise NotFound(
            f"{name} had no pins at {at_text}: nothing of it was in production then.",
            next_step="Ask for a later time; `gatehouse pins show NAME` tells since when it serves.",
        )
    known = gatehouse.standbys.list_standbys(list(found))
    states = {key: standby.state for key, standby in known.items()}
    rows = [
        (
            model,
            *(_pinned(states, model, version) for version in (pinned.current, pinned.previous, pinned.fallback)),
            to_text(pinned.since)[:16],
        )
        for model, pinned in found.items()
    ]
    document = {"models": {model: pinned.to_json() for model, pinned in found.items()}}
    lines = table(("MODEL", "CURRENT", "PREVIOUS", "FALLBACK", "SINCE"), rows)
    return answer(document, as_json=as_json, lines=lines)


@pins_command.command("export")
@click.argument("name", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "configmap", "kserve", "env"]),
    default="yaml",
    show_default=True,
)
@click.option("--namespace", default="default", show_default=True, help="For Kubernetes.")
@click.option(
    "--storage-uri", default=STORAGE_URI, show_default=True, help="For KServe: where the cluster finds a version."
)
@json_option
def export(name: str | None, form: str, namespace: str, storage_uri: str, *, as_json: bool) -> int:
    """Print the pins, of all models or of NAME, as a file for a serving platform."""
    gatehouse = current_gatehouse()
    gatehouse.identity.demand(current_actor(), Permission.READ_PRODUCTION_MODEL, subject=name or "pins")
    if name is not None:
        gatehouse.deployments.pins.get(name)
    found = gatehouse.deployments.pins.list_pins(model=name)
    if form == "kserve":
        ramps = {ramp.model: ramp for ramp in gatehouse.ramps.list_ramps(is_open=True, limit=10_000)}
        text = to_kserve(found, ramps, namespace=namespace, storage_uri=storage_uri)
    elif form == "configmap":
        text = to_configmap(found, namespace=namespace)
    else:
        text = to_yaml(found) if form == "yaml" else to_env(found)
    return answer({"format": form, "text": text}, as_json=as_json, lines=text.splitlines())


@click.command("rollback")
@click.argument("name")
@click.option("--to", "target", default="previous", show_default=True, help="previous, fallback, or a version.")
@_REASON
@json_option
def rollback_command(name: str, target: str, reason: str, *, as_json: bool) -> int:
    """Make a former version of NAME serve again, at once.

    Says first whether that version takes the requests that the one serving now is sent, and whether it is warm.
    Exit code 0 when it serves, 1 when it failed and the former version serves again.
    """
    gatehouse, actor = current_gatehouse(), current_actor()
    preview = gatehouse.deployments.preview(name, target)
    told = f"forward compatibility {preview.signature.verdict}, JSON {preview.signature.json_verdict}"
    for line in [f"{name}: from {preview.current} to {preview.target}; {told}", *preview.warnings]:
        click.echo(line, err=True)
    outcome = gatehouse.deployments.roll_back(name, target, actor=actor, reason=reason)
    document = {**outcome.to_json(), **preview.to_json()}
    verb = "serves" if outcome.is_back else "could not serve"
    lines = [f"{name} {verb} version {document['to']} instead of {document['from']}: {document['state']}"]
    lines += [*outcome.following, *outcome.remaining]
    return answer(document, as_json=as_json, lines=lines, is_yes=outcome.is_back)


@click.group("ramp")
def ramp_command() -> None:
    """Let a candidate take over step by step: shadow, then a growing share, then all."""


@ramp_command.command("start")
@click.argument("name")
@click.option("--candidate", type=VERSION, help="A version; else the one whose promotion is approved.")
@_REASON
@json_option
def start(name: str, candidate: int | None, reason: str, *, as_json: bool) -> int:
    """Let a candidate run beside what serves of NAME, by the ramp plan in force."""
    ramps = current_gatehouse().ramps
    return _show(ramps.start(name, candidate=candidate, actor=current_actor(), reason=reason), as_json=as_json)


@ramp_command.command("status")
@click.argument("name", required=False)
@json_option
def status(name: str | None, *, as_json: bool) -> int:
    """Show the ramp of NAME and its figures against their guardrails, or every open one.

    Exit code 1 where one is paused or went back.
    """
    gatehouse = current_gatehouse()
    gatehouse.identity.demand(current_actor(), Permission.READ_PRODUCTION_MODEL, subject=name or "ramps")
    ramps = gatehouse.ramps
    if name is None:
        found = ramps.list_ramps(is_open=True, limit=1000)
        rows = [(each.model, each.champion, each.candidate, _share(each), each.state, each.attention) for each in found]
        return answer(
            {"ramps": [each.to_json() for each in found]},
            as_json=as_json,
            lines=table(("MODEL", "CHAMPION", "CANDIDATE", "SHARE", "STATE", "ATTENTION"), rows),
            is_yes=not any(each.state in _BAD for each in found),
        )
    ramp = ramps.find_latest(name)
    if ramp is None:
        raise NotFound(f"{name} has had no ramp.", next_step="Start one with `gatehouse ramp start`.")
    return _show(ramp, as_json=as_json, is_yes=ramp.state not in _BAD, is_whole=True)


@ramp_command.command("advance")
@click.argument("name")
@_REASON
@json_option
def advance(name: str, reason: str, *, as_json: bool) -> int:
    """Go on to the next step of NAME's ramp now."""
    return _show(current_gatehouse().ramps.advance(name, actor=current_actor(), reason=reason), as_json=as_json)


@ramp_command.command("pause")
@click.argument("name")
@_REASON
@json_option
def pause(name: str, reason: str, *, as_json: bool) -> int:
    """Keep NAME's ramp at its step; guardrails are watched all the same."""
    return _show(current_gatehouse().ramps.pause(name, actor=current_actor(), reason=reason), as_json=as_json)


@ramp_command.command("resume")
@click.argument("name")
@_REASON
@json_option
def resume(name: str, reason: str, *, as_json: bool) -> int:
    """Let NAME's paused ramp go on by itself."""
    return _show(current_gatehouse().ramps.resume(name, actor=current_actor(), reason=reason), as_json=as_json)


@ramp_command.command("abort")
@click.argument("name")
@_REASON
@json_option
def abort(name: str, reason: str, *, as_json: bool) -> int:
    """End NAME's ramp: the champion answers every request again, at once."""
    return _show(current_gatehouse().ramps.abort(name, actor=current_actor(), reason=reason), as_json=as_json)


def _show(ramp: Ramp, *, as_json: bool, is_yes: bool = True, is_whole: bool = False) -> int:
    document = ramp.to_json()
    lines = [
        f"{ramp.model}: {ramp.state} at step {ramp.step + 1}, until {to_text(ramp.due_at)[:16]} at least",
        f"Version {ramp.candidate} answers {_share(ramp)} of the requests, version {ramp.champion} the others.",
        *([ramp.attention] if ramp.attention else []),
    ]
    if is_whole:
        gatehouse = current_gatehouse()
        steps = gatehouse.ramps.get_plan(ramp).steps
        entries = gatehouse.ramps.list_entries(ramp.id)
        document["steps"] = [{"traffic_percent": step.traffic_percent, "minutes": step.minutes} for step in steps]
        document["history"] = [entry.to_json() for entry in entries]
        lines += _figures(ramp)
        lines += table(
            ("WHEN", "WHAT", "SHARE", "WHO", "WHY"),
            [
                (to_text(each.at)[:16], each.what, f"{each.traffic_ratio:.0%}", each.actor, each.reason)
                for each in entries
            ],
        )
    return answer(document, as_json=as_json, lines=lines, is_yes=is_yes)


def _figures(ramp: Ramp) -> Sequence[str]:
    rows = [
        (
            each.guardrail,
            each.outcome,
            None if each.observed is None else f"{each.observed:.6g}",
            f"{'at most' if each.is_upper else 'at least'} {each.limit:g} {each.unit}",
            each.pairs,
            each.message,
        )
        for each in ramp.guardrails
    ]
    return table(("GUARDRAIL", "OUTCOME", "OBSERVED", "LIMIT", "PAIRS", "WHY"), rows) if rows else []


def _share(ramp: Ramp) -> str:
    return f"{ramp.traffic_ratio:.4%}".rstrip("0%").rstrip(".") + " %" if ramp.traffic_ratio else "none"


def _pinned(states: dict[tuple[str, int], StandbyState], model: str, version: int | None) -> str | None:
    if version is None:
        return None
    return f"{version} ({states.get((model, version), StandbyState.COLD)})"


def _moment(text: str) -> datetime:
    try:
        return from_text(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no time.", next_step="Write such as 2026-03-01T12:00:00Z.") from error
