"""What the catalog says of a model, derived from its versions: stages, main metric and its trend, what to fix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.registry.index_rows import OWNER_TAG, TEAM_TAG, TIER_TAG, clean
from services.registry.name_lint import report_name
from services.registry.stages import alias_of
from services.registry.values import Stage

TREND_LENGTH = 12
MAX_PROBLEMS = 20
_SERVING = (Stage.PRODUCTION, Stage.STAGING)

# The first of each of the user's lists of canonical metrics, and what stands in for it (small detail 2).
MAIN_METRICS = ("auc", "accuracy", "f1", "rmse", "mae", "r2", "ndcg", "map", "mrr")
MAIN_METRIC_TAG = "main_metric"

NameMetrics = Callable[[tuple[str, ...]], Mapping[str, str]]
"""Says under which name a metric is shown, and as what it was logged: logged names by shown ones."""

_SIGNATURES = {
    "absent": ("signature_absent", "has no signature"),
    "inputs_only": ("signature_inputs_only", "has a signature that does not say what it returns"),
    "no_inputs": ("signature_no_inputs", "has a signature that does not say what it takes"),
    "unreadable": ("signature_unreadable", "has an MLmodel file that cannot be read"),
    "gone": ("artifacts_gone", "has lost its files"),
    "unknown": ("signature_unknown", "has an MLmodel file that the registry did not hand over"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something to fix; `rule` is a short stable word, `message` a sentence."""

    rule: str
    message: str


def as_logged(names: Iterable[str]) -> dict[str, str]:
    """Show every metric as it was logged, where nobody says otherwise."""
    return {name: name for name in names}


def choose_main_metric(logged: Mapping[str, str], tags: Mapping[str, str]) -> str | None:
    """Return the metric that a model is first judged by: the one its tag names, else the first canonical one logged.

    Args:
        logged: logged names by shown ones; the tag may use either.

    >>> choose_main_metric({"auc": "roc_auc", "lift": "lift"}, {})
    'auc'
    """
    named = tags.get(MAIN_METRIC_TAG, "")
    by_tag = (shown for shown, name in logged.items() if named in {shown, name})
    return next(by_tag, next((name for name in MAIN_METRICS if name in logged), None))


def summarise(
    model: Mapping[str, Any], versions: Sequence[Any], *, look_alike: str | None, name_metrics: NameMetrics = as_logged
) -> dict[str, Any]:
    """Return the derived columns of a model.

    Args:
        model: its row.
        versions: rows of its newest versions and of those singled out, newest first, with `signature_state` and
            `version_count`.
        look_alike: a registered name that it is easily taken for.
        name_metrics: brings metrics under one name; the versions themselves keep what was logged.
    """
    latest = versions[0] if versions else None
    tags = {**(latest.facts.get("tags", {}) if latest else {}), **(latest.tags if latest else {}), **model["tags"]}
    staged = _stage_versions(versions)
    shown = [_show(version.metrics, name_metrics) for version in versions[:TREND_LENGTH]]
    metric = choose_main_metric(name_metrics(tuple(latest.metrics)), tags) if latest else None
    problems = find_problems(model, versions, staged, tags, look_alike)
    words = (
        model["name"],
        model["description"],
        *model["tags"].values(),
        *(tags.get(t, "") for t in (TEAM_TAG, OWNER_TAG)),
    )
    return {
        "team": tags.get(TEAM_TAG, ""),
        "tier": tags.get(TIER_TAG, ""),
        "owner": tags.get(OWNER_TAG, ""),
        "stage": next((stage.value for stage in _SERVING if stage in staged), latest.stage if latest else "None"),
        "version_count": latest.version_count if latest else 0,
        "latest_version": latest.version if latest else None,
        "latest_us": latest.created_us if latest else None,
        "production_version": staged.get(Stage.PRODUCTION),
        "staging_version": staged.get(Stage.STAGING),
        "stage_versions": {stage.value: version for stage, version in staged.items()},
        "metric_name": metric,
        "metric_value": shown[0][metric] if metric else None,
        "trend": [metrics[metric] for metrics in shown if metric in metrics][::-1] if metric else [],
        "problems": [{"rule": problem.rule, "message": problem.message} for problem in problems],
        "problem_count": len(problems),
        "search_text": clean("\n".join(words)).casefold(),
    }


def find_problems(
    model: Mapping[str, Any],
    versions: Sequence[Any],
    staged: Mapping[Stage, int],
    tags: Mapping[str, str],
    look_alike: str | None,
) -> list[Problem]:
    """Return what is to be fixed: the name, and of the newest version and those that serve the signature and story."""
    report = report_name(model["name"], look_alike=look_alike)
    problems = [Problem(rule=f"name_{problem.rule}", message=problem.message) for problem in report.problems]
    missing = [tag for tag in (TEAM_TAG, OWNER_TAG, TIER_TAG) if not tags.get(tag)]
    if missing:
        problems.append(Problem(rule="tags_missing", message=f"It lacks the tags {', '.join(missing)}."))
    if not versions:
        problems.append(Problem(rule="empty", message="It has no version."))
    for version in versions:
        if version is versions[0] or version.version in staged.values():
            problems += _version_problems(version)
    return problems[:MAX_PROBLEMS]


def _version_problems(version: Any) -> list[Problem]:
    problems = []
    if version.status != "READY":
        message = f"Version {version.version} is not ready: its status is {version.status or 'unknown'}."
        problems.append(Problem(rule="not_ready", message=message))
    if version.signature_state in _SIGNATURES:
        rule, what = _SIGNATURES[version.signature_state]
        problems.append(Problem(rule=rule, message=f"Version {version.version} {what}."))
    if not version.description.strip():
        message = f"Version {version.version} has no description."
        problems.append(Problem(rule="description_missing", message=message))
    story = _missing_story(version.facts) if version.facts else []
    if story:
        message = f"Version {version.version} was logged without {' and '.join(story)}."
        problems.append(Problem(rule="story_incomplete", message=message))
    return problems


def _missing_story(facts: Mapping[str, Any]) -> list[str]:
    if not facts["has_run"]:
        return ["a run"]
    return [
        what
        for key, what in (
            ("dataset_count", "its data set"),
            ("git_commit", "its code commit"),
            ("param_count", "parameters"),
        )
        if not facts[key]
    ]


def _stage_versions(versions: Sequence[Any]) -> dict[Stage, int]:
    """Return the version in each serving stage: the one its alias names, or else the newest with the legacy stage."""
    found: dict[Stage, int] = {}
    for stage in _SERVING:
        aliased = [version.version for version in versions if alias_of(stage) in version.aliases]
        legacy = [version.version for version in versions if version.stage == stage]
        if aliased or legacy:
            found[stage] = (aliased or legacy)[0]
    return found


def _show(metrics: Mapping[str, float], name_metrics: NameMetrics) -> dict[str, float]:
    return {shown: metrics[logged] for shown, logged in name_metrics(tuple(metrics)).items()}
