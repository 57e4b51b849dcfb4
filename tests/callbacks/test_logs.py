"""The dictionary of losses and metrics under both generations of names."""
from __future__ import annotations

import json
import pickle

import pytest

from gpukeras.callbacks.logs import Logs, as_logs, other_name


@pytest.mark.parametrize("old, new", [
    ("acc", "accuracy"), ("val_acc", "val_accuracy"), ("main_output_acc", "main_output_accuracy"),
    ("val_mean_squared_error", "val_mse"), ("lr", "learning_rate"),
])
def test_either_name_finds_the_value(old, new):
    for stored, asked in ((old, new), (new, old)):
        logs = Logs({stored: 0.5})
        assert logs[asked] == 0.5
        assert logs.get(asked) == 0.5
        assert asked in logs
        assert list(logs) == [stored]


def test_only_what_was_set_is_listed():
    logs = Logs(loss=1.0, acc=0.5)
    assert dict(**logs) == {"loss": 1.0, "acc": 0.5}
    assert len(logs) == 2
    assert json.loads(json.dumps(logs)) == {"loss": 1.0, "acc": 0.5}
    assert repr(logs) == "{'loss': 1.0, 'acc': 0.5}"


def test_a_metric_of_its_own_is_not_mistaken():
    logs = Logs(binary_accuracy=0.5)
    assert "acc" not in logs
    assert "accuracy" not in logs
    with pytest.raises(KeyError, match="accuracy"):
        logs["accuracy"]
    assert logs.get("accuracy", -1) == -1
    assert other_name(3) is None
    assert 3 not in logs


def test_a_value_of_none_is_no_other_name():
    assert None not in Logs(loss=1)
    assert Logs({"acc": 0}).get("accuracy", 1) == 0


def test_setdefault_joins_the_list_that_is_there():
    logs = Logs(acc=[1])
    logs.setdefault("accuracy", []).append(2)
    logs.setdefault("loss", []).append(3)
    assert logs == {"acc": [1, 2], "loss": [3]}


def test_copies_and_pickles_keep_both_names():
    logs = Logs(acc=1)
    assert logs.copy()["accuracy"] == 1
    assert pickle.loads(pickle.dumps(logs))["accuracy"] == 1
    assert as_logs(logs) is logs
    assert as_logs(None) == {}
    assert as_logs({"acc": 1})["accuracy"] == 1


def test_formats_by_either_name():
    assert "{val_accuracy:.2f}-{val_acc:.1f}".format_map(Logs(val_acc=0.5)) == "0.50-0.5"
