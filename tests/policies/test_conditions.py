"""One law over every condition there is: a row, a frame and SQL answer alike, unknown included."""

from typing import Any

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.policies.conditions import Condition, walk
from services.policies.deciding import Decider
from services.policies.policy import Policy, Rule, Threshold
from services.policies.traffic import simulate

NUMBERS, TEXTS, SWITCHES = ("n", "m"), ("t", "u"), ("s",)
SMALL = st.sampled_from([-1.5, 0.0, 1.0, 2.0, 2.5])
WORDS = st.sampled_from(["a", "b", "it's", ""])
CONDITIONS: TypeAdapter[Condition] = TypeAdapter(Condition)

COMPARISONS = st.one_of(
    st.fixed_dictionaries(
        {
            "column": st.sampled_from(NUMBERS),
            "operator": st.sampled_from(["above", "at_least", "below", "at_most", "equals", "differs"]),
            "value": SMALL,
        }
    ),
    st.fixed_dictionaries(
        {"column": st.sampled_from(TEXTS), "operator": st.sampled_from(["equals", "differs"]), "value": WORDS}
    ),
    st.fixed_dictionaries(
        {
            "column": st.sampled_from(SWITCHES),
            "operator": st.sampled_from(["equals", "differs"]),
            "value": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {
            "column": st.sampled_from(NUMBERS),
            "operator": st.sampled_from(["in", "not_in"]),
            "value": st.lists(SMALL, min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {
            "column": st.sampled_from(TEXTS),
            "operator": st.sampled_from(["in", "not_in"]),
            "value": st.lists(WORDS, min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {
            "column": st.sampled_from(NUMBERS + TEXTS + SWITCHES),
            "operator": st.sampled_from(["missing", "present"]),
        }
    ),
)
TREES = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=6,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.none() | SMALL,
            "m": st.none() | st.sampled_from([0, 1, 2]),
            "t": st.none() | WORDS,
            "u": WORDS,
            "s": st.none() | st.booleans(),
            "score": st.sampled_from([0.2, 0.5, 0.9]),
        }
    ),
    min_size=1,
    max_size=6,
)


def build_policy(trees: list[dict[str, Any]]) -> Policy:
    rules = []
    for place, tree in enumerate(trees):
        condition = CONDITIONS.validate_python(tree)
        rules.append(
            Rule(
                name=f"r{place}",
                condition=condition,
                action=["stop", "go", None][place % 3],
                reason=f"r{place}",
                only_from=frozenset({"go"}) if place % 2 else None,
                is_optional=place % 4 == 3,
                places={comparison.column: () for _, comparison in walk(condition)},
            )
        )
    thresholds = (
        Threshold(action="stop", lowest_score=0.5, reason="high"),
        Threshold(action="go", lowest_score=0.0, reason="low"),
    )
    return Policy(
        model="m",
        revision="1",
        digest="",
        actions=("stop", "go"),
        thresholds=thresholds,
        rules=tuple(rules),
        guardrail=None,
    )


@settings(deadline=None, max_examples=120)
@given(st.lists(TREES, min_size=1, max_size=5), ROWS)
def test_rows_frames_and_sql_answer_alike(trees: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    policy = build_policy(trees)
    decider = Decider(policy)
    types = {"n": "Float64", "m": "Int64", "t": "str", "u": "str", "s": "boolean", "score": "float64"}
    frame = pd.DataFrame(rows, dtype=object).astype(types)
    batch = decider.decide_frame(frame)
    expected = [decider.decide(row["score"], row, at=batch[0].at) for row in rows]
    assert list(batch) == expected
    counts = pd.Series([decision.action for decision in expected]).value_counts().to_dict()
    simulation = simulate(policy, policy, frame)
    assert {action: count.in_force for action, count in simulation.volume.items()} == counts


def test_a_condition_reads_back_from_its_own_value() -> None:
    tree = {"not": {"all": [{"column": "n", "operator": "above", "value": 1.0}]}}
    condition = CONDITIONS.validate_python(tree)
    assert CONDITIONS.validate_python(condition) == condition
    assert [location for location, _ in walk(condition)] == [("not", "all", 0)]
