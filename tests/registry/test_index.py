import base64
import itertools
import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.errors import InvalidInput, NotFound
from services.lineage.vocabulary import VOCABULARY
from services.registry.entries import Health, ModelEntry
from services.registry.fake import FakeRegistry
from services.registry.hygiene import Condition, Question, judge_hygiene, question_of
from services.registry.index import CatalogQuery, CatalogSort, Index
from services.registry.sync import Sync
from services.registry.values import Dataset, Stage
from services.store import Store
from tests.conftest import FakeClock

SIGNED = "signature: {}\n"
GOOD_TAGS = {"team": "risk", "owner": "@ada", "risk": "tier1"}


def index_of(registry: FakeRegistry, store: Store, clock: FakeClock) -> Index:
    states = {b"signature: {}\n": "present", b"inputs\n": "inputs_only"}
    Sync(registry, store, clock=clock, signature_state=lambda text: states.get(text, "absent")).run()
    return Index(store, clock=clock)


def add_good(registry: FakeRegistry, name: str, **values: object) -> None:
    """Register a model that has nothing to fix."""
    run = registry.add_run(
        f"run_{name}", params={"depth": "3"}, datasets=[Dataset(name="tx", digest="1")],
        tags={"mlflow.source.git.commit": "c0ffee"}, author="ada",
    )  # fmt: skip
    registry.add_model(name, tags=GOOD_TAGS)
    defaults = {"run_id": run.run_id, "description": "good", "mlmodel": SIGNED, "metrics": {"auc": 0.9}}
    registry.add_version(name, **{**defaults, **values})  # type: ignore[arg-type]


def rules_of(index: Index, name: str) -> list[str]:
    return [problem.rule for problem in index.get_model(name).problems]


def test_a_good_model_has_nothing_to_fix(any_store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    add_good(registry, "fraud_detector", aliases=["production"])
    index = index_of(registry, any_store, clock)
    entry = index.get_model("fraud_detector")
    assert (entry.problems, entry.health, entry.stage) == ((), Health.GOOD, Stage.PRODUCTION)
    assert (entry.team, entry.owner, entry.tier) == ("risk", "@ada", "tier1")


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"mlmodel": "flavors: {}\n"}, "signature_absent"),
        ({"mlmodel": "inputs\n"}, "signature_inputs_only"),
        ({"mlmodel": ""}, "artifacts_gone"),
        ({"description": " "}, "description_missing"),
        ({"run_id": "nobody"}, "story_incomplete"),
    ],
)
def test_what_is_to_be_fixed_is_named(store: Store, clock: FakeClock, values: dict[str, object], rule: str) -> None:
    registry = FakeRegistry(clock=clock)
    add_good(registry, "fraud_detector", **values)
    index = index_of(registry, store, clock)
    assert rules_of(index, "fraud_detector") == [rule]
    assert index.get_model("fraud_detector").health is Health.ATTENTION


def test_a_story_names_all_that_is_missing(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_run("bare")
    add_good(registry, "fraud_detector", run_id="bare")
    index = index_of(registry, store, clock)
    (problem,) = index.get_model("fraud_detector").problems
    assert problem.message == "Version 1 was logged without its data set and its code commit and parameters."


def test_missing_tags_an_empty_model_and_a_bad_name_are_named(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_model("fraud_detector_v2", tags={"team": "risk"})
    index = index_of(registry, store, clock)
    assert rules_of(index, "fraud_detector_v2") == ["name_version", "tags_missing", "empty"]
    assert index.get_model("fraud_detector_v2").problems[1].message == "It lacks the tags owner, risk."


def test_a_version_that_serves_is_looked_at_as_well_as_the_newest(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    add_good(registry, "fraud_detector", mlmodel="", aliases=["production"])
    for _ in range(20):
        registry.add_version("fraud_detector", run_id="run_fraud_detector", description="x", mlmodel=SIGNED)
    index = index_of(registry, store, clock)
    assert index.get_model("fraud_detector").problems[0].message == "Version 1 has lost its files."


def test_tags_of_the_newest_version_and_its_run_stand_in_for_those_of_the_model(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_run("r", tags={"team": "run team", "owner": "run owner", "risk": "tier3"})
    registry.add_model("fraud_detector", tags={"team": "model team"})
    registry.add_version("fraud_detector", run_id="r", tags={"team": "version team", "owner": "version owner"})
    entry = index_of(registry, store, clock).get_model("fraud_detector")
    assert (entry.team, entry.owner, entry.tier) == ("model team", "version owner", "tier3")


def test_legacy_stages_count_where_no_alias_speaks(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_version("a", stage=Stage.PRODUCTION)
    registry.add_version("a", stage=Stage.PRODUCTION)
    registry.add_version("a", stage=Stage.STAGING, aliases=["production"])
    registry.add_version("b", stage=Stage.PRODUCTION)
    registry.add_version("b", stage=Stage.PRODUCTION)
    registry.add_version("c", stage=Stage.ARCHIVED)
    index = index_of(registry, store, clock)
    assert index.get_model("a").stage_versions == {Stage.PRODUCTION: 3, Stage.STAGING: 3}
    assert index.get_model("b").stage_versions == {Stage.PRODUCTION: 2}
    assert index.get_model("c").stage is Stage.ARCHIVED
    assert index.get_version("a", 3).stage is Stage.PRODUCTION


def test_the_trend_follows_the_main_metric_over_the_newest_versions(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    for number in range(15):
        registry.add_version("a", metrics={} if number == 13 else {"auc": number / 100, "trees": 5})
    registry.add_version("b", metrics={"trees": 5})
    registry.add_model("c", tags={"main_metric": "lift"})
    registry.add_version("c", metrics={"auc": 0.5, "lift": 2})
    index = index_of(registry, store, clock)
    entry = index.get_model("a")
    assert (entry.metric_name, entry.metric_value) == ("auc", 0.14)
    assert entry.trend == tuple(n / 100 for n in range(3, 15) if n != 13)
    assert (index.get_model("b").metric_name, index.get_model("b").trend) == (None, ())
    assert index.get_model("c").metric_name == "lift"


def fill_catalog(registry: FakeRegistry, clock: FakeClock) -> None:
    for number in range(23):
        name = f"model_{number:02d}x"
        registry.add_model(name, tags={"team": f"team {number % 3}", "risk": f"tier{number % 2 + 1}"})
        metrics = {"auc": (number * 7 % 10) / 10} if number % 4 else {}
        registry.add_version(name, metrics=metrics, mlmodel=SIGNED, aliases=["production"] if number % 5 == 0 else [])
        clock.advance(seconds=number % 2)


@pytest.mark.parametrize("sort", list(CatalogSort))
@pytest.mark.parametrize("is_descending", [False, True])
def test_pages_follow_one_another_without_gap_or_repeat(
    any_store: Store, clock: FakeClock, sort: CatalogSort, *, is_descending: bool
) -> None:
    registry = FakeRegistry(clock=clock)
    fill_catalog(registry, clock)
    index = index_of(registry, any_store, clock)
    whole = index.list_models(CatalogQuery(sort=sort, is_descending=is_descending, limit=100))
    assert (len(whole.models), whole.next, whole.total) == (23, None, 23)
    paged: list[ModelEntry] = []
    after = None
    for _ in itertools.count():
        page = index.list_models(CatalogQuery(sort=sort, is_descending=is_descending, limit=4, after=after))
        paged += page.models
        after = page.next
        if after is None:
            break
    assert tuple(paged) == whole.models
    if sort is CatalogSort.METRIC:
        values = [entry.metric_value for entry in whole.models]
        measured = [value for value in values if value is not None]
        assert measured == sorted(measured, reverse=is_descending)
        assert values == [*measured, *[None] * (23 - len(measured))]


def test_models_are_chosen_by_facets_and_words(any_store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    fill_catalog(registry, clock)
    registry.add_model("fraud_detector", description="Stops 100%_of fraud in Zürich", tags={"team": "Risk"})
    index = index_of(registry, any_store, clock)

    def names(**values: object) -> list[str]:
        return [entry.name for entry in index.list_models(CatalogQuery(limit=100, **values)).models]  # type: ignore[arg-type]

    for text in ("FRAUD", "zürich", "risk fraud", "100%_of", "detector stops", " "):
        assert "fraud_detector" in names(text=text)
    for text in ("fraud xyz", "%", "_", "'", "\\", "fraud\0xyz"):
        assert ("fraud_detector" in names(text=text)) == (text in {"%", "_"})
    assert len(names(teams=("team 0",))) == 8
    assert len(names(teams=("team 0", "team 1"))) == 16
    assert len(names(teams=("team 0",), tiers=("tier1",))) == 4
    assert len(names(stages=(Stage.PRODUCTION,))) == 5
    assert names(healths=(Health.DRIFT,)) == []
    assert names(teams=("nobody",)) == []


def test_facets_count_what_each_choice_would_show(any_store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    fill_catalog(registry, clock)
    index = index_of(registry, any_store, clock)
    facets = index.count_facets(CatalogQuery(teams=("team 0",)))
    assert facets["team"] == {"team 0": 8, "team 1": 8, "team 2": 7}
    assert facets["tier"] == {"tier1": 4, "tier2": 4}
    assert index.count_facets()["stage"] == {"None": 18, "Production": 5}
    assert index.count_facets()["health"] == {"attention": 23}
    totals = index.count_totals()
    assert (totals.models, totals.versions, totals.in_production, totals.with_problems) == (23, 23, 5, 23)


def test_totals_of_nothing_are_zero(any_store: Store) -> None:
    totals = Index(any_store).count_totals()
    assert (totals.models, totals.versions, totals.drifting) == (0, 0, 0)


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_of_no_possible_size_is_refused(store: Store, limit: int) -> None:
    with pytest.raises(InvalidInput, match=str(limit)):
        Index(store).list_models(CatalogQuery(limit=limit))


@pytest.mark.parametrize("after", ["", "nonsense", "WzEsIDJd", "bnVsbA==", "WyJhIl0=", "ä", "W1tbW1tb", "WzEsICJhIl0="])
def test_a_mark_of_no_page_is_refused(store: Store, after: str) -> None:
    with pytest.raises(InvalidInput, match="page"):
        Index(store).list_models(CatalogQuery(after=after))


@pytest.mark.parametrize("value", [None, "x", [], float("inf"), 2**80, {}])
def test_a_mark_with_a_value_of_another_order_is_refused(store: Store, value: object) -> None:
    mark = base64.urlsafe_b64encode(json.dumps([value, "name"]).encode()).decode()
    with pytest.raises(InvalidInput, match="page"):
        Index(store).list_models(CatalogQuery(after=mark, sort=CatalogSort.UPDATED))


@given(st.text(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_breaks_the_search_or_the_pages(store: Store, text: str) -> None:
    assert Index(store).list_models(CatalogQuery(text=text)).total == 0
    with pytest.raises(InvalidInput):
        Index(store).list_models(CatalogQuery(after=text))


def test_versions_are_paged_newest_first(any_store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    for _ in range(7):
        registry.add_version("a")
    index = index_of(registry, any_store, clock)
    first = index.list_versions("a", limit=3)
    assert ([entry.version for entry in first.versions], first.next) == ([7, 6, 5], 5)
    last = index.list_versions("a", before=3, limit=3)
    assert ([entry.version for entry in last.versions], last.next) == ([2, 1], None)


def test_versions_are_found_by_number_run_and_logged_model(any_store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    first = registry.add_version("a", run_id="r1")
    registry.add_version("b", run_id="r1")
    registry.create_version("b", source="models:/a/1", run_id=None, description="")
    index = index_of(registry, any_store, clock)
    assert first.model_id is not None
    assert [entry.reference for entry in index.list_versions_of_run("r1")] == ["a/1", "b/1"]
    assert [entry.reference for entry in index.list_versions_of_model_id(first.model_id)] == ["a/1", "b/2"]
    assert [entry.reference for entry in index.list_latest_versions()] == ["a/1", "b/2"]
    assert [entry.reference for entry in index.list_chosen_versions([("b", 1), ("a", 1), ("a", 9)])] == ["a/1", "b/1"]
    assert list(index.list_chosen_versions([])) == []


def test_what_is_not_in_the_catalog_is_not_found(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    registry.add_version("a")
    index = index_of(registry, store, clock)
    for name, version in (("b", 1), ("a", 2)):
        with pytest.raises(NotFound, match="catalog"):
            index.get_version(name, version)
    assert index.find_model("b") is None
    assert index.find_mlmodel("a", 9) is None


def test_the_age_of_the_index_grows(store: Store, clock: FakeClock) -> None:
    index = index_of(FakeRegistry(clock=clock), store, clock)
    clock.advance(seconds=42)
    assert index.get_sync_state().age_s == 42


def test_a_clean_registry_scores_zero(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    add_good(registry, "fraud_detector")
    index_of(registry, store, clock)
    hygiene = judge_hygiene(store, clock=clock)
    assert (hygiene.score, hygiene.condition, hygiene.to_fix) == (0, Condition.CLEAN, ())


def test_an_empty_registry_is_clean(store: Store, clock: FakeClock) -> None:
    assert judge_hygiene(store, clock=clock).condition is Condition.CLEAN


def test_a_junk_drawer_is_told_with_what_to_fix_first(any_store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    add_good(registry, "churn_predictor")
    registry.add_version("model_final", description="")
    registry.add_version("fraud_detector_v2", aliases=["production"], tags=GOOD_TAGS, mlmodel=SIGNED, description="x")
    clock.advance(days=181)
    index_of(registry, any_store, clock)
    hygiene = judge_hygiene(any_store, clock=clock)
    assert [model.name for model in hygiene.to_fix] == ["fraud_detector_v2", "model_final", "churn_predictor"]
    assert hygiene.failing == {
        Question.NAME: 2,
        Question.SIGNATURE: 1,
        Question.STORY: 2,
        Question.OWNER: 1,
        Question.FRESH: 2,
    }
    assert (hygiene.score, hygiene.condition) == (53.3, Condition.JUNK_DRAWER)
    assert "181 days" in hygiene.to_fix[2].problems[0].message
    assert len(judge_hygiene(any_store, clock=clock, limit=1).to_fix) == 1


def test_between_clean_and_junk_is_messy(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    add_good(registry, "fraud_detector", mlmodel="")
    index_of(registry, store, clock)
    assert judge_hygiene(store, clock=clock).condition is Condition.MESSY


def test_every_rule_of_the_catalog_answers_a_question(store: Store, clock: FakeClock) -> None:
    clock.advance(seconds=timedelta(days=1).total_seconds())
    rules = ["name_version", "signature_absent", "tags_missing", "empty", "stale", "story_incomplete", "not_ready"]
    assert [question_of(rule) for rule in rules] == [
        Question.NAME,
        Question.SIGNATURE,
        Question.OWNER,
        Question.FRESH,
        Question.FRESH,
        Question.STORY,
        Question.SIGNATURE,
    ]


def test_the_main_metric_stands_under_the_name_that_the_vocabulary_gives_it(store: Store, clock: FakeClock) -> None:
    registry = FakeRegistry(clock=clock)
    for metrics in ({"roc_auc": 0.7}, {"AUC": 0.8, "auc": 0.9}, {}, {"auroc": 0.95, "accuracy": 0.6}):
        registry.add_version("a", metrics=metrics)
    registry.add_model("b", tags={"main_metric": "acc"})
    registry.add_version("b", metrics={"roc_auc": 0.7, "acc": 0.6})
    Sync(
        registry, store, clock=clock, signature_state=lambda _: "present", read_names=lambda: VOCABULARY.map_names
    ).run()
    index = Index(store, clock=clock)
    entry = index.get_model("a")
    assert (entry.metric_name, entry.metric_value, entry.trend) == ("auc", 0.95, (0.7, 0.9, 0.95))
    assert index.get_model("b").metric_name == "accuracy"
    assert index.get_version("a", 1).metrics == {"roc_auc": 0.7}, "what was logged is never rewritten"
