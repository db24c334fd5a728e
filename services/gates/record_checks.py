"""Checks on what is recorded about a version: name, tags, story, files, checklist, aliases."""

from __future__ import annotations

from fnmatch import fnmatchcase

from services.gates.evidence import (
    ChecklistAnswers,
    Evidence,
    EvidenceAbsent,
    Files,
    Metrics,
    Story,
)
from services.gates.findings import Finding, judge_flag, tell
from services.gates.kinds import (
    ArtifactsGate,
    ChecklistGate,
    MetricNamesGate,
    NameGate,
    NotServingGate,
    StoryGate,
    TagsGate,
)
from services.lineage.vocabulary import lint_metrics, lint_tags
from services.registry.name_lint import lint_name
from services.registry.stages import PROTECTED_ALIASES

MAX_LISTED = 20
_ANSWERED = frozenset({"yes", "not_applicable"})


def check_name(_gate: NameGate, evidence: Evidence) -> Finding:
    """Judge the model's name."""
    report = lint_name(evidence.subject.candidate.name)
    return judge_flag(
        is_held=report.is_ok,
        observed=report.name,
        threshold="a product's name",
        message=" ".join(problem.message for problem in report.problems) or f"{report.name} names a product.",
        remedy=f"Register it as {report.suggestion or 'a product, such as fraud_detector'}.",
    )


def check_tags(gate: TagsGate, evidence: Evidence) -> Finding:
    """Judge the standard tags."""
    tags = {name: evidence.subject.find_tag(name).strip() for name in gate.required}
    known = {rule.name for rule in evidence.vocabulary.tags}
    problems = [problem for problem in lint_tags(tags, evidence.vocabulary) if problem.name in gate.required]
    messages = [problem.message for problem in problems]
    fixes = [f"{problem.name}: {problem.fix}" for problem in problems]
    for name in gate.required:
        if name not in known and not tags[name]:
            messages.append(f"The tag {name} is missing.")
            fixes.append(f"{name}: Set it.")
    return judge_flag(
        is_held=not messages,
        observed=len(gate.required) - len(messages),
        threshold=len(gate.required),
        message=" ".join(messages) or f"The tags {', '.join(gate.required)} are set.",
        remedy=" ".join(fixes),
    )


def check_metric_names(_gate: MetricNamesGate, evidence: Evidence) -> Finding:
    """Judge the names of logged metrics."""
    metrics = evidence.need(Metrics).candidate
    if not metrics:
        raise EvidenceAbsent("No metric was logged.")
    problems = lint_metrics(metrics, evidence.vocabulary)
    listed = problems[:MAX_LISTED]
    return judge_flag(
        is_held=not problems,
        observed=len(problems),
        threshold=0,
        message=" ".join(problem.message for problem in listed) or "Every metric has its canonical name.",
        remedy=" ".join(problem.fix for problem in listed),
    )


def check_story(gate: StoryGate, evidence: Evidence) -> Finding:
    """Judge how complete the story is."""
    story = evidence.need(Story)
    missing = [part for part in gate.required if part not in story.present]
    at_least = gate.at_least or 0
    is_held = not missing and story.completeness >= at_least
    told = missing or (sorted(story.missing) if not is_held else [])
    fixes = [story.missing[part] for part in told if part in story.missing]
    message = f"The story is {tell(100 * story.completeness)} % complete"
    return judge_flag(
        is_held=is_held,
        observed=story.completeness,
        threshold=gate.at_least if gate.at_least is not None else ", ".join(gate.required),
        message=f"{message} and lacks {', '.join(told)}." if told else f"{message}.",
        remedy=" ".join(fixes) or f"Log {', '.join(told)} with the run.",
    )


def check_artifacts(gate: ArtifactsGate, evidence: Evidence) -> Finding:
    """Judge which files are there."""
    files = evidence.need(Files)
    missing = [path for path in gate.paths if not any(fnmatchcase(file, path) for file in files.model | files.run)]
    return judge_flag(
        is_held=not missing,
        observed=len(gate.paths) - len(missing),
        threshold=len(gate.paths),
        message=f"Missing: {', '.join(missing)}." if missing else "Every file is there.",
        remedy=f"Log {', '.join(missing)} with the model or its run.",
    )


def check_checklist(gate: ChecklistGate, evidence: Evidence) -> Finding:
    """Judge the answers to the readiness checklist."""
    checklist = evidence.need(ChecklistAnswers)
    wanted = _wanted_items(gate, checklist)
    if not wanted:
        raise EvidenceAbsent("The checklist has none of the items that the gate names.")
    answered = [item for item in wanted if checklist.answers.get(item) in _ANSWERED]
    open_items = [item for item in wanted if item not in answered]
    ratio = len(answered) / len(wanted)
    return judge_flag(
        is_held=ratio >= gate.at_least,
        observed=ratio,
        threshold=gate.at_least,
        message=f"{len(answered)} of {len(wanted)} items are answered with yes or do not apply.",
        remedy=f"Answer {', '.join(open_items[:MAX_LISTED])}{' and others' if len(open_items) > MAX_LISTED else ''}.",
    )


def check_not_serving(_gate: NotServingGate, evidence: Evidence) -> Finding:
    """Judge whether a protected alias points at the version."""
    serving = sorted(PROTECTED_ALIASES.intersection(evidence.subject.candidate.aliases) - {"staging"})
    return judge_flag(
        is_held=not serving,
        observed=", ".join(serving) or "no alias",
        threshold="no alias",
        message=f"The alias {serving[0]} points at it." if serving else "Nothing serves it.",
        remedy="Promote or roll back to another version first.",
    )


def _wanted_items(gate: ChecklistGate, checklist: ChecklistAnswers) -> list[str]:
    wanted: dict[str, None] = {}
    for category, items in checklist.items.items():
        for item in items:
            if gate.items is None or item in gate.items or category in gate.items:
                wanted[item] = None
    return list(wanted)
