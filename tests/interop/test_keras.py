"""Files written here are read by Keras 2 and 3, and theirs here: the same predictions, and training goes on the same.

The other interpreters are those of others.py; `make interop` makes them and runs these tests.
"""

from __future__ import annotations

import pytest

from tests.interop import architectures, others

NESTED = ["nested", "nested_in_sequential", "distributed_model", "siamese", "two_states"]
"""Those that Keras 3 writes and reads in its own words, but doesn't read from HDF5 files in Keras 2's."""
LIBRARIES = {("GPUKERAS_KERAS2", "there"): [*architectures.ALL, *architectures.KERAS2_ONLY],
             ("GPUKERAS_KERAS2", "here"): [*architectures.ALL, *architectures.KERAS2_ONLY],
             ("GPUKERAS_KERAS3", "there"): list(architectures.ALL),
             ("GPUKERAS_KERAS3", "here"): [*architectures.ALL, *NESTED]}


def cases(direction: str) -> list[tuple[str, str]]:
    """Library and architecture of all files that go that way."""
    return [(library, name) for (library, way), names in LIBRARIES.items() if way == direction for name in names]


UNREADABLE = [("GPUKERAS_KERAS3", "variational")]
"""Keras 3 finds the function of a Lambda in no HDF5 file that names it as Keras 2 does."""


def said(library: str, direction: str, factory: pytest.TempPathFactory) -> dict:
    """What one side says of all files of the other."""
    return others.said("exchange", library, direction, LIBRARIES[library, direction], factory)


def check(found: dict, name: str, with_metrics: bool) -> None:
    """The model of the whole file, and the one made of JSON and weights, predict the same; training goes on the same.

    What a training step returns is a loss first, then losses of outputs and metrics.
    """
    for what in ("predictions", "weights"):
        assert not isinstance(found[what], str), found[what]
        assert found[what] <= 1e-5
    steps, expected = found["steps"], found["steps_expected"]
    assert not isinstance(steps, str), steps
    if not steps or not expected:  # one of the two can't train it (see exchange.trains)
        assert name == "stateful"
        return
    assert len(steps) == len(expected) == 5
    if name in architectures.RANDOM:
        return
    assert [s[0] for s in steps] == pytest.approx([e[0] for e in expected], rel=1e-5, abs=1e-7)
    if with_metrics and name not in OTHER_METRICS:
        for step, other in zip(steps, expected):
            assert step == pytest.approx(other, rel=1e-4, abs=1e-6)


# Newer Keras divides weighted metrics by the sum of the weights. Keras 2.15 takes 'accuracy' of a loaded model for that
# of one-hot targets, whatever the loss.
OTHER_METRICS = ("embedded_lstm", "residual")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("library, name", [case for case in cases("there") if case not in UNREADABLE])
def test_what_is_written_here_is_read_there(library, name, tmp_path_factory):
    check(said(library, "there", tmp_path_factory)[name], name, library == "GPUKERAS_KERAS2")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("library, name", cases("here"))
def test_what_is_written_there_is_read_here(library, name, tmp_path_factory):
    check(said(library, "here", tmp_path_factory)[name], name, library == "GPUKERAS_KERAS2")
