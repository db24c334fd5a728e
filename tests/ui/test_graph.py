from hypothesis import given
from hypothesis import strategies as st

from app.ui.graph import Edge, Node, _drawn, _rows, place
from app.ui.theme import Theme, palette_of

NODES = [f"n{number}" for number in range(8)]
EDGES = st.lists(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)), max_size=20)


@given(EDGES)
def test_every_node_gets_a_place_of_its_own_whatever_the_edges(edges: list[tuple[str, str]]) -> None:
    places = place(NODES, edges)
    assert set(places) == set(NODES)
    assert len(set(places.values())) == len(NODES)


@given(EDGES)
def test_without_cycles_every_edge_leads_to_a_later_layer(edges: list[tuple[str, str]]) -> None:
    forward = [(source, target) for source, target in edges if source < target]
    places = place(NODES, forward)
    assert all(places[source][0] < places[target][0] for source, target in forward)


def test_a_cycle_is_cut_and_drawn() -> None:
    assert {layer for layer, _ in place(["a", "b"], [("a", "b"), ("b", "a")]).values()} == {0, 1}


def test_given_layers_are_kept_without_the_empty_ones() -> None:
    places = place(["data", "v1", "v2", "pin"], [("v1", "v2")], layers={"data": 0, "v1": 3, "v2": 3, "pin": 4})
    assert [places[node][0] for node in ("data", "v1", "v2", "pin")] == [0, 1, 1, 2]
    assert len(set(places.values())) == len(places)


def test_nothing_is_placed_where_nothing_is() -> None:
    assert place([], []) == {}


def test_a_label_cannot_become_markup_or_a_template_in_the_chart() -> None:
    node = Node(id="x", kind="Run", label="<img src=x>{b}|&amp;\u202e")
    drawn = _drawn(node, (0, 0), palette_of(Theme.LIGHT))
    assert not set("<>{}&") & set(drawn["name"])
    assert "⟨U+202E⟩" in drawn["name"]


def test_the_table_says_what_leads_where() -> None:
    nodes = [Node(id="a", kind="Run", label="train"), Node(id="b", kind="Version", label="m/1")]
    rows = _rows(nodes, [Edge(source="a", target="b", kind="logged")])
    assert rows[0]["to"] == "m/1 (logged)"
    assert rows[1]["from"] == "train (logged)"
