from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.errors import NotFound, Unreachable
from services.lineage.artifacts import DECISION_CONTEXT, LINEAGE, MODEL_CARD, SLICES
from services.lineage.attachments import AttachmentKind
from services.lineage.completeness import STORY_PARTS, measure_completeness
from services.lineage.story import Happening
from services.lineage.story_exports import write_html, write_markdown
from services.lineage.telling import Stories
from services.lineage.vocabulary import VOCABULARY
from services.registry.fake import FakeRegistry
from services.registry.values import Dataset, ModelVersion

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n....."
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>[a](javascript:alert(3)) |"
INPUTS = '[{"name": "a", "type": "long"}]'
SIGNATURE = f"""signature: {{inputs: '{INPUTS}', outputs: '[{{"type": "long", "required": false}}]'}}"""
STANDARD = {rule.name: rule.example for rule in VOCABULARY.tags}
FILES = {
    DECISION_CONTEXT: json.dumps(
        {"reason_for_training": "More fraud", "risks_identified": "More reviews", "business_context": "Holidays"}
    ).encode(),
    LINEAGE: json.dumps({"dataset_commit": "data-v2", "parents": {}}).encode(),
    MODEL_CARD: b"# fraud\n\nFinds *fraud*.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- two\n",
    SLICES: json.dumps([{"slice": "country", "value": "US", "rows": 10, "metrics": {"auc": 0.8}}]).encode(),
    "predictions.parquet": b"PAR1\x00\x01",
    "plots/feature_importance.png": PNG,
    "plots/confusion_matrix.png": PNG,
    "plots/calibration.png": PNG,
    "feature_importance.csv": b"feature,importance\namount,0.2\n",
}


def told(registry: FakeRegistry, *, files: dict[str, bytes] | None = None, **values: Any) -> ModelVersion:
    """Register a version whose story is whole, but for what `values` and `files` change."""
    registry.add_run(
        "r1",
        name="training",
        author="maya",
        files=FILES if files is None else files,
        datasets=[Dataset(name="payments", digest="d1", context="training", source='{"uri": "s3://bucket/payments"}')],
        params={"depth": "3"},
        metrics={"auc": 0.9},
    )
    given: dict[str, Any] = {
        "tags": {**STANDARD, "task": "classification", "git_commit": "c0ffee"},
        "description": "First",
        "mlmodel": SIGNATURE,
        "files": {"input_example.json": b"{}"},
        "metrics": {"auc": 0.9, "roc": 1.0, "slice/country/US/auc": 0.8},
    }
    return registry.add_version("fraud", run_id="r1", **{**given, **values})


def missing(registry: FakeRegistry, version: ModelVersion) -> list[str]:
    return [part.name for part in Stories(registry).tell(version).completeness.missing]


def test_a_whole_story_lacks_nothing() -> None:
    registry = FakeRegistry()
    story = Stories(registry).tell(told(registry))
    assert story.completeness.missing == ()
    assert story.completeness.ratio == 1
    assert len(story.completeness.present) == len(STORY_PARTS) - 1
    assert story.problems == ()
    assert story.signature.by_side == {"inputs": ["a: long"], "outputs": ["long?"]}


def test_each_missing_part_says_how_to_add_it() -> None:
    registry = FakeRegistry()
    version = registry.add_version("fraud", run_id=None)
    parts = Stories(registry).tell(version).completeness.missing
    assert {part.name for part in parts} >= {"dataset", "code", "metrics", "signature", "model_card", "reason", "tags"}
    assert all(part.how_to_add.endswith(".") for part in parts)


def test_a_data_set_without_a_digest_is_none_and_the_share_counts_what_is_asked() -> None:
    registry = FakeRegistry()
    registry.add_run("r1", datasets=[Dataset(name="train", digest="", context="training")])
    version = registry.add_version("fraud", run_id="r1", description="first")
    completeness = Stories(registry).tell(version).completeness
    assert "dataset" in {part.name for part in completeness.missing}
    assert {part.name for part in completeness.present} == {"run", "description"}
    assert completeness.ratio == pytest.approx(2 / len(completeness.parts))


def test_the_first_version_needs_no_parent_and_a_later_one_does() -> None:
    registry = FakeRegistry()
    told(registry)
    assert missing(registry, told(registry)) == ["parents"]
    tags = {**STANDARD, "task": "classification", "git_commit": "c0ffee", "tuned_from": "fraud/1"}
    assert missing(registry, told(registry, tags=tags)) == []


def test_a_baseline_is_a_parent_too_and_blanks_are_no_reason() -> None:
    registry = FakeRegistry()
    told(registry)
    tags = {**STANDARD, "task": "classification", "git_commit": "c0ffee", "baseline": "fraud/1"}
    assert missing(registry, told(registry, tags=tags)) == []
    blank = json.dumps({"reason_for_training": " ", "risks_identified": "few", "business_context": "sales"}).encode()
    assert missing(registry, told(registry, tags=tags, files={**FILES, DECISION_CONTEXT: blank})) == ["reason"]


def test_a_regression_needs_neither_confusion_nor_calibration() -> None:
    registry = FakeRegistry()
    files = {path: content for path, content in FILES.items() if "confusion" not in path and "calibration" not in path}
    tags = {**STANDARD, "task": "regression", "git_commit": "c0ffee"}
    assert missing(registry, told(registry, files=files, tags=tags)) == []
    assert missing(registry, told(registry, files=files))[:2] == ["confusion_matrix", "calibration"]


def test_half_a_signature_is_none() -> None:
    registry = FakeRegistry()
    half = 'signature: {inputs: \'[{"name": "a", "type": "long"}]\', outputs: null}'
    assert missing(registry, told(registry, mlmodel=half)) == ["signature"]


def test_tags_of_the_model_stand_in_for_those_of_the_version() -> None:
    registry = FakeRegistry()
    registry.add_model("fraud", tags=STANDARD)
    assert missing(registry, told(registry, tags={"task": "classification", "git_commit": "c0ffee"})) == []


def test_completeness_can_be_measured_without_reading_what_only_is_shown() -> None:
    registry = FakeRegistry()
    version = told(registry)
    registry.faults.calls.clear()
    assert measure_completeness(Stories(registry).read_records(version)).missing == ()
    assert list(registry.faults.calls).count("read_run_file") == 3


def test_metrics_stand_beside_the_champions_under_their_canonical_names() -> None:
    registry = FakeRegistry()
    champion = registry.add_version("fraud", metrics={"roc_auc": 0.95, "log_loss": 0.2})
    candidate = registry.add_version("fraud", metrics={"auc": 0.9, "log_loss": 0.1, "trees": 5, "slice/a/b/auc": 1})
    lines = Stories(registry).tell(candidate, champion=champion).metrics
    assert [(line.name, line.champion, line.is_better) for line in lines] == [
        ("auc", 0.95, False),
        ("log_loss", 0.2, True),
        ("trees", None, None),
    ]


def test_a_deleted_run_is_a_problem_and_not_the_end() -> None:
    registry = FakeRegistry()
    version = told(registry)
    registry._runs.clear()
    story = Stories(registry).tell(version)
    assert "run" in [part.name for part in story.completeness.missing]
    assert any("r1" in problem for problem in story.problems)
    assert "What is missing" in write_markdown(story)


def test_artifacts_that_are_gone_are_a_problem_and_not_the_end() -> None:
    registry = FakeRegistry()
    version = told(registry)
    registry.remove_files(version)
    registry.remove_files_of("runs:/r1")
    story = Stories(registry).tell(version)
    assert story.problems
    assert {"signature", "model_card"} <= {part.name for part in story.completeness.missing}


def test_a_registry_that_does_not_answer_ends_the_story() -> None:
    registry = FakeRegistry()
    version = told(registry)
    registry.faults.fail()
    with pytest.raises(Unreachable):
        Stories(registry).tell(version)


def test_a_model_that_is_gone_has_no_story() -> None:
    registry = FakeRegistry()
    version = told(registry)
    registry.remove_model("fraud")
    with pytest.raises(NotFound):
        Stories(registry).tell(version)


@pytest.mark.parametrize("mlmodel", ["{", "signature: {inputs: '{'}", "signature: {inputs: '[1]'}", "- a"])
def test_a_corrupt_mlmodel_is_a_problem_and_no_signature(mlmodel: str) -> None:
    registry = FakeRegistry()
    story = Stories(registry).tell(told(registry, mlmodel=mlmodel))
    assert story.signature.by_side == {}
    assert "signature" in [part.name for part in story.completeness.missing]


def test_documents_that_are_no_objects_say_nothing() -> None:
    registry = FakeRegistry()
    files = {**FILES, DECISION_CONTEXT: b"[1]", LINEAGE: b"{" * 100_000}
    assert missing(registry, told(registry, files=files)) == ["reason", "risks", "business_context"]


def test_files_that_are_too_large_or_too_many_are_named_and_not_read() -> None:
    registry = FakeRegistry()
    files = {**{f"f{number:02}.txt": b"x" for number in range(50)}, "a_huge.txt": b"x" * 300_000}
    story = Stories(registry).tell(told(registry, files=files))
    by_path = {each.path: each for each in story.attachments}
    assert by_path["a_huge.txt"].kind is AttachmentKind.TOO_LARGE
    assert "more than the 262,144" in by_path["a_huge.txt"].note
    assert by_path["f49.txt"].note == "There are too many files to show all."
    assert len(by_path) == 51


def test_a_file_that_vanishes_while_it_is_read_is_gone() -> None:
    registry = FakeRegistry()
    version = told(registry)
    registry.faults.fail("read_run_file", NotFound("It is gone.", next_step="Log it again."))
    assert {each.kind for each in Stories(registry).tell(version).attachments} == {AttachmentKind.GONE}


def hostile_story() -> Any:
    registry = FakeRegistry()
    files = {
        **FILES,
        MODEL_CARD: f"# {HOSTILE}\n\n{HOSTILE}\n\n- {HOSTILE}\n\n```\n{HOSTILE}\n```\n".encode(),
        "evil.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "page.html": f"<html>{HOSTILE}</html>".encode(),
        f"{HOSTILE[:8]}.txt": HOSTILE.encode(),
        "table.csv": f"a,b\n{HOSTILE},2\n".encode(),
        SLICES: b"not json",
    }
    registry.add_model("fraud", description=HOSTILE, tags={"owner": HOSTILE})
    version = told(registry, files=files, description=HOSTILE, tags={"git_commit": HOSTILE, "tuned_from": HOSTILE})
    happened = Happening(at=NOON, actor=HOSTILE, what="promotion:approval:granted", reason=HOSTILE)
    return Stories(registry).tell(version, happenings=[happened])


def test_nothing_that_others_wrote_is_markup_in_the_exported_page() -> None:
    page = write_html(hostile_story())
    assert "<script" not in page
    assert "onerror=alert(2)>" not in page
    assert "<svg" not in page
    assert page.count("<img ") == 3
    assert "default-src 'none'" in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "").replace("&#x27;http://www.w3.org/2000/svg&#x27;", "")


def test_nothing_that_others_wrote_is_markup_in_exported_markdown() -> None:
    text = write_markdown(hostile_story())
    outside_code = "\n".join(line for line in text.split("\n") if not line.startswith("    "))
    assert "<" not in outside_code.replace("\\<", "")
    assert "[a]" not in outside_code.replace("\\[", "")
    assert "Shown as text: its markup is not run." in text


def test_a_browser_runs_nothing_of_an_exported_story(tmp_path: Any) -> None:
    from html.parser import HTMLParser

    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            found.append(tag)
            found.extend(name for name, _ in attrs if name.startswith("on"))

    Tags().feed(write_html(hostile_story()))
    allowed = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "h4", "h5", "p", "table", "thead"}
    assert set(found) <= allowed | {"main", "tbody", "tr", "th", "td", "ul", "li", "pre", "img"}


def test_the_exports_tell_every_part_of_the_story() -> None:
    registry = FakeRegistry()
    champion = registry.add_version("fraud", metrics={"auc": 0.8})
    tags = {**STANDARD, "task": "classification", "git_commit": "c0ffee", "tuned_from": "fraud/1"}
    happened = Happening(at=NOON, actor="meera", what="promotion:approval:granted", reason="Better")
    story = Stories(registry).tell(told(registry, tags=tags), champion=champion, happenings=[happened])
    parts = ("fraud/2", "c0ffee", "s3://bucket/payments", "More fraud", "meera", "depth", "Finds", "country = US")
    for text in (write_html(story), write_markdown(story).replace("\\", "")):
        assert [part for part in parts if part not in text] == []
        assert "+0.1 better" in text
    assert "data:image/png;base64," in write_html(story)
    assert "roc" in write_html(story)
