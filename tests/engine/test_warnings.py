"""Warnings point at the program's own line, whichever kind of model, so that Python shows each place once."""

from __future__ import annotations

import numpy as np
import pytest

from gpukeras.layers import Dense, Input
from gpukeras.models import Model, Sequential

X, Y = np.ones((4, 3)), np.ones((4, 1))
NAN = np.full((4, 3), np.nan)


def sequential():
    return Sequential([Dense(1, input_shape=(3,))])


def functional():
    x = Input((3,))
    return Model(x, [Dense(1, name="up")(x)])


def compiled(model):
    model.compile("sgd", "mse")
    return model


def frozen(model):
    compiled(model).layers[-1].trainable = False
    return model


CASES = {
    "NaN": lambda make: compiled(make()).fit(NAN, Y, verbose=0, epochs=1),
    "nb_epoch": lambda make: compiled(make()).fit(X, Y, verbose=0, nb_epoch=1),
    "Discrepancy": lambda make: frozen(make()).train_on_batch(X, Y),
    "Discrepancy between": lambda make: frozen(make()).fit(X, Y, epochs=1, verbose=0),
    "class_weight": lambda make: compiled(make()).train_on_batch(X, Y, class_weight="auto"),
    "samples_per_epoch": lambda make: compiled(make()).fit_generator(iter([(X, Y)]), samples_per_epoch=1, verbose=0),
    "missing from loss dictionary": lambda make: make().compile("sgd", {}),
}


@pytest.mark.parametrize("make", [sequential, functional])
@pytest.mark.parametrize("said", CASES)
def test_warnings_point_at_the_program(said, make):
    with pytest.warns(UserWarning, match=said) as caught:
        try:
            CASES[said](make)
        except ValueError as error:
            assert "no loss" in str(error)
    assert [w.filename for w in caught] == [__file__]
