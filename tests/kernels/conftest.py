"""What the kernel tests share: hypothesis without chance and without clocks."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import HealthCheck, Phase, settings

from gpukeras import device
from tests.kernels.on_cpu import COMPILER, MUTATION, cpu_kernel
from tests.kernels.on_gpu import gpu_kernel

settings.register_profile(
    "kernels",
    derandomize=True,
    deadline=None,
    max_examples=40,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
# a damaged kernel only has to fail, and not with the smallest example
settings.register_profile(
    "mutation",
    settings.get_profile("kernels"),
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
settings.load_profile("mutation" if MUTATION in os.environ else "kernels")


def pytest_collection_modifyitems(items):
    """Without a C++ compiler only the tests that need none can run."""
    if shutil.which(COMPILER):
        return
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here) and item.path.name != "test_compile.py":
            item.add_marker(pytest.mark.skip(reason=f"{COMPILER} compiles the kernels for the CPU"))


@pytest.fixture(params=["cpu", *(["gpu"] if device.NAME == "cupy" else [])])
def kernel(request):
    """`cpu_kernel`, and where there is a GPU also `gpu_kernel`: a test of a single kernel runs on both."""
    return cpu_kernel if request.param == "cpu" else gpu_kernel
