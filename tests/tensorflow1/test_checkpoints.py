"""`tf.train.Saver`, and the lists of variables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.tensorflow1.names import named

Saver, latest = named("train.Saver"), named("train.latest_checkpoint")
X = np.ones((4, 3))


@pytest.fixture(autouse=True)
def new_names() -> None:
    K.clear_session()


def test_the_variables_of_the_graph_are_listed() -> None:
    v = K.variable(1.0, name="v")
    model = Sequential([Dense(2, input_shape=(3,), name="out")])
    model.compile("sgd", "mse")
    model.fit(X, np.ones((4, 2)), verbose=0, epochs=1)
    names = [w.name for w in named("global_variables")()]
    assert names[:3] == ["v:0", "out/kernel:0", "out/bias:0"] and all("SGD" in name for name in names[3:])
    assert [w.name for w in named("trainable_variables")()][0] == v.name
    keys = named("GraphKeys")
    assert named("get_collection")(keys.TRAINABLE_VARIABLES, scope="out") == model.weights
    assert named("get_collection")(keys.UPDATE_OPS) == []
    K.clear_session()
    assert named("global_variables")() == []


def test_a_model_is_restored_with_its_optimizer(tmp_path: Path) -> None:
    model = Sequential([Dense(2, input_shape=(3,))])
    model.compile("adam", "mse")
    model.fit(X, np.ones((4, 2)), verbose=0, epochs=1)
    session, saver = K.get_session(), Saver()
    path = saver.save(session, str(tmp_path / "model.ckpt"))
    kept = model.get_weights()
    model.fit(X, np.ones((4, 2)), verbose=0, epochs=3)
    assert K.get_value(model.optimizer.iterations) == 4
    saver.restore(session, path)
    for restored, before in zip(model.get_weights(), kept):
        np.testing.assert_array_equal(restored, before)
    assert K.get_value(model.optimizer.iterations) == 1


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    v, step = K.variable([1.0, 2.0], name="v"), K.variable(7, dtype="int64", name="step")
    session, saver = K.get_session(), Saver([v, step], max_to_keep=2)
    assert latest(str(tmp_path)) is None and named("train.get_checkpoint_state")(str(tmp_path)) is None
    for number in (0, 1, step):
        K.set_value(v, np.full(2, K.get_value(number) if K.is_tensor(number) else number))
        saver.save(session, str(tmp_path / "m"), global_step=number)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint", "m-1.data-00000-of-00001", "m-1.index", "m-7.data-00000-of-00001", "m-7.index"]
    state = named("train.get_checkpoint_state")(str(tmp_path))
    assert latest(str(tmp_path)) == state.model_checkpoint_path == str(tmp_path / "m-7")
    assert state.all_model_checkpoint_paths == saver.last_checkpoints == [str(tmp_path / "m-1"), str(tmp_path / "m-7")]
    saver.restore(session, str(tmp_path / "m-1"))
    assert K.get_value(v).tolist() == [1, 1] and K.get_value(step) == 7


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    v, other = K.variable([1.0, 2.0], name="v"), K.variable(3.0, name="other")
    session, path = K.get_session(), str(tmp_path / "m")
    Saver({"a": v, "b": other}).save(session, path)
    K.set_value(other, 5.0)
    Saver({"b": other}).restore(session, path)
    assert K.get_value(other) == 3
    K.set_value(other, 5.0)
    for wrong, words in (({"b": other, "a": other}, r"shape \(\) has shape \[2\]"),
                         ({"b": other, "c": v}, "'c' of shape .* is not there")):
        with pytest.raises(ValueError, match=words):
            Saver(wrong).restore(session, path)
    data = tmp_path / "m.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:4])
    with pytest.raises(ValueError, match="end too soon"):
        Saver({"b": other}).restore(session, path)
    (tmp_path / "m.index").write_bytes(b"\x00\x01")
    with pytest.raises(ValueError, match="not written by this library"):
        Saver({"b": other}).restore(session, path)
    assert K.get_value(other) == 5
    with pytest.raises(ValueError, match="not a valid checkpoint"):
        Saver().restore(session, str(tmp_path / "none"))
    with pytest.raises(ValueError, match="no variables"):
        Saver([]).save(session, path)


def test_a_variable_is_assigned_what_has_no_value_yet_by_an_update() -> None:
    v, x = K.variable(1.0), K.placeholder(())
    for make, expected in ((v.assign, 3.0), (v.assign_add, 6.0), (v.assign_sub, 3.0)):
        change = make(x)
        assert K.get_session().run(change, {x: 3.0}) == expected == K.get_value(v)
    v.assign(K.constant(9.0))
    assert K.get_value(v) == 9
