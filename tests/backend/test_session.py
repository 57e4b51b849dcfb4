"""TensorFlow 1's session and graph: what is asked for by name, and structures of tensors."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Input
from gpukeras.models import Model
from gpukeras.tensorflow1.names import named

ROW = np.array([[1.0, 2.0]], "float32")
Pair = namedtuple("Pair", "a b")


@pytest.fixture(autouse=True)
def new_names() -> None:
    K.clear_session()


def test_tensors_have_the_names_that_programs_give_them_and_are_found_by_them() -> None:
    x = K.placeholder((None, 2), name="x")
    named("identity")(x * 2, name="doubled")  # held by nobody
    other = named("nn").softmax(x, name="doubled")
    with K.name_scope("inner"):
        inner = named("reshape")(x, [-1], "flat")
    assert (other.name, inner.name, other.op.name) == ("doubled_1:0", "inner/flat:0", "doubled_1")
    assert other.op.type == "Softmax"
    session = K.get_session()
    graph = session.graph
    assert graph is x.graph is named("get_default_graph")()
    assert graph.get_tensor_by_name("x:0") is x and graph.get_operation_by_name("inner/flat").outputs[0] is inner
    assert {"x", "doubled", "doubled_1", "inner/flat"} <= {op.name for op in graph.get_operations()}
    assert [op.name for op in inner.consumers()] == [] and "inner/flat" in [op.name for op in x.consumers()]
    assert session.run("doubled:0", {"x:0": ROW}).tolist() == session.run("doubled:0", {x: ROW}).tolist() == [[2, 4]]
    assert session.run("doubled", {x: ROW}) is None and session.run(other.op, {x: ROW}) is None
    for fail, error, words in ((lambda: graph.get_tensor_by_name("x"), ValueError, "that of an operation"),
                               (lambda: graph.get_tensor_by_name("none:0"), KeyError, "no tensor of the name 'none:0'"),
                               (lambda: graph.get_operation_by_name("none"), KeyError, "no operation"),
                               (lambda: session.run("none:0"), ValueError, "no tensor"),
                               (lambda: session.run(other, {"none:0": ROW}), ValueError, "no tensor")):
        with pytest.raises(error, match=words):
            fail()
    K.learning_phase()
    K.clear_session()
    assert graph.get_tensor_by_name("keras_learning_phase:0") is K.learning_phase()
    with pytest.raises(KeyError):
        graph.get_tensor_by_name("doubled:0")


def test_a_model_is_run_by_the_names_of_its_tensors() -> None:
    inputs = Input((2,), name="inp")
    model = Model(inputs, Dense(1, name="out", weights=[np.ones((2, 1)), np.zeros(1)])(inputs))
    run = K.get_session().run
    assert run("out/BiasAdd:0", {"inp:0": ROW}).tolist() == [[3]]
    assert run("out/kernel:0").tolist() == [[1], [1]]
    assert K.get_session().graph.get_tensor_by_name(model.output.name) is model.output


def test_structures_of_tensors_give_structures_of_arrays() -> None:
    x = K.placeholder((None, 2))
    y = x * 2
    found = K.get_session().run({"a": y, "b": [y, (x, K.constant(1.0))], "c": Pair(x, y)}, {x: ROW})
    assert found["a"].tolist() == found["b"][0].tolist() == found["c"].b.tolist() == [[2, 4]]
    assert isinstance(found["b"][1], tuple) and found["b"][1][1] == 1 and isinstance(found["c"], Pair)
    ordered = K.get_session().run(OrderedDict([("z", x), ("a", y)]), {x: ROW})
    assert isinstance(ordered, OrderedDict) and list(ordered) == ["z", "a"]
    assert K.get_session().run([], {}) == []


def test_a_variable_is_read_by_value_and_fed_for_one_run() -> None:
    v = K.variable([1.0, 2.0])
    run = K.get_session().run
    assert run(v.value() + 0.0).tolist() == [1, 2]
    assert run(v * 2, {v: [3.0, 4.0]}).tolist() == [6, 8] and K.get_value(v).tolist() == [1, 2]


# Updates ---------------------------------------------------------------------------------------------------------
def test_an_update_is_computed_with_and_takes_effect() -> None:
    v = K.variable([1.0, 2.0])
    run = K.get_session().run
    grown = K.update_add(v, v)
    assert (K.int_shape(grown), K.dtype(grown)) == ((2,), "float32")
    assert grown.name and grown.get_shape().as_list() == [2]
    for use, made, left in ((lambda: run(grown), [2, 4], [2, 4]), (lambda: run(grown + 1.0), [5, 9], [4, 8]),
                            (lambda: run(2.0 * K.sum(grown)), 48.0, [8, 16]),
                            (lambda: K.function([], [grown])([])[0], [16, 32], [16, 32]),
                            (lambda: run(K.update(v, [1.0, 1.0]).op), None, [1, 1]),
                            (lambda: run([-K.update(v, [3.0, 4.0]), v]), [[-3, -4], [1, 1]], [3, 4])):
        found = use()
        found = [a.tolist() for a in found] if isinstance(found, list) else found
        assert (found if found is None or isinstance(found, list) else found.tolist()) == made
        assert K.get_value(v).tolist() == left
    both = K.function([], [grown * 1.0], updates=[K.update(v, [7.0, 7.0])])
    assert both([])[0].tolist() == [6, 8] and K.get_value(v).tolist() == [7, 7]
    slope = K.gradients(K.sum(K.square(K.update_sub(v, 1.0) * 1.0)), [v])
    assert run(slope)[0].tolist() == [12, 12]


def test_updates_are_carried_out_with_what_stands_beside_them() -> None:
    x, count, v = K.placeholder((None, 2)), K.variable(0.0), K.variable(5.0)
    run, group = K.get_session().run, named("group")
    with named("control_dependencies")([K.update_add(count, 1.0), None]):
        kept = named("identity")(x)
        nothing = named("no_op")()
        nested = group(K.update(v, 6.0))
    assert run(kept * 2, {x: ROW}).tolist() == [[2, 4]] and K.get_value(count) == 1
    assert run([nothing, kept], {x: ROW})[0] is None and K.get_value(count) == 2
    assert run(nested) is None and (K.get_value(count), K.get_value(v)) == (3, 6)
    (slope,) = K.gradients(K.sum(K.square(kept)), [x])
    assert run(slope, {x: ROW}).tolist() == [[2, 4]]
    assert run(group(nested, [K.update(v, 9.0)])) is None and K.get_value(count) == 5
    assert run(named("no_op")()) is None
    with named("control_dependencies")([nested]):
        named("identity")(x, name="beside")
    run("beside", {x: ROW})
    assert K.get_value(count) == 6
