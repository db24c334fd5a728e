"""`names`, `models`, `sync`, `register`, `drift`: the registry as it is, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.commands.gates import read_bytes
from app.commands.output import answer, current_actor, current_gatehouse, json_option, reading_gatehouse, table
from app.commands.parameters import ID, WholeNumber
from app.commands.plans import answer_outcome, answer_plan, file_type, out_option
from services.clock import to_text
from services.errors import InvalidInput
from services.identity.actors import Permission
from services.registry.drift_values import DriftState
from services.registry.entries import ModelEntry, VersionEntry
from services.registry.index import CatalogQuery
from services.registry.name_lint import lint_name
from services.registry.names import check_model_name, quoted
from services.registry.references import MAX_VERSION

# A command waits for what the worker reads bit by bit.
_DETAILS_BUDGET_S = 60

_reason = click.option("--reason", required=True, help="Why, in a sentence; it is kept.")


@click.group("names")
def names_command() -> None:
    """Names of models."""


@names_command.command("lint")
@click.argument("names", nargs=-1, required=True)
@json_option
def lint(names: tuple[str, ...], *, as_json: bool) -> int:
    """Say what is wrong with NAMES, and what they could be called."""
    existing = current_gatehouse().index.list_names()
    reports = [lint_name(name, existing=existing) for name in names]
    rows = [
        (report.name, "ok" if report.is_ok else "; ".join(each.message for each in report.problems), report.suggestion)
        for report in reports
    ]
    return answer(
        {"names": [report.as_json() for report in reports]},
        as_json=as_json,
        lines=table(("NAME", "PROBLEMS", "SUGGESTED"), rows),
        is_yes=all(report.is_ok for report in reports),
    )


@names_command.command("plan")
@click.argument("names", nargs=-1)
@click.option("--set", "given", multiple=True, metavar="TAG=VALUE", help="A value where the tag is missing or wrong.")
@out_option
@json_option
def plan_names(names: tuple[str, ...], given: tuple[str, ...], out: Path | None, *, as_json: bool) -> int:
    """Say which standard tags of NAMES, or of all models, would be mended, and what is left; nothing is written."""
    gatehouse = reading_gatehouse(names[0] if len(names) == 1 else "models")
    document = gatehouse.vocabulary_fixes.plan(names, given=dict(map(_tag_and_value, given))).to_json()
    steps = [(step["name"], step["version"], step["tag"], step["before"], step["value"]) for step in document["steps"]]
    left = [(each["name"], each["message"], each["fix"]) for each in document["left"]]
    lines = [
        *table(("NAME", "VERSION", "TAG", "NOW", "THEN"), steps),
        *(table(("LEFT TO YOU", "PROBLEM", "FIX"), left) if left else ()),
    ]
    return answer_plan(document, lines, out=out, as_json=as_json)


@names_command.command("apply")
@click.argument("plan_file", metavar="PLAN", type=file_type)
@click.option("--reason", default="The vocabulary in force.", help="Why, in a sentence; it is kept.")
@json_option
def apply_names(plan_file: Path, reason: str, *, as_json: bool) -> int:
    """Write the tags of PLAN; what is done already is not done again. Exit code 0 when all of it is done."""
    gatehouse, actor = current_gatehouse(), current_actor()
    outcome = gatehouse.vocabulary_fixes.apply(read_bytes(plan_file), actor=actor, reason=reason)
    return answer_outcome(outcome, about={}, label="Standard tags", as_json=as_json)


@click.group("models")
def models_command() -> None:
    """Models, as the index has them."""


@models_command.command("list")
@click.option("--text", default="", help="Only with these words.")
@click.option("--after", help="The `next` of the page before.")
@click.option("--limit", type=WholeNumber(1, 500), default=50, show_default=True)
@json_option
def list_models(text: str, after: str | None, limit: int, *, as_json: bool) -> int:
    """List models by name."""
    gatehouse = current_gatehouse()
    gatehouse.identity.demand(current_actor(), Permission.READ_MODEL, subject="models")
    page = gatehouse.index.list_models(CatalogQuery(text=text, after=after, limit=limit))
    rows = [
        (each.name, each.latest_version, each.aliases.get("production"), each.health, len(each.problems))
        for each in page.models
    ]
    document = {"models": [model_json(each) for each in page.models], "next": page.next}
    return answer(document, as_json=as_json, lines=table(("NAME", "LATEST", "PRODUCTION", "HEALTH", "PROBLEMS"), rows))


@models_command.command("show")
@click.argument("name")
@click.option("--before", type=WholeNumber(1, MAX_VERSION), help="Only versions below this one: the `next` of before.")
@json_option
def show(name: str, before: int | None, *, as_json: bool) -> int:
    """Show NAME and its newest fifty versions."""
    gatehouse = current_gatehouse()
    gatehouse.identity.demand(current_actor(), Permission.READ_MODEL, subject=name)
    model = gatehouse.index.get_model(check_model_name(name))
    page = gatehouse.index.list_versions(name, before=before)
    versions = page.versions
    rows = [
        (each.version, each.stage, ", ".join(each.aliases), each.author, to_text(each.created_at)[:16])
        for each in versions
    ]
    lines = [
        model.description or model.name,
        *(f"- {problem.message}" for problem in model.problems),
        *table(("VERSION", "STAGE", "ALIASES", "BY", "SINCE"), rows),
        *([f"There are older ones: go on with --before {page.next}."] if page.next else []),
    ]
    document = {**model_json(model), "versions": [version_json(each) for each in versions], "next": page.next}
    return answer(document, as_json=as_json, lines=lines)


@click.command("sync")
@click.option("--full", is_flag=True, help="Look at every version again, tags too.")
@json_option
def sync_command(*, full: bool, as_json: bool) -> int:
    """Bring the index in step with the registry, now."""
    gatehouse, actor = current_gatehouse(), current_actor()
    gatehouse.identity.demand(actor, Permission.READ_MODEL, subject="registry")
    summary = gatehouse.sync.run(is_full=full, details_budget_s=_DETAILS_BUDGET_S)
    drifts = [*gatehouse.drifts.detect(actor=actor), *gatehouse.artifact_watch.check(actor=actor)]
    document = {
        "changed": list(summary.changed),
        "versions_written": summary.versions_written,
        "details_pending": summary.details_pending,
        "full": summary.is_full,
        "drifts": [drift.as_json() for drift in drifts],
        "left_out": list(summary.left_out),
        "duration_s": round(summary.duration_s, 3),
    }
    lines = [f"{len(summary.changed)} models changed, {summary.versions_written} versions written."]
    if summary.details_pending:
        lines.append(f"Signatures and metrics of {summary.details_pending} versions are still to be read; sync again.")
    lines += [f"Left out: {quoted(name)}, a name that the store cannot hold. Rename it." for name in summary.left_out]
    lines += [f"Drift {drift.id}: {drift.describe()}" for drift in drifts]
    return answer(document, as_json=as_json, lines=lines)


@click.command("register")
@click.argument("name")
@click.option("--run", "run_id", help="The run whose model is registered.")
@click.option("--source", help="The URI of a model's folder, instead of a run.")
@click.option("--description", required=True, help="What makes this version what it is.")
@json_option
def register_command(name: str, run_id: str | None, source: str | None, description: str, *, as_json: bool) -> int:
    """Register a new version of NAME."""
    if (run_id is None) == (source is None):
        raise InvalidInput(
            "A version comes from a run or from a source.", next_step="Give --run or --source, not both."
        )
    version = current_gatehouse().registrations.register(
        check_model_name(name), actor=current_actor(), run_id=run_id, source=source, description=description
    )
    document = {"name": version.name, "version": version.version, "run_id": version.run_id, "source": version.source}
    return answer(document, as_json=as_json, lines=[version.reference])


@click.group("drift")
def drift_command() -> None:
    """What changed in the registry without Gatehouse."""


@drift_command.command("list")
@click.option("--model", help="Only of this model.")
@click.option("--all", "is_all", is_flag=True, help="Closed ones too.")
@click.option("--after", type=ID, help="The `next` of the page before.")
@click.option("--limit", type=WholeNumber(1, 500), default=50, show_default=True)
@json_option
def list_drifts(model: str | None, after: int | None, limit: int, *, is_all: bool, as_json: bool) -> int:
    """List what nobody approved, found last first."""
    gatehouse = current_gatehouse()
    gatehouse.identity.demand(current_actor(), Permission.READ_MODEL, subject="drift")
    state = None if is_all else DriftState.OPEN
    more = gatehouse.drifts.list_drifts(state=state, model=model, before_id=after, limit=limit + 1)
    found, following = more[:limit], more[limit - 1].id if len(more) > limit else None
    rows = [(each.id, each.state, to_text(each.detected_at)[:16], each.describe()) for each in found]
    lines = table(("ID", "STATE", "SINCE", "WHAT"), rows)
    if following is not None:
        lines.append(f"There are more: go on with --after {following}.")
    document = {"drifts": [each.as_json() for each in found], "next": following}
    return answer(document, as_json=as_json, lines=lines)


@drift_command.command("adopt")
@click.argument("drift_id", metavar="ID", type=ID)
@_reason
@json_option
def adopt(drift_id: int, reason: str, *, as_json: bool) -> int:
    """Ask for a drift to be made ours; somebody else approves it."""
    change = current_gatehouse().drift_decisions.adopt(drift_id, actor=current_actor(), reason=reason)
    lines = [f"change {change.id}  {change.title}: {change.state}"]
    return answer(change.to_json(), as_json=as_json, lines=lines)


@drift_command.command("revert")
@click.argument("drift_id", metavar="ID", type=ID)
@_reason
@json_option
def revert(drift_id: int, reason: str, *, as_json: bool) -> int:
    """Write back to the registry what was approved."""
    drift = current_gatehouse().drift_decisions.revert(drift_id, actor=current_actor(), reason=reason)
    return answer(drift.as_json(), as_json=as_json, lines=[f"{drift.describe()} Reverted."])


def _tag_and_value(text: str) -> tuple[str, str]:
    tag, is_pair, value = text.partition("=")
    if not is_pair:
        raise InvalidInput(f"{text!r} gives no value.", next_step="Write it as TAG=VALUE, such as --set risk=tier1.")
    return tag.strip(), value.strip()


def model_json(model: ModelEntry) -> dict[str, Any]:
    """Return a model in the JSON of the interface."""
    return {
        "name": model.name,
        "latest_version": model.latest_version,
        "aliases": dict(model.aliases),
        "stage_versions": {stage.value: version for stage, version in model.stage_versions.items()},
        "problems": [{"rule": problem.rule, "message": problem.message} for problem in model.problems],
        "team": model.team,
        "tier": model.tier,
        "owner": model.owner,
        "health": model.health.value,
    }


def version_json(version: VersionEntry) -> dict[str, Any]:
    """Return a version as JSON."""
    return {
        "version": version.version,
        "stage": version.stage.value,
        "aliases": list(version.aliases),
        "author": version.author,
        "description": version.description,
        "run_id": version.run_id,
        "model_id": version.model_id,
        "created_at": to_text(version.created_at),
    }
