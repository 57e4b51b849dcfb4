"""Archives (`.keras`) and weights (`.weights.h5`) written here are read by Keras 2.15 and 3, and theirs here: the same
predictions, and training goes on the same. The interpreters are those of others.py.

What is left out: the calls that an archive can't say to both Keras 2.15 and Keras 3 (`NOT_IN_KERAS2`). Keras 2.15 has
no learning rate among an optimizer's variables, and skips the state of optimizers in archives written here, which is
Keras 3's: there only plain gradient descent goes on the same. Its Nadam multiplies its momentums several times in a
step, depending on the number of weights, so that no other program follows it.
"""

from __future__ import annotations

import pytest

from tests.interop import architectures, archive_models, others

MODELS = [*architectures.ALL, "two_states", *archive_models.ALL]
TRAINED = ("residual", "crossing")
"""The models that are trained with every optimizer; the others with one."""


def cases(library: str, direction: str) -> list[str]:
    """``MODEL-OPTIMIZER`` for everything that the other library can do."""
    keras2, there = library == "GPUKERAS_KERAS2", direction == "there"
    names = [name for name in MODELS if not (keras2 and there and name in archive_models.NOT_IN_KERAS2)]
    first = "sgd" if keras2 and there else "adam"
    others = [] if keras2 and there else [o for o in archive_models.OPTIMIZERS
                                          if o != first and not (keras2 and o == "nadam")]
    return [f"{name}-{first}" for name in names] + [f"{name}-{o}" for name in TRAINED for o in others]


CASES = [(library, direction, case) for library in ("GPUKERAS_KERAS2", "GPUKERAS_KERAS3")
         for direction in ("there", "here") for case in cases(library, direction)]


def said(library: str, direction: str, factory: pytest.TempPathFactory) -> dict:
    """What one side says of all archives of the other."""
    return others.said("archive_exchange", library, direction, cases(library, direction), factory)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("library, direction, case", CASES)
def test_archives_are_exchanged(library, direction, case, tmp_path_factory):
    found = said(library, direction, tmp_path_factory)[case]
    assert "error" not in found, found["error"]
    assert found["apart"] <= 1e-5 and found["weights_apart"] <= 1e-5
    if not found["losses"] or not found["expected"]:  # one of the two can't train it (see exchange.trains)
        assert case.startswith("stateful-")
    elif case.rsplit("-", 1)[0] not in architectures.RANDOM:
        assert found["losses"] == pytest.approx(found["expected"], rel=1e-3, abs=1e-6)
