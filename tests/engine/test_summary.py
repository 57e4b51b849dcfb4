"""The summary, to the character: users compare it with what books print."""

from __future__ import annotations

import pytest

from gpukeras import backend as K
from gpukeras.layers import Dense, Dropout, Input, Lambda
from gpukeras.models import Model, Sequential

CHAIN = """\
_________________________________________________________________
Layer (type)                 Output Shape              Param #   
=================================================================
dense_1 (Dense)              (None, 512)               401920    
_________________________________________________________________
dropout_1 (Dropout)          (None, 512)               0         
_________________________________________________________________
dense_2 (Dense)              (None, 10)                5130      
=================================================================
Total params: 407,050
Trainable params: 5,130
Non-trainable params: 401,920
_________________________________________________________________
"""  # noqa: W291

GRAPH = """\
__________________________________________________________________________________________________
Layer (type)                    Output Shape         Param #     Connected to                     
==================================================================================================
a (InputLayer)                  (None, 3)            0                                            
__________________________________________________________________________________________________
shared (Dense)                  (None, 3)            12          a[0][0]                          
                                                                 shared[0][0]                     
__________________________________________________________________________________________________
b (InputLayer)                  (None, 4)            0                                            
__________________________________________________________________________________________________
a_very_long_name_of_a_layer (De (None, 3)            15          b[0][0]                          
__________________________________________________________________________________________________
sum (Lambda)                    (None, 3)            0           shared[1][0]                     
                                                                 a_very_long_name_of_a_layer[0][0]
==================================================================================================
Total params: 27
Trainable params: 27
Non-trainable params: 0
__________________________________________________________________________________________________
"""  # noqa: W291


def printed(model, **options):
    lines: list[str] = []
    model.summary(print_fn=lines.append, **options)
    return "\n".join(lines) + "\n"


def test_chain():
    K.reset_uids()
    model = Sequential([Dense(512, input_shape=(784,)), Dropout(0.2), Dense(10)])
    model.layers[0].trainable = False
    assert printed(model) == CHAIN


def test_graph():
    a, b = Input(shape=(3,), name="a"), Input(shape=(4,), name="b")
    shared = Dense(3, name="shared")
    long = Dense(3, name="a_very_long_name_of_a_layer")(b)
    model = Model([a, b], Lambda(lambda t: t[0] + t[1], name="sum")([shared(shared(a)), long]))
    assert printed(model) == GRAPH


def test_widths_and_calls_on_different_shapes(capsys):
    x = Input(shape=(3,), name="x")
    model = Model(x, Dense(2, name="d")(x))
    wide = printed(model, line_length=40, positions=[20, 32, 40]).splitlines()
    assert wide[0] == "_" * 40 and wide[1] == "Layer (type)        Output Shap Param # "
    same = Dropout(0.5, name="same")
    same(Input(shape=(2, 2)))
    assert "multiple" in printed(Model(x, same(x)))
    model.summary()
    assert "Total params: 8" in capsys.readouterr().out


def test_a_model_frozen_after_compile_is_counted_as_it_is():
    """A Sequential, that is; another model counts its weights twice, and says so: as in Keras 2.0.9. Programs with two
    networks that learn from each other print the summary of the one that is frozen in the other."""
    model = Sequential([Dense(3, input_dim=4), Dense(2)])
    model.compile("sgd", "mse")
    model.trainable = False
    assert printed(model).splitlines()[-4:-1] == ["Total params: 23", "Trainable params: 0", "Non-trainable params: 23"]
    x = Input((4,))
    model = Model(x, Dense(3)(x))
    model.compile("sgd", "mse")
    model.trainable = False
    with pytest.warns(UserWarning, match="Discrepancy"):
        lines = printed(model).splitlines()
    assert lines[-4:-1] == ["Total params: 30", "Trainable params: 15", "Non-trainable params: 15"]
