"""Windows of time series; the expected batches are what Keras 2.15 returned."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gpukeras.layers import Dense
from gpukeras.models import Sequential
from gpukeras.preprocessing.sequence import TimeseriesGenerator, timeseries_generator_from_json

SERIES = np.arange(20)
BATCHES = [
    ({"length": 3, "batch_size": 4},
     [[[[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]], [30, 40, 50, 60]],
      [[[4, 5, 6], [5, 6, 7], [6, 7, 8], [7, 8, 9]], [70, 80, 90, 100]],
      [[[8, 9, 10], [9, 10, 11], [10, 11, 12], [11, 12, 13]], [110, 120, 130, 140]],
      [[[12, 13, 14], [13, 14, 15], [14, 15, 16], [15, 16, 17]], [150, 160, 170, 180]],
      [[[16, 17, 18]], [190]]]),
    ({"length": 4, "sampling_rate": 2, "stride": 3, "batch_size": 2},
     [[[[0, 2], [3, 5]], [40, 70]], [[[6, 8], [9, 11]], [100, 130]], [[[12, 14], [15, 17]], [160, 190]]]),
    ({"length": 2, "start_index": 5, "end_index": 9, "reverse": True, "batch_size": 3},
     [[[[6, 5], [7, 6], [8, 7]], [70, 80, 90]]]),
    ({"length": 3, "stride": 5, "batch_size": 2, "sampling_rate": 2},
     [[[[0, 2], [5, 7]], [30, 80]], [[[10, 12], [15, 17]], [130, 180]]]),
]


@pytest.mark.parametrize("options, batches", BATCHES)
def test_batches(options, batches):
    generator = TimeseriesGenerator(SERIES, SERIES * 10, **options)
    assert [[part.tolist() for part in batch] for batch in generator] == batches and len(generator) == len(batches)
    again = timeseries_generator_from_json(generator.to_json())
    assert [[part.tolist() for part in batch] for batch in again] == batches
    with pytest.raises(IndexError, match="there is no number"):
        generator[len(generator)]


def test_shuffled():
    np.random.seed(0)
    x, y = TimeseriesGenerator(SERIES, SERIES, length=2, shuffle=True, batch_size=4)[0]
    assert x.tolist() == [[12, 13], [15, 16], [0, 1], [3, 4]] and y.tolist() == [14, 17, 2, 5]


def test_several_features_and_lists():
    features = np.arange(12.0).reshape(6, 2)
    x, y = TimeseriesGenerator(features, features, length=2, reverse=True)[0]
    assert x.shape == (4, 2, 2) and y.shape == (4, 2)
    assert x[0].tolist() == [[2, 3], [0, 1]] and y[0].tolist() == [4, 5]
    assert TimeseriesGenerator([1, 2, 3], list("abc"), length=2)[0][1].tolist() == ["c"]


@pytest.mark.parametrize("options, complaint", [
    ({"targets": SERIES[1:]}, "data has 20 steps and targets 19"),
    ({"length": 20}, "start_index [+] length is 20"),
    ({"start_index": 5, "end_index": 7}, "ends before step 7"),
    ({"length": 0}, "length must be at least 1"),
    ({"stride": 0}, "stride must be at least 1"),
    ({"sampling_rate": -1}, "sampling_rate must be at least 1"),
    ({"batch_size": 0}, "batch_size must be at least 1"),
])
def test_what_can_not_be(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        TimeseriesGenerator(**{"data": SERIES, "targets": SERIES, "length": 3, **options})


def test_json():
    with pytest.raises(TypeError):
        TimeseriesGenerator([{1}, {2}], [1, 2], 1).to_json()
    generator = TimeseriesGenerator(SERIES, SERIES, length=3, start_index=2)
    stored = json.loads(generator.to_json(sort_keys=True))
    assert stored["class_name"] == "TimeseriesGenerator" and stored["config"]["start_index"] == 2
    for text in ("{}", '{"config": 1}', '{"config": {"data": "[]", "targets": "[]"}}', "?"):
        with pytest.raises(ValueError):
            timeseries_generator_from_json(text)


def test_training_from_it():
    series = np.sin(np.arange(60) / 5)
    model = Sequential([Dense(1, input_shape=(8,))])
    model.compile("adam", "mse")
    history = model.fit_generator(TimeseriesGenerator(series, series, length=8, batch_size=13), epochs=2, verbose=0)
    assert history.history["loss"][1] < history.history["loss"][0]
