"""Every kernel source compiles for the GPU generations in use, with no GPU present."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gpukeras.device import kernel_families, kernel_source
from gpukeras.device.kernels import OPTIONS

BLOCKS = (128, 32, 1024, 256)


def nvrtc_library() -> Path | None:
    """NVIDIA's runtime compiler from its wheel: what CuPy compiles with."""
    for package in ("nvidia.cuda_nvrtc", "nvidia.cu13"):
        try:
            spec = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            continue
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for path in sorted(Path(folder).glob("lib/libnvrtc.so.*")):
                return path
    return None


class Nvrtc:
    """The three calls of NVRTC's C interface that a compile check needs."""

    def __init__(self, path: Path):
        self.library = ctypes.CDLL(str(path))
        number = ctypes.c_int()
        self.library.nvrtcGetNumSupportedArchs(ctypes.byref(number))
        targets = (ctypes.c_int * number.value)()
        self.library.nvrtcGetSupportedArchs(targets)
        self.targets = list(targets)

    def compile(self, source: str, *options: str) -> str:
        """The compiler's messages: empty for success."""
        program = ctypes.c_void_p()
        text = ctypes.c_char_p(source.encode())
        assert self.library.nvrtcCreateProgram(ctypes.byref(program), text, b"kernel.cu", 0, None, None) == 0
        flags = (ctypes.c_char_p * len(options))(*[option.encode() for option in options])
        status = self.library.nvrtcCompileProgram(program, len(options), flags)
        size = ctypes.c_size_t()
        self.library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        self.library.nvrtcGetProgramLog(program, log)
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        lines = log.value.decode().splitlines()
        messages = "\n".join(line for line in lines if "Architectures prior to" not in line)
        return messages or (f"error {status} without a message" if status else "")


@pytest.fixture(scope="module")
def nvrtc():
    path = nvrtc_library()
    if path is None:
        pytest.skip("NVRTC is not installed: pip install 'gpukeras[nvrtc]'")
    return Nvrtc(path)


@pytest.mark.parametrize("family", kernel_families())
def test_nvrtc_compiles_every_family_for_old_and_new_gpus(nvrtc, family):
    targets = [target for target in nvrtc.targets if target >= 70]
    # the oldest and the newest, and the two between that brought new machine code; the block size differs too
    chosen = (targets[0], 80, 90, targets[-1])
    assert set(chosen) <= set(targets)
    for target, block in zip(chosen, BLOCKS, strict=True):
        options = (*OPTIONS, f"-arch=sm_{target}", f"-DBLOCK={block}")
        assert nvrtc.compile(kernel_source(family), *options) == ""


def test_nvrtc_check_sees_an_error_and_its_line(nvrtc):
    broken = kernel_source("softmax_crossentropy").replace("T log_s = log(s);", "T log_s = logarithm(s);", 1)
    line = 1 + next(
        n
        for n, text in enumerate(_file("softmax_crossentropy.cu").splitlines())
        if "T log_s = log(s);" in text
    )
    message = nvrtc.compile(broken, *OPTIONS, "-arch=sm_80")
    assert "logarithm" in message and f"softmax_crossentropy.cu({line})" in message


def test_block_must_be_a_power_of_two(nvrtc):
    assert "power of two" in nvrtc.compile(kernel_source("softmax_crossentropy"), *OPTIONS, "-DBLOCK=100")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
@pytest.mark.parametrize("family", kernel_families())
def test_nvcc_compiles_every_family(tmp_path, family):
    source = tmp_path / f"{family}.cu"
    source.write_text(kernel_source(family))
    listed = subprocess.run(["nvcc", "--list-gpu-code"], capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"sm_\d+\b", listed)[:: len(listed.split()) - 1]  # the oldest and the newest
    codes = [f"-gencode=arch={target.replace('sm', 'compute')},code={target}" for target in targets]
    flags = ["-std=c++17", "-Werror", "all-warnings", *codes]
    command = ["nvcc", "-fatbin", *flags, str(source), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").stat().st_size > 0


def _file(name: str) -> str:
    from gpukeras.device import kernel_folder

    return (kernel_folder() / name).read_text()
