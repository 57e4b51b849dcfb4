"""Flat products that are made with their samples apart, against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import device
from gpukeras.compiler import debugging
from gpukeras.compiler.by_samples import ContractSamples
from gpukeras.device import tasks
from gpukeras.device.native import why_not
from gpukeras.ops.linalg import Contract, MatMul

pytestmark = pytest.mark.skipif(device.NAME != "numpy" or not tasks.ready("product"),
                                reason=f"no compiled code: {why_not()}")


def trained(samples, kind="image", channels=(5, 40, 30)):
    """The program and the results of a chain of products, with its derivatives, both ways."""
    x = K.placeholder((None, 8, 8, channels[0]) if kind == "image" else (None, 40, channels[0]))
    shape = (1, 1) if kind == "image" else ()
    weights = [K.variable(np.random.RandomState(i).normal(0, a ** -0.5, (*shape, a, b)))
               for i, (a, b) in enumerate(zip(channels, channels[1:]))]
    y = x
    for w in weights:
        y = K.tanh(K.conv2d(y, w) if kind == "image" else K.dot(y, w))
    outputs = [y, *K.gradients(K.mean(K.square(y)), [x, *weights])]
    f, feeds = K.function([x], outputs), [np.random.RandomState(3).rand(samples, *K.int_shape(x)[1:]).astype("float32")]
    with debugging():
        expected = f(feeds)
    got = f(feeds)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 1e-6)
    return f.program([a.shape for a in feeds]), got


def steps(program, kind):
    return [s for s in program.plan.as_written if isinstance(getattr(s.op, "op", s.op), kind)]


@pytest.mark.parametrize("kind", ["image", "sequence"])
@pytest.mark.parametrize("samples", [16, 20])
def test_samples_stay_apart_and_products_join_groups(kind, samples):
    program, _ = trained(samples, kind)
    products = steps(program, MatMul)
    assert len(products) == 4 and all(s.outs[0].shape[0] == samples for s in products)
    grouped = {s.op.name for s in program.plan.groups}
    assert "matmul" in grouped
    assert not steps(program, Contract) or samples * 40 < 4 * 256


def test_the_sum_over_samples_is_made_in_blocks_with_its_neighbours():
    program, _ = trained(32)
    assert not steps(program, Contract)
    assert {s.op.op.blocks for s in steps(program, ContractSamples)} == {8}
    assert "contract_samples_sample_blocks" in {s.op.name for s in program.plan.groups}


@pytest.mark.parametrize("samples", [1, 4, 37])
def test_few_samples_stay_flat_and_odd_numbers_have_one_sum(samples):
    program, _ = trained(samples)
    assert all(len(s.outs[0].shape) == (3 if samples == 37 else 2) for s in steps(program, MatMul))
    assert len(steps(program, Contract)) == 2


def test_large_weights_stay_flat():
    program, _ = trained(16, "sequence", (300, 400, 8))
    large = [s for s in steps(program, MatMul) if sorted(s.ins[1].shape) == [300, 400]]
    assert [len(s.outs[0].shape) for s in large] == [2, 2]


def test_bits_do_not_depend_on_threads(monkeypatch):
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(device.threads, "count", lambda threads=threads: threads)
        found.append(trained(32, channels=(40, 64, 64))[1])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
