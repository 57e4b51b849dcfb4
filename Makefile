# The project's commands, for people and for CI. All run in a virtual environment of their own, .venv.
#   make demo     train on the shipped digits          make lint    ruff: style and formatting of imports
#   make test     all tests, doctests included         make types   mypy
#   make setup    only the virtual environment         make bench   the benchmarks
#   make docs     the site, in build/site: every notebook is run, a warning is an error
#   make test-cupy   the tests that compute, with the CuPy backend on a stand-in for CuPy
#   make interop  files exchanged with Keras 2.15 and Keras 3, each installed in an environment of its own
#   make conformance   Keras 2.0.9's own tests and examples, downloaded, and its interface compared
#   make fuzz     damaged model files, loaded in processes that are watched
#   make distributed   jobs of 1, 2 and 4 ranks: same results, rank after rank killed, what a step's sum costs
#   make gpu-test EXTRAS=cuda12   all tests on a GPU       make mutations   damaged kernels, which tests must notice
#   make dist     the sdist and the wheel, checked      make compiled  a wheel with compiled code for this system
# make demo EXTRAS=cuda12 (or cuda13) installs CuPy too and trains on the GPU.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?=
WORKERS ?= 2
comma := ,
RUN := $(VENV)/bin/python
# each set of extras has a mark of its own, so that asking for another set installs it
RUNTIME := $(VENV)/.installed$(if $(EXTRAS),-$(subst $(comma),-,$(EXTRAS)))
DIST := $(VENV)/.installed-dist
TESTING := $(VENV)/.installed-test$(if $(EXTRAS),-$(subst $(comma),-,$(EXTRAS)))

.PHONY: setup demo docs test test-cupy distributed fuzz interop conformance gpu-test mutations lint types bench dist compiled \
    clean
.DEFAULT_GOAL := test

setup: $(TESTING)

demo: $(RUNTIME)
	$(RUN) docs/examples/digits.py

# the site by Sphinx, and what a test of it finds; open build/site/index.html
docs: $(VENV)/.installed-docs
	OPENBLAS_NUM_THREADS=1 $(RUN) -m sphinx -q -W --keep-going -d build/doctrees docs build/site
	GPUKERAS_SITE=build/site $(RUN) -m pytest tests/test_site.py $(ARGS)

$(VENV)/.installed-docs: $(TESTING)
	$(RUN) -m pip install --quiet --editable '.[test,docs]'
	@touch $@

# one BLAS thread: the matrices of the tests are small, and OpenBLAS's threads wait for each other by spinning where
# cores are shared
test: $(TESTING)
	OPENBLAS_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) $(ARGS)

# the tests that compute, with the CuPy backend on a stand-in for CuPy: no GPU needed (tests/standin). The stand-in runs
# raw kernels with the harness of tests/kernels, whose own tests need no second run.
COMPUTING := gpukeras $(addprefix tests/,backend callbacks compiler engine graph layers ops tensorflow1 test_activations.py \
    test_constraints.py test_initializers.py test_losses.py test_metrics.py test_optimizers.py test_regularizers.py \
    $(addprefix device/test_,arrays.py blas.py epilogues.py halves.py nccl.py standin.py))
test-cupy: $(TESTING)
	PYTHONPATH=tests/standin GPUKERAS_BACKEND=cupy OPENBLAS_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) \
	    $(COMPUTING) $(ARGS)

# everything on a real GPU: kernels are then compared with NumPy on the GPU itself
gpu-test: $(TESTING)
	GPUKERAS_BACKEND=cupy OPENBLAS_NUM_THREADS=1 $(RUN) -m pytest $(ARGS)

# models written here and read by Keras 2.15 (TensorFlow) and Keras 3 (PyTorch), and the reverse. Keras 2.15 needs a
# Python up to 3.11: make interop KERAS2_PYTHON=python3.11. Where plain `torch` would bring CUDA, name a CPU build of it:
# make interop KERAS3_PACKAGES='torch==2.13.0 keras h5py'
KERAS2_PYTHON ?= $(PYTHON)
KERAS2_PACKAGES ?= 'tensorflow-cpu==2.15.1' h5py
KERAS3_PACKAGES ?= torch 'keras>=3' h5py
KERAS2 := $(VENV)-keras2
KERAS3 := $(VENV)-keras3
interop: $(TESTING) $(KERAS2)/.installed $(KERAS3)/.installed
	OPENBLAS_NUM_THREADS=1 GPUKERAS_KERAS2=$(abspath $(KERAS2)/bin/python) \
	    GPUKERAS_KERAS3=$(abspath $(KERAS3)/bin/python) $(RUN) -m pytest tests/interop $(ARGS)

$(KERAS2)/.installed:
	$(KERAS2_PYTHON) -m venv $(KERAS2)
	$(KERAS2)/bin/python -m pip install --quiet $(KERAS2_PACKAGES)
	@touch $@

$(KERAS3)/.installed:
	$(PYTHON) -m venv $(KERAS3)
	$(KERAS3)/bin/python -m pip install --quiet $(KERAS3_PACKAGES)
	@touch $@

# Keras 2.0.9 comes from the package registry into build/, checked by its hash. The last two packages are for one of its
# examples, image_ocr, and need the library cairo.
CONFORMANCE := $(VENV)/.installed-conformance
conformance: $(CONFORMANCE)
	$(RUN) -m tests.conformance $(ARGS)

$(CONFORMANCE): $(TESTING)
	$(RUN) -m pip install --quiet matplotlib six cairocffi editdistance
	@touch $@

# what takes longer than a test: ARGS='same kills overhead overlap' chooses
DISTRIBUTED := $(VENV)/.installed-distributed
distributed: $(DISTRIBUTED)
	OPENBLAS_NUM_THREADS=1 $(RUN) -m tests.distribute $(ARGS)

$(DISTRIBUTED): $(TESTING)
	$(RUN) -m pip install --quiet --editable '.[distributed]'
	@touch $@

# every damage that the kernels' test files list, not only the first of each
mutations: $(TESTING)
	GPUKERAS_MUTATIONS=all OPENBLAS_NUM_THREADS=1 $(RUN) -m pytest tests/kernels/test_mutations.py --timeout 1800 $(ARGS)

# model files damaged at random, each loaded in a process that is watched: make fuzz FILES=20000 ARGS='--seed 2'
FILES ?= 2000
fuzz: $(TESTING)
	OPENBLAS_NUM_THREADS=1 $(RUN) -m tests.saving.fuzz --files $(FILES) --workers $(WORKERS) $(ARGS)

lint: $(TESTING)
	$(RUN) -m ruff check .

types: $(TESTING)
	$(RUN) -m mypy

bench: $(TESTING)
	$(RUN) -m tests.benchmarks $(ARGS)

# what goes to a package registry
dist: $(DIST)
	$(RUN) -m build --outdir dist
	$(RUN) -m twine check --strict dist/gpukeras-*
	$(RUN) -m check_wheel_contents dist/*-none-any.whl

compiled: $(DIST)
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(RUN) -m build --wheel --outdir dist
	$(RUN) -m twine check --strict dist/*.whl
	$(RUN) -m check_wheel_contents dist/*.whl

$(DIST): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet build twine check-wheel-contents
	@touch $@

clean:
	rm -rf $(VENV) $(KERAS2) $(KERAS3) build dist .pytest_cache .mypy_cache .ruff_cache

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit("gpukeras needs Python 3.10 or newer, and $(PYTHON) is " + sys.version.split()[0] \
	    if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --editable '.$(if $(EXTRAS),[$(EXTRAS)])'
	@touch $@

$(TESTING): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --editable '.[test$(if $(EXTRAS),$(comma)$(EXTRAS))]'
	@touch $@
