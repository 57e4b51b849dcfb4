"""Learning rate schedules and AdamW: the numbers are those of Keras 2.15."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras import optimizers
from gpukeras.callbacks import LearningRateScheduler, ReduceLROnPlateau
from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop, schedules

STEPS = (0, 1, 3, 4, 7, 9, 10, 11, 17, 25, 50)
FROM_HALF = {"initial_learning_rate": 0.5, "decay_steps": 10}
WAVES = {"initial_learning_rate": 0.5, "first_decay_steps": 8, "m_mul": 0.7}
RATES = [
    ("ExponentialDecay", {**FROM_HALF, "decay_rate": 0.6},
     [0.5, 0.4751001, 0.4289586, 0.4075966, 0.3496841, 0.3157229, 0.3, 0.2850601, 0.2098105, 0.1394274, 0.03888]),
    ("ExponentialDecay", {**FROM_HALF, "decay_rate": 0.6, "staircase": True},
     [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.18, 0.03888]),
    ("InverseTimeDecay", {**FROM_HALF, "decay_rate": 0.6},
     [0.5, 0.4716981, 0.4237288, 0.4032258, 0.3521127, 0.3246753, 0.3125, 0.3012048, 0.2475248, 0.2, 0.125]),
    ("InverseTimeDecay", {**FROM_HALF, "decay_rate": 0.6, "staircase": True},
     [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.3125, 0.3125, 0.3125, 0.2272727, 0.125]),
    ("PiecewiseConstantDecay", {"boundaries": [3, 7, 20], "values": [0.4, 0.3, 0.2, 0.1]},
     [0.4, 0.4, 0.4, 0.3, 0.3, 0.2, 0.2, 0.2, 0.2, 0.1, 0.1]),
    ("PolynomialDecay", {**FROM_HALF, "end_learning_rate": 0.1, "power": 2.0},
     [0.5, 0.424, 0.296, 0.244, 0.136, 0.104, 0.1, 0.1, 0.1, 0.1, 0.1]),
    ("PolynomialDecay", {**FROM_HALF, "end_learning_rate": 0.1, "power": 0.5, "cycle": True},
     [0.5, 0.4794733, 0.434664, 0.4098387, 0.319089, 0.2264911, 0.1, 0.3683282, 0.2549193, 0.2632993, 0.1]),
    ("CosineDecay", {**FROM_HALF, "alpha": 0.1},
     [0.5, 0.4889877, 0.4072517, 0.3445288, 0.1427483, 0.0610123, 0.05, 0.05, 0.05, 0.05, 0.05]),
    ("CosineDecay", {**FROM_HALF, "initial_learning_rate": 0.1, "alpha": 0.1, "warmup_target": 0.5, "warmup_steps": 8},
     [0.1, 0.15, 0.25, 0.3, 0.45, 0.4889877, 0.4570288, 0.4072517, 0.0610123, 0.05, 0.05]),
    ("CosineDecayRestarts", {**WAVES, "alpha": 0.1},
     [0.5, 0.4828729, 0.3611038, 0.275, 0.0671271, 0.3619737, 0.353011, 0.3384565, 0.1767733, 0.2699691, 0.0685805]),
    ("CosineDecayRestarts", {**WAVES, "t_mul": 1.0},
     [0.5, 0.4809699, 0.3456708, 0.25, 0.0190301, 0.3366789, 0.2987437, 0.2419696, 0.2356752, 0.1649727, 0.0502098]),
    ("CosineDecayRestarts", {**WAVES, "first_decay_steps": 5, "t_mul": 1.5, "m_mul": 1.0},
     [0.5, 0.4522542, 0.1727457, 0.0477457, 0.4172826, 0.2238679, 0.125, 0.0477457, 0.3272542, 0.4932612, 0.3490199]),
]
IDS = [f"{row[0]}-{i}" for i, row in enumerate(RATES)]


def make(name, config):
    return getattr(schedules, name)(**config)


@pytest.mark.parametrize("name, config, expected", RATES, ids=IDS)
def test_rates(name, config, expected):
    schedule = make(name, config)
    np.testing.assert_allclose(schedule(np.array(STEPS)), expected, rtol=3e-5, atol=1e-6)
    assert float(schedule(3)) == pytest.approx(expected[2], rel=3e-5) and np.shape(schedule(3)) == ()
    as_tensor = schedule(K.variable(4, dtype="int64"))
    assert K.is_tensor(as_tensor) and float(K.eval(as_tensor)) == pytest.approx(expected[3], rel=3e-5)


@pytest.mark.parametrize("name, config, expected", RATES, ids=IDS)
def test_config(name, config, expected):
    stored = json.loads(json.dumps(schedules.serialize(make(name, config))))
    assert stored["class_name"] == name and stored["config"].items() >= config.items()
    again = schedules.deserialize({**stored, "module": "keras.optimizers.schedules", "registered_name": None})
    assert type(again) is getattr(schedules, name) and again.get_config() == stored["config"]


EVERY = [o for o in optimizers._CLASSES.values() if o is not AdamW] + [AdamW]


def weights():
    return [K.variable([[0.5, -1.0]], name="kernel"), K.variable([0.25], name="bias")]


def train(optimizer, params=None, steps=5):
    params = params or weights()
    loss = K.sum(K.square(K.square(params[0] - 1))) + K.sum(K.square(params[1] + 2))
    f = K.function([], [], optimizer.get_updates(loss, params))
    program = f.program([])
    for _ in range(steps):
        f([])
    assert f.program([]) is program
    return K.batch_get_value(params)


@pytest.mark.parametrize("cls", EVERY, ids=lambda c: c.__name__)
@pytest.mark.parametrize("keyword", ["lr", "learning_rate"])
def test_every_optimizer_follows_a_schedule(cls, keyword):
    """As if the rate were set by hand before each step; the first step has number 0."""
    schedule = schedules.PiecewiseConstantDecay([0, 2], [0.1, 0.03, 0.2])
    optimizer = cls(**{keyword: schedule})
    got = train(optimizer)
    by_hand, params = cls(**{keyword: 0.5}), weights()
    loss = K.sum(K.square(K.square(params[0] - 1))) + K.sum(K.square(params[1] + 2))
    f = K.function([], [], by_hand.get_updates(loss, params))
    for rate in (0.1, 0.03, 0.03, 0.2, 0.2):
        by_hand.lr = rate
        f([])
    for a, b in zip(got, K.batch_get_value(params)):
        np.testing.assert_allclose(a, b, rtol=2e-6)
    assert float(K.get_value(optimizer.lr)) == float(K.get_value(optimizer.learning_rate)) == np.float32(0.2)
    counts = [w for w in optimizer.weights if w is optimizer.iterations]
    assert len(counts) == 1 and int(K.get_value(counts[0])) == 5  # saved, or a resumed training would start anew


def test_numbers_of_keras():
    decay = schedules.ExponentialDecay
    close = np.testing.assert_allclose
    cases = [
        (SGD(decay(0.01, 2, 0.5), momentum=0.9), [0.54248583, 0.89627087], -0.13661852),
        (RMSprop(schedules.InverseTimeDecay(0.1, 1, 0.5)), [0.84409201, -0.42602313], -0.40183708),
        (AdamW(0.1, weight_decay=0.5), [0.78533995, -0.34104365], -0.25634584),
        (AdamW(decay(0.1, 2, 0.5), weight_decay=0.5), [0.68488634, -0.60519588], -0.04915962),
    ]
    spared = AdamW(0.1, weight_decay=0.5, clipvalue=0.3, amsgrad=True)
    spared.exclude_from_weight_decay(var_names=["bias"])
    cases.append((spared, [0.80602902, -0.32134938], -0.2499927))
    for optimizer, kernel, bias in cases:
        for got, expected in zip(train(optimizer), (kernel, [bias])):
            close(np.ravel(got), expected, rtol=2e-5, atol=5e-6)  # float32 has five digits of Adam's 1 - 0.999


def test_adamw_spares_variables():
    params = weights()
    optimizer = AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay([params[1]])
    got, plain = train(optimizer, params), train(Adam(0.1, epsilon=1e-7))
    np.testing.assert_allclose(got[1], plain[1], rtol=1e-6)
    assert abs(got[0] - plain[0]).max() > 0.01
    with pytest.raises(ValueError, match="before the training function"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_adamw_config():
    optimizer = AdamW(lr=0.25, weight_decay=0.01, amsgrad=True, clipnorm=1.0)
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))
    assert type(again) is AdamW and again.get_config() == optimizer.get_config()
    assert again.weight_decay == 0.01 and again.amsgrad and again.clipnorm == 1.0
    assert type(optimizers.get("adamw")) is type(optimizers.get("AdamW")) is AdamW
    assert AdamW().get_config().items() >= {"weight_decay": 0.004, "epsilon": 1e-7}.items()


@pytest.mark.parametrize("cls", EVERY, ids=lambda c: c.__name__)
def test_config_of_an_optimizer_with_a_schedule(cls):
    optimizer = cls(lr=schedules.CosineDecay(0.1, 5))
    stored = json.loads(json.dumps(optimizers.serialize(optimizer)))
    assert stored["config"]["lr"]["class_name"] == "CosineDecay"
    again = optimizers.deserialize(stored)
    assert type(again) is cls and again.get_config() == optimizer.get_config()
    for a, b in zip(train(again), train(optimizer)):
        np.testing.assert_array_equal(a, b)


class Warmup(schedules.LearningRateSchedule):
    """A user's own."""

    def __init__(self, top):
        self.top = top

    def __call__(self, step):
        step = K.cast(step, "float32")
        return self.top * K.minimum((step + 1) ** -0.5, (step + 1) * 3**-1.5)

    def get_config(self):
        return {"top": self.top}


def test_a_schedule_of_the_users_own():
    optimizer = SGD(Warmup(0.01))
    params = [K.variable([1.0])]
    f = K.function([], [], optimizer.get_updates(K.sum(params[0]), params))
    seen = [K.get_value(params[0])[0]]
    for _ in range(4):
        f([])
        seen.append(K.get_value(params[0])[0])
    np.testing.assert_allclose(-np.diff(seen), [0.01 * min(t**-0.5, t * 3**-1.5) for t in (1, 2, 3, 4)], rtol=1e-4)
    stored = optimizers.serialize(optimizer)
    with pytest.raises(ValueError, match="Unknown learning rate schedule: 'Warmup'"):
        optimizers.deserialize(stored)
    again = optimizers.deserialize(stored, custom_objects={"Warmup": Warmup})
    assert again.get_config() == optimizer.get_config() and again.get_config()["lr"]["config"] == {"top": 0.01}
    with pytest.raises(NotImplementedError, match="must define __call__"):
        schedules.LearningRateSchedule()(1)


def test_fit_with_a_schedule():
    np.random.seed(0)
    x = np.random.rand(40, 3)
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(Adam(schedules.PolynomialDecay(0.1, 8, 0.0)), "mse")
    model.fit(x, x.sum(1), batch_size=10, epochs=2, verbose=0)
    after = model.get_weights()
    model.fit(x, x.sum(1), batch_size=10, epochs=1, verbose=0)  # the rate has come to 0
    for a, b in zip(after, model.get_weights()):
        np.testing.assert_array_equal(a, b)
    logs = model.fit(x, x.sum(1), epochs=1, verbose=0, validation_data=(x, x.sum(1)),
                     callbacks=[ReduceLROnPlateau(patience=5)]).history
    assert logs["lr"] == [0.0]
    with pytest.raises(TypeError, match="learning rate of Adam follows a schedule of its own"):
        model.fit(x, x.sum(1), verbose=0, callbacks=[LearningRateScheduler(lambda epoch: 0.1)])


def test_what_can_not_be():
    schedule = schedules.CosineDecay(0.1, 5)
    scheduled, plain = SGD(schedule), SGD(0.1)
    for name in ("lr", "learning_rate"):
        with pytest.raises(TypeError, match="was made with the learning rate schedule CosineDecay"):
            setattr(scheduled, name, 0.1)
        with pytest.raises(TypeError, match=r"give the schedule to a new optimizer, SGD\(lr=schedule\)"):
            setattr(plain, name, schedule)

    class Uncounted(Optimizer):
        def __init__(self, lr):
            super().__init__()
            self.lr = lr

    with pytest.raises(TypeError, match="Uncounted does not count its updates"):
        Uncounted(schedule).lr  # noqa: B018
    for make_wrong in (lambda: schedules.ExponentialDecay(0.1, 0, 0.5), lambda: schedules.CosineDecay(0.1, -1),
                       lambda: schedules.CosineDecayRestarts(0.1, 5, t_mul=0.5),
                       lambda: schedules.PiecewiseConstantDecay([1], [0.1]),
                       lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3])):
        with pytest.raises(ValueError):
            make_wrong()


@pytest.mark.parametrize("limit, norm, expected", [(1.0, 5.0, [0.6, 0.8]), (5.0, 5.0, [3, 4]), (6.0, 5.0, [3, 4]),
                                                   (0.0, 5.0, [3, 4]), (2.0, 0.0, [3, 4])])
def test_clip_norm(limit, norm, expected):
    clipped = optimizers.clip_norm(K.constant([3.0, 4.0]), limit, K.constant(norm))
    np.testing.assert_allclose(K.eval(clipped), expected, rtol=1e-6)
