"""Classes of values against the standard library's frozen dataclasses."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass
from functools import cached_property

import pytest

from gpukeras.graph.frozen import frozen


def classes(decorate):
    @decorate
    class Base:
        x: int
        y: int = 2

    @decorate
    class Longer(Base):
        z: tuple[int, ...] = ()

        def __post_init__(self):
            if self.x < 0:
                raise ValueError("negative")

        @cached_property
        def total(self):
            return self.x + self.y + sum(self.z)

    class Plain(Longer):
        """Takes what its base takes."""
    return Base, Longer, Plain


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("values, named", [((1,), {}), ((1, 3), {}), ((), {"x": 4}), ((5,), {"y": 6}), ((), {}),
                                           ((1, 2, 3, 4), {}), ((1,), {"x": 1}), ((1,), {"w": 1}), ((-1,), {})])
def test_as_a_dataclass(which, values, named):
    found = []
    for decorate in (frozen, dataclass(frozen=True)):
        cls = classes(decorate)[which]
        try:
            a, b = cls(*values, **named), cls(*values, **named)
            found.append((repr(a).split("<locals>.")[1], a == b, hash(a) == hash(b), a == object(), vars(a)))
        except (TypeError, ValueError) as error:
            found.append(type(error))
    assert found[0] == found[1]


def test_objects_of_other_classes_are_others():
    base, longer, plain = classes(frozen)
    assert base(1) != longer(1) and longer(1) != plain(1)
    assert len({longer(1), longer(1, 2), longer(1, 2, ()), longer(2)}) == 2


def test_nothing_can_be_changed():
    _, longer, _ = classes(frozen)
    made = longer(1, z=(4,))
    with pytest.raises(AttributeError, match=r"Longer\.x can't be assigned"):
        made.x = 3
    with pytest.raises(AttributeError, match=r"Longer\.x can't be deleted"):
        del made.x
    assert made.total == 7 and made.total == 7


@frozen
class Here:
    x: int


def test_copies_and_pickles():
    assert copy.deepcopy(Here(3)) == pickle.loads(pickle.dumps(Here(3))) == Here(3)


def test_own_methods_stay():
    @frozen
    class Own:
        x: int

        def __repr__(self):
            return "own"

        def __hash__(self):
            return 7
    assert repr(Own(1)) == "own" and hash(Own(1)) == 7
