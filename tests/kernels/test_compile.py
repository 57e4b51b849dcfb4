"""Every kernel source, and the kernels that the compiler generates, are built for all supported GPUs; none is needed.

A family's test file may list the defines that its launches use, DEFINES = [{"LANES": 8}, ...]; a VALUE among them
stands for itself, otherwise the set is built for float, double, Half and BFloat. The first set (no defines, if there
is no list) is built for every target, each further one for one target of each type, by turns.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
from itertools import cycle

import pytest

from gpukeras.device import kernel_families, kernel_folder, kernel_source
from gpukeras.device.kernels import OPTIONS
from tests.kernels.floats import FLOATS, HALVES
from tests.kernels.generated import elementwise_text, every_op, training_fusions
from tests.kernels.nvrtc import TARGETS, Job, Nvrtc, library_path
from tests.kernels.tally import tally

VALUES = ("float", "double", "Half", "BFloat")


@pytest.fixture(scope="module")
def nvrtc():
    path = library_path()
    if path is None:
        pytest.skip("NVRTC is not installed: pip install 'gpukeras[nvrtc]'")
    compiler = Nvrtc(path)
    assert set(TARGETS) <= set(compiler.targets)
    return compiler


def define_sets(family):
    """The sets of defines that the family's test file lists."""
    name = f"tests.kernels.test_{family}"
    if importlib.util.find_spec(name) is None:
        return [{}]
    return getattr(importlib.import_module(name), "DEFINES", [{}])


def jobs_of(family):
    """What to build for a family."""
    text, others = kernel_source(family), cycle(TARGETS)
    for i, defines in enumerate(define_sets(family)):
        for value in [defines["VALUE"]] if "VALUE" in defines else VALUES:
            flags = {"VALUE": value, "BLOCK": 256, **defines}
            for target in TARGETS if i == 0 else [next(others)]:
                yield Job(text, target, tuple(f"-D{name}={setting}" for name, setting in flags.items()))


@pytest.mark.parametrize("family", kernel_families())
def test_nvrtc_compiles_every_family_for_all_gpus(nvrtc, family):
    assert OPTIONS == ("-std=c++17",)  # what Nvrtc.build gives
    jobs = list(jobs_of(family))
    named = set(re.findall(r"^KERNEL\s+(\w+)\s*\(", kernel_source(family), re.MULTILINE))
    for job, built in zip(jobs, nvrtc.build_all(jobs), strict=True):
        assert built.messages == "", f"sm_{job.target} {job.options}"
        assert named <= set(built.functions) and built.functions
        tally.functions |= {(family, name) for name in built.functions}
        tally.targets.add(job.target)
        tally.compiled += len(built.functions)


def test_wide_indices_compile(nvrtc):
    jobs = [Job(kernel_source(family), 80, ("-DINDEX=long long", "-DBLOCK=256")) for family in kernel_families()]
    assert [built.messages for built in nvrtc.build_all(jobs)] == [""] * len(jobs)


def test_the_check_sees_an_error_and_its_line(nvrtc):
    text = kernel_source("softmax_crossentropy")
    line = (kernel_folder() / "types.cuh").read_text().partition("typedef VALUE Value;")[0].count("\n") + 1
    message = nvrtc.build(Job(text.replace("typedef VALUE Value;", "typedef VALU Value;"), 80, ())).messages
    assert "VALU" in message and f"types.cuh({line})" in message


def test_generated_kernels_compile(nvrtc):
    """Those of training steps, and one that holds every elementwise op, for each type."""
    steps = [step for policy in (None, *(f"mixed_{half}" for half in HALVES)) for step in training_fusions(policy)]
    steps += [every_op(dtype) for dtype in FLOATS]
    texts = dict.fromkeys(elementwise_text(*step) for step in steps)
    assert len(texts) > 10
    jobs = [Job(text, target, ("-DBLOCK=128",)) for text in texts for target in (TARGETS[0], TARGETS[-1])]
    for job, built in zip(jobs, nvrtc.build_all(jobs), strict=True):
        assert built.messages == "", job.text
        tally.generated += 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvcc") is None or library_path() is not None, reason="NVRTC does it, or no nvcc")
@pytest.mark.parametrize("family", kernel_families())
def test_nvcc_compiles_every_family(tmp_path, family):
    source = tmp_path / f"{family}.cu"
    source.write_text(kernel_source(family))
    listed = subprocess.run(["nvcc", "--list-gpu-code"], capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"sm_\d+\b", listed)[:: len(listed.split()) - 1]  # the oldest and the newest
    codes = [f"-gencode=arch={target.replace('sm', 'compute')},code={target}" for target in targets]
    command = ["nvcc", "-fatbin", "-std=c++17", *codes, str(source), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").stat().st_size > 0
