"""The CSV file of a training."""
from __future__ import annotations

import csv

import numpy as np

from gpukeras.callbacks import CSVLogger


def write(logger, *epochs):
    logger.on_train_begin()
    for epoch, logs in enumerate(epochs):
        logger.on_epoch_end(epoch, logs)
    logger.on_train_end()


def read(path, separator=","):
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_a_line_an_epoch_sorted_by_name(tmp_path):
    path = tmp_path / "log.csv"
    write(CSVLogger(path), {"loss": 0.5, "acc": 0.25}, {"loss": 0.25, "acc": float("nan")})
    assert read(path) == [["epoch", "acc", "loss"], ["0", "0.25", "0.5"], ["1", "nan", "0.25"]]


def test_append_writes_no_second_header(tmp_path):
    path = tmp_path / "log.tsv"
    write(CSVLogger(str(path), separator="\t"), {"loss": 1})
    again = CSVLogger(str(path), separator="\t", append=True)
    write(again, {"loss": 2})
    write(again, {"loss": 3})
    assert read(path, "\t") == [["epoch", "loss"], ["0", "1"], ["0", "2"], ["0", "3"]]
    write(CSVLogger(str(path)), {"loss": 4})
    assert read(path) == [["epoch", "loss"], ["0", "4"]]


def test_append_to_nothing_writes_a_header(tmp_path):
    write(CSVLogger(tmp_path / "new.csv", append=True), {"loss": 1})
    assert read(tmp_path / "new.csv")[0] == ["epoch", "loss"]


def test_missing_values_arrays_and_strings(tmp_path):
    path = tmp_path / "log.csv"
    write(CSVLogger(path), {"a": np.array([1, 2]), "b": np.array(3.5), "c": "text"}, {"a": [1], "c": "x"})
    assert read(path)[1:] == [["0", '"[1, 2]"', "3.5", "text"], ["1", '"[1]"', "NA", "x"]]


def test_each_line_is_on_disk_at_once(tmp_path):
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1})
    assert len(read(path)) == 2


def test_a_change_of_folder_does_not_move_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logger = CSVLogger("log.csv")
    logger.on_train_begin()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    logger.on_epoch_end(0, {"loss": 1})
    assert len(read(tmp_path / "log.csv")) == 2


def test_a_resumed_training_keeps_the_lines_of_its_epochs(tmp_path):
    log = CSVLogger(tmp_path / "log.csv")
    log.on_train_begin()
    for epoch in range(2):
        log.on_epoch_end(epoch, {"loss": 1.0})
    state = log.get_state()
    log.on_epoch_end(2, {"loss": 9.0})
    again = CSVLogger(tmp_path / "log.csv")
    again.set_params({"resumed": True})
    again.on_train_begin()
    again.set_state(state)
    again.on_epoch_end(2, {"loss": 2.0, "new": 1.0})
    assert (tmp_path / "log.csv").read_text().split() == ["epoch,loss", "0,1.0", "1,1.0", "2,2.0"]


def test_a_resumed_training_whose_log_is_gone_begins_a_new_one(tmp_path):
    log = CSVLogger(tmp_path / "log.csv")
    log.on_train_begin()
    log.on_epoch_end(0, {"loss": 1.0})
    state = log.get_state()
    (tmp_path / "log.csv").unlink()
    log.set_params({"resumed": True})
    log.on_train_begin()
    log.set_state(state)
    log.on_epoch_end(1, {"loss": 2.0})
    assert (tmp_path / "log.csv").read_text().split() == ["epoch,loss", "1,2.0"]
