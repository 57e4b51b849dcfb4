"""Exported models in onnxruntime against `predict`, and what is refused."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import layers as k
from gpukeras.export import ExportError, to_onnx
from gpukeras.models import Model, Sequential
from tests.export.models import CASES
from tests.layers.test_every_layer import TABLE

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed: pip install 'gpukeras[onnx]'")
ort = pytest.importorskip("onnxruntime", reason="the package onnxruntime, which runs what was exported, is missing")


def shaken(model, seed=0):
    """The model with weights that are neither zero nor one."""
    rng = np.random.RandomState(seed)
    model.set_weights([rng.uniform(0.1, 0.9, w.shape) * rng.choice([-1, 1], w.shape) if w.ndim > 1
                       else rng.uniform(0.1, 0.9, w.shape) for w in model.get_weights()])
    return model


def outputs_of(proto, data):
    """What onnxruntime makes of the data."""
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {x.name: a for x, a in zip(session.get_inputs(), data)})


def check(model, data, tolerance=1e-4, **options):
    want = model.predict(data if len(data) > 1 else data[0])
    proto = to_onnx(model, **options)
    found = outputs_of(proto, data)
    want = want if isinstance(want, list) else [want]
    assert [x.name for x in proto.graph.input] == model.input_names
    for a, b in zip(found, want, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return proto


@pytest.mark.parametrize("make, data", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_models(make, data):
    check(shaken(make()), data())


@pytest.mark.parametrize("name, make, shape, options", TABLE, ids=[f"{n}-{r[0]}" for n, r in enumerate(TABLE)])
def test_every_layer(name, make, shape, options):
    several = isinstance(shape, list)
    inputs = [k.Input(s) for s in (shape if several else [shape])]
    layer = make()
    rng = np.random.RandomState(1)
    model = shaken(Model(inputs, layer(inputs if several else inputs[0])))
    sizes = [(3, *(5 if n is None else n for n in x.shape[1:])) for x in inputs]
    data = [(rng.randint(0, 3, s) if "Embedding" in name else rng.uniform(-1, 1, s)).astype("float32") for s in sizes]
    check(model, data)


@pytest.mark.parametrize("opset", [13, 15, 17, 18, 21])
@pytest.mark.parametrize("name", ["lambdas", "lstm_masked", "any_size", "attention"])
def test_opsets(name, opset):
    make, data = next(case[1:] for case in CASES if case[0] == name)
    proto = check(shaken(make()), data(), opset=opset)
    assert proto.opset_import[0].version == opset


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_types(dtype):
    """The file keeps the model's dtype. onnx's own evaluator knows every operator in every dtype."""
    from onnx.reference import ReferenceEvaluator

    K.set_floatx(dtype)
    try:
        x, images = k.Input((None, 3)), k.Input((6, 6, 1))
        sequence = k.LSTM(4)(k.GRU(4, return_sequences=True)(x))
        flat = k.Flatten()(k.MaxPooling2D()(k.BatchNormalization()(k.Conv2D(2, 3, padding="same")(images))))
        model = shaken(Model([x, images], k.Dense(2, activation="softmax")(k.concatenate([sequence, flat]))))
        rng = np.random.RandomState(0)
        data = [rng.uniform(-1, 1, s).astype(dtype) for s in ((2, 4, 3), (2, 6, 6, 1))]
        want = model.predict(data)
    finally:
        K.set_floatx("float32")
    proto = to_onnx(model)
    assert {t.data_type for t in proto.graph.initializer} <= {onnx.helper.np_dtype_to_tensor_dtype(np.dtype(d))
                                                              for d in (dtype, "int64", "int32")}
    (found,) = ReferenceEvaluator(proto).run(None, dict(zip(model.input_names, data)))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, want, atol={"float16": 5e-3, "float32": 1e-5, "float64": 1e-12}[dtype])


def test_batch_and_steps_stay_open():
    model = shaken(Sequential([k.LSTM(3, return_sequences=True, input_shape=(None, 2)), k.TimeDistributed(k.Dense(1))]))
    proto = to_onnx(model)
    dims = [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", f"{model.input_names[0]}_1", 2]
    for shape in ((1, 1, 2), (5, 3, 2), (2, 17, 2)):
        data = np.random.RandomState(0).normal(size=shape).astype("float32")
        np.testing.assert_allclose(outputs_of(proto, [data])[0], model.predict(data), atol=1e-5)


def test_dropout_and_what_training_needs_leave_no_trace():
    model = Sequential([k.Dense(4, input_shape=(3,)), k.Dropout(0.5), k.BatchNormalization(), k.GaussianDropout(0.1)])
    model.compile("adam", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 4)), verbose=0)
    proto = check(model, [np.ones((2, 3), "float32")])
    assert {n.op_type for n in proto.graph.node} <= {"MatMul", "Add", "Mul", "Identity"}
    assert len(proto.graph.initializer) == 4  # kernel, bias, and what normalization multiplies and adds


def test_layouts_cost_no_transposition_between_layers():
    model = Sequential([k.Conv2D(2, 3, input_shape=(9, 9, 1), use_bias=False), k.Conv2D(2, 3, use_bias=False),
                        k.MaxPooling2D()])
    kinds = [n.op_type for n in check(shaken(model), [np.ones((2, 9, 9, 1), "float32")]).graph.node]
    assert kinds == ["Transpose", "Conv", "Conv", "MaxPool", "Transpose", "Identity"]


def test_a_weight_that_is_shared_is_stored_once():
    layer, (a, b) = k.Dense(20, use_bias=False), (k.Input((30,)), k.Input((30,)))
    proto = to_onnx(Model([a, b], [layer(a), layer(b)]))
    assert [t.name for t in proto.graph.initializer] == [layer.kernel.name.partition(":")[0]]


def test_unread_outputs_of_a_recurrence_are_left_out():
    proto = to_onnx(Sequential([k.LSTM(3, input_shape=(None, 2))]))
    (scan,) = (n for n in proto.graph.node if n.op_type == "Scan")
    assert len(scan.output) == 2 and not any(n.op_type == "Concat" and n.input[0] in scan.output
                                             for n in proto.graph.node)


def test_random_numbers_in_inference():
    """A sampling layer draws in ONNX too: other numbers, the same distribution."""
    x = k.Input((3,))
    noise = k.Lambda(lambda t: t + K.random_normal(K.shape(t), 2.0, 0.5, seed=5))(x)
    dice = k.Lambda(lambda t: K.random_uniform((K.shape(t)[0], 3), 4, 5))(x)
    normal, uniform = outputs_of(to_onnx(Model(x, [noise, dice])), [np.zeros((2000, 3), "float32")])
    assert abs(normal.mean() - 2) < 0.05 and abs(normal.std() - 0.5) < 0.05
    assert uniform.min() >= 4 and uniform.max() <= 5 and abs(uniform.mean() - 4.5) < 0.05


def test_names():
    """Of inputs and outputs the model's; an output that is an input, and twins, get numbers."""
    x, y = k.Input((2,), name="left"), k.Input((2,), name="right")
    both = k.Dense(2, name="both")
    proto = to_onnx(Model([x, y], [both(x), both(y), x]))
    assert [v.name for v in proto.graph.input] == ["left", "right"]
    assert [v.name for v in proto.graph.output] == ["both", "both_1", "left_1"]
    found = outputs_of(proto, [np.ones((1, 2), "float32"), np.zeros((1, 2), "float32")])
    assert found[2].tolist() == [[1, 1]] and found[1].tolist() == [[0, 0]]


def test_an_input_that_reads_a_tensor_of_its_own():
    own = k.Input(tensor=K.variable(np.full((2, 3), 2.0)), name="own")
    x = k.Input((3,), name="x")
    proto = to_onnx(Model([x, own], k.add([x, own])))
    assert [v.name for v in proto.graph.input] == ["x"]
    assert outputs_of(proto, [np.ones((2, 3), "float32")])[0].tolist() == [[3, 3, 3]] * 2


def test_the_file(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    model = shaken(Sequential([k.Dense(2, input_shape=(3,))]))
    proto = to_onnx(model, path)
    assert onnx.load(path) == proto and os.listdir(tmp_path) == ["model.onnx"]
    assert proto.producer_name == "gpukeras"
    again = tmp_path / "again.onnx"
    model.export(again)
    assert again.read_bytes() == path.read_bytes()
    model.export(again, format="onnx", opset_version=15)
    assert onnx.load(again).opset_import[0].version == 15


def test_a_failing_export_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    model = Sequential([k.LSTM(2, stateful=True, batch_input_shape=(1, 2, 3), name="memory")])
    with pytest.raises(ExportError, match="layer 'memory' is stateful.*initial_state"):
        to_onnx(model, path)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["model.onnx"]


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"Exporting a model to ONNX needs onnx: pip install 'gpukeras\[onnx\]'"):
        to_onnx(Sequential([k.Dense(1, input_shape=(1,))]))


def test_every_op_has_a_translation_or_is_a_derivative():
    """Adding an op means saying what it is in ONNX, unless only training makes it."""
    from gpukeras.export import onnx_file  # noqa: F401 - its modules declare the translations
    from gpukeras.export.exporter import TRANSLATIONS
    from gpukeras.graph import ComposedOp, ExpandedOp, Op, ViewOp

    def subclasses(of):
        return {found for direct in of.__subclasses__() for found in (direct, *subclasses(direct))}
    missing = {op for op in subclasses(Op) if op.__module__.startswith("gpukeras.ops") and op.name != "op"
               and not issubclass(op, ComposedOp) and op not in TRANSLATIONS} - {ExpandedOp, ViewOp}
    passed = {"Identity", "Print", "After", "Assigned"}  # as StopGradient they only hand a value on
    training = {"SumLike", "PlaceSlice", "PlaceSliceBetween", "MaxPoolPick", "FoldPatches", "ScatterRows",
                "SumDistinct", "PutRows", "Cheaper", "IsZero"}
    fused = {"SoftmaxCrossentropy", "SparseSoftmaxCrossentropy"}  # the compiler alone makes them
    refused = {"CTCLoss", "CTCDecode", "HostFunction", "Suppression", "While"}
    ranks = {"Across", "AllGather", "AllReduce", "Average", "Ratio"}  # in the functions of a job of several processes
    rest = {op.__name__ for op in missing if "Gradient" not in op.__name__}
    assert rest == passed | training | fused | refused | ranks


def test_refusals(tmp_path):
    x = k.Input((3,))

    def slope(t):
        return K.gradients(K.sum(K.square(t) * K.variable(2.0)), [t])[0]
    with pytest.raises(ExportError, match="layer 'derivative': op 'sum_like' has no translation to ONNX"):
        to_onnx(Model(x, k.Lambda(slope, name="derivative")(x)))
    with pytest.raises(ExportError, match="layer 'dice': random numbers of a truncated normal"):
        to_onnx(Model(x, k.Lambda(lambda t: t + K.truncated_normal((3,)), name="dice")(x)))
    model = Model(x, k.Dense(1)(x))
    with pytest.raises(ValueError, match=r"opset must be a number from 13 to \d+.*got 9"):
        to_onnx(model, opset=9)
    with pytest.raises(ExportError, match="has no graph yet"):
        to_onnx(Sequential([k.Dense(1)]))
    with pytest.raises(TypeError, match="takes a Model or a Sequential, got Dense"):
        to_onnx(k.Dense(1))
    with pytest.raises(ValueError, match="format.*'onnx'.*got 'tf_saved_model'"):
        model.export(tmp_path / "model", format="tf_saved_model")
    with pytest.raises(ValueError, match=r"end in '\.onnx'.*got '.*model'"):
        model.export(tmp_path / "model")
