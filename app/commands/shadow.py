"""`shadow`: compare two versions by their paired log, and make such a log from recorded data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from app.commands.output import answer, current_actor, current_gatehouse, json_option, table
from app.commands.parameters import VERSION, FiniteNumber, WholeNumber

_SHOWN_SLICES = 10
_SHOWN_PROBLEMS = 20
_SHOWN_VALUE = 60

_file = click.Path(dir_okay=False, path_type=Path)
_path = click.Path(path_type=Path)
_DAY = click.DateTime(["%Y-%m-%d"])


@click.group("shadow")
def shadow_command() -> None:
    """Champion and candidate, side by side on the same requests."""


@shadow_command.command("compare")
@click.option("--log", required=True, type=_path, help="A folder of paired log files (Parquet).")
@click.option("--by", help="List the values of this slice alone.")
@click.option("--engine", type=click.Choice(["duckdb", "spark"]), help="Unless given, as GATEHOUSE_SHADOW_ENGINE says.")
@click.option("--policy", type=_file, help="Thresholds to judge by: a gate policy, or a mapping of them (YAML).")
@click.option("--champion", type=WholeNumber(), help="Only pairs of this champion version.")
@click.option("--candidate", type=WholeNumber(), help="Only pairs of this candidate version.")
@json_option
def compare(
    log: Path,
    by: str | None,
    engine: str | None,
    policy: Path | None,
    champion: int | None,
    candidate: int | None,
    *,
    as_json: bool,
) -> int:
    """Compare the versions of a log and judge the candidate; exit code 0 when it can be promoted."""
    from services.shadow.compare import compare as compare_log
    from services.shadow.judge import Verdict
    from services.shadow.policy import ShadowPolicy
    from services.shadow.policy_file import read_policy_file

    settings = current_gatehouse().settings
    thresholds = ShadowPolicy() if policy is None else read_policy_file(policy)
    found = compare_log(
        log,
        home=settings.home,
        engine=engine or settings.shadow_engine,
        policy=thresholds,
        champion=champion,
        candidate=candidate,
        by=by,
        progress=_progress(as_json=as_json),
    )
    is_yes = found.judgement.verdict is Verdict.PROMOTE
    document = found.to_json()
    return answer(document, as_json=as_json, lines=_lines(document), is_yes=is_yes)


@shadow_command.command("replay")
@click.argument("name")
@click.option("--champion", required=True, type=VERSION, help="The version in service.")
@click.option("--candidate", required=True, type=VERSION, help="The version that would take its place.")
@click.option("--data", required=True, type=_file, help="Recorded requests: Parquet, CSV or JSON lines.")
@click.option("--out", required=True, type=_path, help="The log: a new folder, or that of the same replay.")
@click.option("--label", help="The column that says what turned out to be true; `label` unless given.")
@click.option("--slice", "slices", multiple=True, help="An input column to slice by; may be repeated.")
@click.option("--outputs", type=click.Choice(["classes", "scores"]), help="What the numbers are that models return.")
@click.option("--threshold", type=FiniteNumber(), help="Decide `positive` at this score or above, else `negative`.")
@click.option("--timed", is_flag=True, help="Score each row alone, so that latencies are real.")
@click.option("--chunk-rows", type=WholeNumber(1), help="Rows a step; 50,000, or 2,000 if timed, unless given.")
@json_option
def replay(
    name: str,
    champion: int,
    candidate: int,
    data: Path,
    out: Path,
    label: str | None,
    slices: tuple[str, ...],
    outputs: str | None,
    threshold: float | None,
    chunk_rows: int | None,
    *,
    timed: bool,
    as_json: bool,
) -> int:
    """Score recorded data with two versions of NAME in the sandbox; an interrupted replay goes on where it stopped."""
    from services.shadow.replay import ReplayOptions
    from services.shadow.replay_data import Described
    from services.shadow.replay_notes import Outputs

    options = ReplayOptions(
        described=Described(label=label, slices=slices),
        chunk_rows=chunk_rows,
        is_timed=timed,
        outputs=None if outputs is None else Outputs(outputs),
        threshold=threshold,
    )
    report = current_gatehouse().shadow.replay(
        name,
        champion,
        candidate,
        data,
        out,
        actor=current_actor(),
        options=options,
        progress=_progress(as_json=as_json),
    )
    document = {"model": name, "champion": champion, "candidate": candidate, "log": str(out), **asdict(report)}
    lines = [
        f"{report.rows} pairs of {name} {champion} and {candidate} are in {out}, {report.resumed_rows} from before.",
        f"The champion failed on {report.champion_errors} rows, the candidate on {report.candidate_errors}.",
    ]
    return answer(document, as_json=as_json, lines=lines, is_yes=report.is_complete)


@shadow_command.command("label")
@click.option("--log", required=True, type=_path, help="The log whose pairs get labels.")
@click.option("--data", required=True, type=_file, help="Columns request_id and label: Parquet, CSV or JSON lines.")
@click.option("--label", help="The column that says what turned out to be true; `label` unless given.")
@click.option("--since", type=_DAY, help="The first day of the log to look at.")
@click.option("--until", type=_DAY, help="The last.")
@json_option
def label_pairs(
    log: Path, data: Path, label: str | None, since: datetime | None, until: datetime | None, *, as_json: bool
) -> int:
    """Write what turned out to be true into the pairs of a log; exit code 0 when a request was found."""
    report = current_gatehouse().shadow.join_labels(
        log,
        data,
        actor=current_actor(),
        column=label,
        since=since.date() if since else date.min,
        until=until.date() if until else date.max,
    )
    found = report.labelled + report.relabelled + report.unchanged
    lines = [
        f"Labelled {report.labelled} pairs; {report.relabelled} had another label, {report.unchanged} had this one.",
        f"{report.unmatched} labels are of no request of these days; {report.without_label} rows had no label.",
        f"{len(report.files)} files were rewritten.",
    ]
    return answer({"log": str(log), **report.to_json()}, as_json=as_json, lines=lines, is_yes=found > 0)


def _progress(*, as_json: bool) -> Callable[[int, int | None], None]:
    """Return what tells a person at a terminal how far a command is."""

    def tell(done: int, total: int | None) -> None:
        if not as_json and sys.stderr.isatty():
            click.echo(f"\r{done:,} of {'?' if total is None else f'{total:,}'} rows", err=True, nl=done == total)

    return tell


def _lines(document: Mapping[str, Any]) -> list[str]:
    """Return a comparison for reading: the verdict, what it rests on, worst slices, and what is wrong."""
    judgement, agreement = document["judgement"], document["agreement"]
    invalid = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in document["invalid"].items())
    rows, files = document["rows"], document["files"]
    lines = [
        f"{judgement['outcome'].replace('_', ' ').upper()}",
        *(f"  {reason}" for reason in judgement["reasons"]),
        "",
        f"{files['counted']} of {files['found']} files are counted.",
        f"{rows['read']} rows were read, {rows['duplicates']} of them repeat another: {document['pairs']} pairs.",
        f"{document['valid_pairs']} pairs are valid{f'; not valid: {invalid}' if invalid else ''}.",
        f"Agreement {_percent(agreement['rate'])} ({_percent(agreement['low'])} to {_percent(agreement['high'])}).",
        "",
        *table(("", "CHAMPION", "CANDIDATE"), _sides(document)),
    ]
    # Those first that agree least at best: of a value that one pair has, little is known.
    known = sorted((one for one in document["slices"] if one["high"] is not None), key=lambda one: one["high"])
    slices = [
        (
            *(one["slice"], "(none)" if one["value"] is None else one["value"][:_SHOWN_VALUE], one["pairs"]),
            *(_percent(one[name]) for name in ("rate", "low", "high")),
        )
        for one in known[:_SHOWN_SLICES]
    ]
    if slices:
        lines += ["", *table(("SLICE", "VALUE", "PAIRS", "AGREEMENT", "FROM", "TO"), slices)]
    problems = document["problems"]
    if problems:
        told = [
            (one["file"], one["column"], "counted" if one["counted"] else "not counted", one["message"])
            for one in problems[:_SHOWN_PROBLEMS]
        ]
        lines += ["", *table(("FILE", "COLUMN", "ROWS", "PROBLEM"), told)]
        lines += [f"and {len(problems) - _SHOWN_PROBLEMS} more"] if len(problems) > _SHOWN_PROBLEMS else []
    return lines


def _sides(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    latency, errors = document["latency_ms"], document["error_rate"]
    rows = [
        (f"{name} latency", _milliseconds(latency["champion"][name]), _milliseconds(latency["candidate"][name]))
        for name in ("p50", "p95", "p99")
    ]
    return [("errors", _percent(errors["champion"]), _percent(errors["candidate"])), *rows]


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2%}"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
