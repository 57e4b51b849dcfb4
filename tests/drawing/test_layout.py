"""Layouts of random graphs: nothing overlaps, arrows run downward and around what is between their ends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gpukeras.drawing.layering import crossings, downward, ordered, ranks
from gpukeras.drawing.layout import Link, lay_out
from gpukeras.drawing.paint import _flattened

QUICK = settings(derandomize=True, deadline=None, max_examples=60, database=None)


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 14))
    node = st.integers(0, count - 1)
    sizes = draw(st.lists(st.tuples(st.floats(10, 200), st.floats(10, 90)), min_size=count, max_size=count))
    return sizes, draw(st.lists(st.tuples(node, node), max_size=24))


@QUICK
@given(graphs())
def test_nothing_overlaps(graph):
    sizes, pairs = graph
    plan = lay_out(sizes, [Link(*pair) for pair in pairs])
    boxes = [(x - w / 2, x + w / 2, y - h / 2, y + h / 2) for (x, y), (w, h) in zip(plan.middles, sizes)]
    for i, (left, right, top, bottom) in enumerate(boxes):
        assert -0.01 <= left and right <= plan.width + 0.01 and -0.01 <= top and bottom <= plan.height + 0.01
        for a, b, c, d in boxes[:i]:
            assert right < a or b < left or bottom < c or d < top


@QUICK
@given(graphs())
def test_arrows_join_their_nodes_and_avoid_the_others(graph):
    sizes, pairs = graph
    plan = lay_out(sizes, [Link(*pair) for pair in pairs])
    for (start, end), curve in zip(pairs, plan.curves):
        assert len(curve) % 3 == 1
        for node, (x, y) in ((start, curve[0]), (end, curve[-1])):
            (mx, my), (w, h) = plan.middles[node], sizes[node]
            assert abs(abs(y - my) - h / 2) < 0.01 or start == end and abs(x - mx - w / 2) < 0.01
        for node, ((mx, my), (w, h)) in enumerate(zip(plan.middles, sizes)):
            if node not in (start, end):
                assert not any(abs(x - mx) < w / 2 and abs(y - my) < h / 2 for x, y in _flattened(curve))


@QUICK
@given(graphs())
def test_ranks_go_down(graph):
    sizes, pairs = graph
    kept = downward(len(sizes), pairs)
    edges = [pair if keep else pair[::-1] for pair, keep in zip(pairs, kept) if pair[0] != pair[1]]
    rank = ranks(len(sizes), edges)
    assert all(rank[a] < rank[b] for a, b in edges) and min(rank) >= 0
    if all(a < b for a, b in pairs):
        assert all(kept)


def test_an_input_stands_where_it_is_needed():
    """0 -> 1 -> 2 -> 3 and 4 -> 5 -> 3: the short branch starts late; the branch 0 -> 6 -> 3 starts early."""
    assert ranks(7, [(0, 1), (1, 2), (2, 3), (4, 5), (5, 3), (0, 6), (6, 3)]) == [0, 1, 2, 3, 1, 2, 1]


def test_pinned_rows():
    assert ranks(5, [(3, 0), (0, 1), (1, 2), (0, 4)], top=[3], bottom=[4]) == [1, 2, 3, 0, 4]


def test_crossings_are_counted_and_removed():
    below = [[4], [3], [], [], []]
    above = [[], [], [], [1], [0]]
    assert crossings([[0, 1, 2], [3, 4]], below) == 1
    assert crossings(ordered([[0, 1, 2], [3, 4]], above, below), below) == 0
    both = [[2, 3], [2, 3], [], []]
    assert crossings([[0, 1], [2, 3]], both) == 1


def test_a_chain_is_straight_and_branches_keep_their_order():
    chain = lay_out([(80, 20), (40, 20), (120, 20)], [Link(0, 1), Link(1, 2)])
    assert len({x for x, _ in chain.middles}) == 1
    fan = lay_out([(30, 20)] * 5, [Link(0, 2), Link(0, 1), Link(0, 3), Link(1, 4), Link(2, 4), Link(3, 4)])
    assert fan.middles[1][0] < fan.middles[2][0] < fan.middles[3][0], "in the order in which 4 takes them"
    assert fan.middles[0][0] == fan.middles[2][0] == fan.middles[4][0]


def test_an_arrow_against_the_flow_runs_beside_the_other():
    plan = lay_out([(60, 20), (60, 20)], [Link(0, 1), Link(1, 0)])
    down, up = plan.curves
    assert down[0][1] < down[-1][1] and up[0][1] > up[-1][1] and up[0][0] > down[0][0]
