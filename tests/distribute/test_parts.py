"""What ranks decide without asking each other: their place, their part of a batch, which losses can be put together."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from gpukeras import backend as K
from gpukeras.backend import ranks
from gpukeras.device import job, select, threads
from gpukeras.engine.kinds import MEAN, OTHER, ROWS, SAME, SUM, Kinds, NotDealt
from gpukeras.layers import LSTM, BatchNormalization, Dense, Embedding, Input, Lambda
from gpukeras.models import Model
from gpukeras.utils import multi_gpu_model, training_utils

MPICH = {"PMI_SIZE": "4", "PMI_RANK": "3", "MPI_LOCALNRANKS": "2", "MPI_LOCALRANKID": "1"}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
            "OMPI_COMM_WORLD_LOCAL_RANK": "1"}


@pytest.fixture
def launched(monkeypatch):
    """Sets a launcher's variables."""
    for name in (*MPICH, *OPEN_MPI, job.MEMBER):
        monkeypatch.delenv(name, raising=False)

    def launch(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
    return launch


@pytest.mark.parametrize("variables", [MPICH, OPEN_MPI], ids=["MPICH", "Open MPI"])
def test_a_process_knows_its_place(launched, variables, monkeypatch):
    assert job.seat() == (0, 1, 0, 1)
    launched(variables)
    assert job.seat() == (3, 4, 1, 2)
    monkeypatch.setenv(job.MEMBER, str(os.getpid()))
    assert job.seat() == (3, 4, 1, 2)
    monkeypatch.setenv(job.MEMBER, str(os.getpid() + 1))  # a process that a rank has started
    assert job.seat() == (0, 1, 0, 1)


def test_a_job_of_one_is_none(launched):
    launched({"PMI_SIZE": "1", "PMI_RANK": "0", "MPI_LOCALNRANKS": "1", "MPI_LOCALRANKID": "0"})
    assert job.job() is None


def test_parts_are_all_rows_once():
    for whole in range(12):
        for size in range(1, 6):
            parts = [job.part_of(whole, rank, size) for rank in range(size)]
            assert [p.start for p in parts] == np.cumsum([0, *(p.length for p in parts[:-1])]).tolist()
            assert sum(p.length for p in parts) == whole
            assert max(p.length for p in parts) - min(p.length for p in parts) <= 1


def test_ranks_share_the_cores(launched, monkeypatch):
    monkeypatch.delenv("GPUKERAS_THREADS", raising=False)
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("no such thing here")
    cores = {os.getppid(): {0, 1, 2, 3}, 0: {0, 1, 2, 3}}
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: cores[process])
    assert threads.count.__wrapped__() == 4
    launched(MPICH)
    assert threads.count.__wrapped__() == 2
    cores[0] = {2, 3}  # bound by the launcher
    assert threads.count.__wrapped__() == 2


def test_each_rank_takes_a_gpu(launched):
    assert select.own_gpu({}, 8) is None
    launched(MPICH)
    assert select.own_gpu({}, 8) == "1"
    assert select.own_gpu({"CUDA_VISIBLE_DEVICES": "5,7"}, 8) == "7"
    assert select.own_gpu({"CUDA_VISIBLE_DEVICES": "5"}, 8) is None  # the launcher has dealt them out
    assert select.own_gpu({}, 0) is None
    launched({"MPI_LOCALNRANKS": "3"})
    with pytest.raises(select.BackendUnavailable, match="3 ranks on this machine, which has 2 GPUs"):
        select.own_gpu({}, 2)


def test_a_wrong_mpi_is_named(launched):
    launched(MPICH)
    if "mpi4py" in sys.modules or training_utils.find_spec("mpi4py"):
        pytest.skip("mpi4py is here, and is not to be started in the tests' own process")
    with pytest.raises(ImportError, match=r"process 3 of 4 .* pip install 'gpukeras\[distributed\]'"):
        job.job()


x = K.placeholder((None, 4))
y = K.placeholder((None, 4))
w = K.variable(np.ones(4))
DEPENDS = {
    "weights": (lambda: K.sum(w), SAME),
    "a row each": (lambda: K.sum(x * w, axis=-1), ROWS),
    "mean": (lambda: K.mean(K.square(x - y)), MEAN),
    "mean of means": (lambda: K.mean(K.mean(x * y, axis=1)) * 2 + K.sum(w), MEAN),
    "sum": (lambda: 3 * K.sum(K.abs(x)), SUM),
    "sum divided by the batch": (lambda: K.sum(x) / K.cast(K.shape(x)[0], "float32"), MEAN),
    "ratio of sums": (lambda: K.sum(x * y) / K.sum(y), OTHER),
    "root": (lambda: K.sqrt(K.mean(x)), OTHER),
    "largest": (lambda: K.max(x), OTHER),
    "product of the batch with itself": (lambda: K.sum(K.dot(K.transpose(x), y)), OTHER),
}


@pytest.mark.parametrize("name", list(DEPENDS))
def test_how_a_value_depends_on_samples(name):
    make, kind = DEPENDS[name]
    value = make()
    assert Kinds([value], [x, y]).of(value) == kind


def test_a_sum_and_a_mean_are_dealt_each_in_its_way():
    mixed = K.mean(x) + 2 * K.sum(y) - K.sum(w)
    kinds = Kinds([mixed], [x, y])
    assert kinds.of(mixed) == OTHER
    a, b = np.random.RandomState(0).rand(2, 6, 4)
    whole = K.function([x, y], [mixed])([a, b])[0]
    dealt = K.function([x, y, ranks.parts()], [kinds.dealt(mixed)])
    parts = [job.part_of(6, rank, 4) for rank in range(4)]
    found = [dealt([v[p.start:p.start + p.length] for v in (a, b)] + [(p.length, 6)])[0] for p in parts]
    np.testing.assert_allclose(sum(f * p.length / 6 for f, p in zip(found, parts)), whole, rtol=1e-6)
    with pytest.raises(NotDealt, match="neither a mean nor a sum"):
        root = K.sqrt(K.mean(x))
        Kinds([root], [x, y]).dealt(root)


def test_layers_that_use_the_batch_are_named():
    inputs = Input((9,))
    h = LSTM(3, dropout=0.1, recurrent_dropout=0.1)(Embedding(9, 4)(inputs))
    h = Lambda(lambda t: t - K.mean(t, axis=0), name="centred")(Dense(3)(BatchNormalization()(h)))
    model = Model(inputs, h)
    model.compile("sgd", "mse", ["mae"])
    fed = [*model._feed_inputs, *model._feed_targets]
    assert list(Kinds([model.total_loss], fed).mixed) == ["centred"]


def test_without_a_job_nothing_is_dealt():
    model = Model(x_in := Input((2,)), Dense(1)(x_in))
    model.compile("sgd", "mse", distribute=True)
    with pytest.raises(ValueError, match="started alone. Start the program with mpiexec"):
        model.fit(np.ones((2, 2)), np.ones((2, 1)), verbose=0)
    with pytest.raises(ValueError, match="distribute must be 'auto', True or False, got 'yes'"):
        model.compile("sgd", "mse", distribute="yes")
    model.compile("sgd", "mse", distribute=False)
    assert model.train_on_batch(np.ones((2, 2)), np.ones((2, 1))) >= 0


def test_multi_gpu_model_starts_the_program_again(monkeypatch, tmp_path, launched):
    started = []
    monkeypatch.setattr(os, "execv", lambda path, command: started.append(command))
    monkeypatch.setattr(select, "probe_driver", lambda: select.Driver(4, 12040, ""))
    monkeypatch.setattr(training_utils, "find_spec", lambda name: object())
    monkeypatch.setattr(training_utils, "launcher_of_mpi", lambda: "/usr/bin/mpiexec")
    program = tmp_path / "train.py"
    program.write_text("")
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__file__=str(program)))
    monkeypatch.setattr(sys, "argv", [str(program), "--epochs", "3"])
    multi_gpu_model(None, 4)
    assert started == [["/usr/bin/mpiexec", "-n", "4", sys.executable, "-m", "gpukeras", "run", str(program),
                        "--epochs", "3"]]
    with pytest.raises(NotImplementedError, match="mpiexec -n 8"):
        multi_gpu_model(None, 8)
    with pytest.raises(ValueError, match="gpus=2 or more"):
        multi_gpu_model(None, 1)
    launched(MPICH)
    model = object()
    assert multi_gpu_model(model, 4) is model
    with pytest.raises(ValueError, match="this job has 4 ranks"):
        multi_gpu_model(model, 2)
