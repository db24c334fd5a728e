from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from services.errors import InvalidInput, NotFound
from services.policies.policy import Policy
from services.policies.simulation import Simulation, wilson_share
from services.policies.traffic import simulate
from tests.policies.builders import CARDS, GENERAL, cards, decider, general
from tests.policies.test_deciding import CELLS


def draft(old: str = "block: 0.7", new: str = "block: 0.8") -> Policy:
    assert old in CARDS
    return cards(CARDS.replace(old, new), revision="draft")


def traffic(rows: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    return pd.DataFrame(
        {
            "score": rng.random(rows),
            "amount": rng.exponential(5000, rows),
            "country": rng.choice(["US", "NG", "DE"], rows),
            "merchant_age_days": rng.integers(0, 200, rows),
            "slice_channel": rng.choice(["web", "app"], rows),
        }
    )


def expected_flow(before: Policy, after: Policy, frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    pairs = zip(decider(before).decide_frame(frame).actions, decider(after).decide_frame(frame).actions, strict=True)
    flow: dict[str, dict[str, int]] = {}
    for first, second in pairs:
        flow.setdefault(first, {}).setdefault(second, 0)
        flow[first][second] += 1
    return flow


def plain(simulation: Simulation) -> dict[str, dict[str, int]]:
    return {before: dict(after) for before, after in simulation.flow.items()}


def test_flips_flow_and_volume_are_those_of_deciding_each_row() -> None:
    frame = traffic()
    simulation = simulate(cards(), draft(), frame)
    flow = expected_flow(cards(), draft(), frame)
    assert plain(simulation) == flow
    flips = sum(count for before, row in flow.items() for after, count in row.items() if before != after)
    assert (simulation.rows, simulation.flips.count, simulation.invalid_rows) == (500, flips, 0)
    assert 0 < simulation.flips.low < simulation.flips.rate < simulation.flips.high < 1
    volume = simulation.volume["block"]
    assert volume.in_force == sum(flow["block"].values())
    assert volume.draft == sum(row.get("block", 0) for row in flow.values())
    assert (simulation.in_force, simulation.draft) == ("2.1", "draft")
    assert simulation.to_json()["volume"]["block"] == {"in_force": volume.in_force, "draft": volume.draft}


def test_slices_come_worst_first_and_add_up() -> None:
    frame = traffic()
    simulation = simulate(cards(), draft(), frame)
    assert {(each.slice, each.value) for each in simulation.slices} == {("channel", "web"), ("channel", "app")}
    assert sum(each.flips.count for each in simulation.slices) == simulation.flips.count
    assert simulation.slices[0].flips.rate >= simulation.slices[1].flips.rate


def test_a_policy_against_itself_flips_nothing() -> None:
    simulation = simulate(cards(), cards(), traffic())
    assert simulation.flips.count == 0
    assert simulation.flips.low == 0
    assert all(list(row) == [before] for before, row in simulation.flow.items())


def test_rows_without_a_score_are_counted_apart() -> None:
    frame = traffic(4).assign(score=[0.1, np.nan, 1.5, -0.1])
    simulation = simulate(cards(), draft(), frame)
    assert (simulation.rows, simulation.invalid_rows) == (1, 3)


def test_a_paired_log_is_read_by_its_own_columns(tmp_path: Path) -> None:
    frame = traffic().rename(columns={"score": "champion_score", "country": "slice_country"})
    frame["slice_amount"] = frame.pop("amount").astype(str)
    for day in (1, 2):
        folder = tmp_path / f"dt=2026-01-0{day}"
        folder.mkdir()
        frame.drop(columns="merchant_age_days").to_parquet(folder / "part-0.parquet")
    simulation = simulate(cards(), draft(), tmp_path)
    alone = traffic().drop(columns="merchant_age_days")
    doubled = {
        before: {after: 2 * count for after, count in row.items()}
        for before, row in expected_flow(cards(), draft(), alone).items()
    }
    assert plain(simulation) == doubled
    assert [note for note in simulation.notes if "new_merchant" in note] == [
        "The rule new_merchant was not applied: the traffic has no column merchant_age_days.",
    ]
    assert {each.slice for each in simulation.slices} == {"amount", "channel", "country"}


def test_hits_of_the_daily_limit_are_counted_where_customers_are_recorded() -> None:
    frame = traffic(40).assign(score=0.9, amount=1.0, customer_id=["a"] * 20 + ["b"] * 20)
    frame["ts"] = pd.to_datetime(["2026-03-01T10:00:00Z"] * 10 + ["2026-03-02T10:00:00Z"] * 30)
    hits = simulate(cards(), draft("customer: 3", "customer: 5"), frame).guardrail_hits
    assert hits is not None
    assert (hits.in_force, hits.draft) == (7 + 7 + 17, 5 + 5 + 15)
    without = draft("    max_daily_blocks_per_customer: 3\n", "")
    hits = simulate(cards(), without, frame).guardrail_hits
    assert hits is not None
    assert hits.draft == 0
    blind = simulate(cards(), draft(), frame.drop(columns="ts"))
    assert blind.guardrail_hits is None
    assert "names no customers" in blind.notes[-1]


def test_traffic_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no Parquet file"):
        simulate(cards(), draft(), tmp_path)
    with pytest.raises(InvalidInput, match="no column score or champion_score"):
        simulate(cards(), draft(), traffic().drop(columns="score"))
    with pytest.raises(InvalidInput, match="no column other"):
        simulate(cards(), draft(), traffic(), score_column="other")
    (tmp_path / "bad.parquet").write_bytes(b"nonsense")
    with pytest.raises(InvalidInput, match="cannot be read"):
        simulate(cards(), draft(), tmp_path)


def test_names_that_look_like_sql_are_only_names(tmp_path: Path) -> None:
    column = 'a"; DROP TABLE traffic; --'
    text = (
        "m:\n  thresholds: {x: 0.5, y: 0}\n  rules:\n"
        f"  - {{name: r, when: {{column: '{column}', operator: equals, value: \"it's\"}}, action: x}}\n"
    )
    from services.policies.reading import read_policy

    policy = read_policy(text, "m")
    frame = pd.DataFrame({"score": [0.1, 0.1], column: ["it's", "x"], "slice_o'clock": ["a'b", "c"]})
    simulation = simulate(policy, policy, frame)
    assert plain(simulation) == {"x": {"x": 1}, "y": {"y": 1}}
    assert {each.value for each in simulation.slices} == {"a'b", "c"}


@settings(deadline=None, max_examples=40)
@given(st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=12))
def test_traffic_is_decided_as_rows_are(rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame(rows, dtype=object).infer_objects().convert_dtypes()
    other = general(GENERAL.replace("value: 1000", "value: 500").replace("call: 0.8", "call: 0.7"))
    assert plain(simulate(general(), other, frame)) == expected_flow(general(), other, frame)


@given(st.integers(0, 50), st.integers(1, 50))
def test_the_interval_is_wilsons(count: int, more: int) -> None:
    total = count + more
    share = wilson_share(count, total)
    low, high = proportion_confint(count, total, method="wilson")
    assert share.low == pytest.approx(low, abs=1e-12)
    assert share.high == pytest.approx(high, abs=1e-12)


def test_a_slice_that_holds_ranges_is_no_number_to_compare_with(tmp_path: Path) -> None:
    frame = traffic().drop(columns=["amount", "merchant_age_days"])
    for name, values, is_read in (("ranges", "100 to 400", False), ("numbers", "20000", True)):
        folder = tmp_path / name
        folder.mkdir()
        frame.assign(slice_amount=values).to_parquet(folder / "part-0.parquet")
        simulation = simulate(cards(), draft(), folder)
        assert ("high_value_transaction" not in str(simulation.notes)) is is_read
        assert ("allow" in simulation.volume) is not is_read


def test_actions_come_in_the_order_of_the_policy() -> None:
    assert list(simulate(cards(), draft(), traffic()).volume) == [
        "block",
        "manual_review",
        "allow",
        "extra_verification",
    ]
