"""Products of an embedding's rows are made for the distinct words of a batch only, and so are their derivatives.

A batch of texts repeats its words: of 2,560 words in 32 reviews some 950 are distinct. Where the rows of a table meet a
matrix right away, as in a recurrent or dense layer on an Embedding,

    rows of the product  =  (distinct rows  matrix) at the numbers of the words,

and with S, the sums of the derivative's rows for each distinct word, the matrix's derivative is (distinct rows)' S, and
those by the distinct rows are S matrix'. The result's rows have the same bits as in the plain product; the derivatives
are added up in another order. This is for compiled tasks, which do as many rows as there turn out to be: see
word_ops.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..device import tasks
from ..ops.broadcasting import BroadcastTo
from ..ops.distinct import SumDistinct
from ..ops.elementwise import ADD
from ..ops.embedding_tasks import FAMILY
from ..ops.indexing import Gather, ScatterRows
from ..ops.linalg import Contract, MatMul
from ..ops.recurrent_gru import GRUSequence
from ..ops.recurrent_gru_after import GRUSequenceResetAfter
from ..ops.recurrent_lstm import LSTMSequence
from ..ops.recurrent_simple import SimpleRNNSequence
from ..ops.shape import Reshape, Transpose
from .bodies import uses_tasks
from .epilogue_ops import SUM_OF_ROWS
from .ir import Step, Value, contiguous, needed, readers, rewrite, root
from .lower import Lowering
from .word_ops import After, CountedContract, CountedProduct, Distinct, NumberedSequence, SpreadRows, SumNumbered

FEWEST = 512  # words: of fewer, not many are the same
WORK = 1 << 12  # multiplications that a word takes at least: for less, sorting the words does not pay
CERTAIN = 4  # times as many words as a table has rows: a quarter of the work will do, so many are the same
SEQUENCES = (GRUSequence, GRUSequenceResetAfter, LSTMSequence, SimpleRNNSequence)


class Words(NamedTuple):
    """What is known of some indices: see Distinct."""

    places: Value
    numbers: Value
    pairs: Value
    total: Value


class _Term(NamedTuple):
    """`derivative matrix`, of which each row belongs to one of the indices."""

    derivative: Value
    matrix: Value
    indices: Value


def by_words(lowering: Lowering, roots: Sequence[Value]) -> list[Value]:
    """Rewrites the steps that `roots` depend on; returns the values that take the roots' places. `lowering` made them,
    and knows which are there already."""
    return _Rewriting(lowering, needed(roots)).done(roots) if tasks.ready(FAMILY) else list(roots)


class _Rewriting:
    """One pass over the steps, in their order. What it asks of `readers` is how the program was before."""

    def __init__(self, lowering: Lowering, steps: Sequence[Step]):
        self._make, self._steps = lowering, steps
        self._products: set[Value] = set()  # made by words, for all of them
        self._rows_of: dict[tuple[Value, Value], Value] = {}  # of a table, for the distinct words
        self._readers = readers(steps)

    def done(self, roots: Sequence[Value]) -> list[Value]:
        """What takes the roots' places."""
        new = rewrite(self._steps, self._change)
        return [new.get(v, v) for v in roots]

    def _change(self, step: Step) -> dict[Value, Value]:
        """What takes the places of the step's outputs."""
        self._make.origin = step.origin
        if step.op == SUM_OF_ROWS:
            return self._bias_gradient(step)
        for kinds, change in ((MatMul, self._product), (Contract, self._contraction), (Gather, self._again),
                              (SEQUENCES, self._sequence), (SumDistinct, self._distinct_sums),
                              (ScatterRows, self._scattered)):
            if isinstance(step.op, kinds):
                return change(step)
        return {}

    # Forward -------------------------------------------------------------------------------------------------
    def _product(self, step: Step) -> dict[Value, Value]:
        """What takes the places of the product, of the sum with a bias, and of their shapes."""
        gathered, matrix = _gathered(step.ins[0]), step.ins[1]
        if gathered is None or not _pays(step, _length(gathered.ins[0])):
            return {}
        words = self._words(gathered)
        out, bias = self._bias(step.outs[0])
        made = self._make(CountedProduct(False), self._rows(gathered, words), matrix, words.total, *bias)
        return self._in_all_shapes(out, self._make(Gather(), made, words.numbers))

    def _sequence(self, step: Step) -> dict[Value, Value]:
        """What takes the places of the results of a recurrence over words."""
        z = step.ins[0].step
        if z is None or z.outs[0] not in self._products:
            return {}
        return dict(zip(step.outs, self._make.outputs(NumberedSequence(step.op), *z.ins, *step.ins[1:])))

    def _bias(self, product: Value) -> tuple[Value, list[Value]]:
        """The sum of the product and a bias, and the bias, if nothing else reads the product; else itself."""
        v = product
        while len(self._readers.get(v, ())) == 1:
            reader = self._readers[v][0]
            if reader.op == ADD:
                bias = reader.ins[1] if reader.ins[0] is v else reader.ins[0]
                if bias.shape == product.shape[1:] and bias.dtype == product.dtype:
                    return reader.outs[0], [bias]
            if not isinstance(reader.op, Reshape) or reader.outs[0].shape[-1:] != product.shape[1:]:
                break
            v = reader.outs[0]
        return product, []

    def _in_all_shapes(self, old: Value, made: Value) -> dict[Value, Value]:
        """What was made for all words, in the place of an old value and of its other shapes."""
        self._products.add(made)
        shapes = [s.outs[0] for s in self._readers.get(old, ()) if isinstance(s.op, Reshape)]
        return {v: self._make(Reshape(v.shape), made) for v in (old, *shapes)}

    def _words(self, gathered: Step) -> Words:
        """What is known of the words whose rows are gathered."""
        table, indices = gathered.ins
        return self._distinct(indices, _length(table), gathered.origin)

    def _distinct(self, indices: Value, length: int, origin: str | None) -> Words:
        here, self._make.origin = self._make.origin, origin
        words = Words(*self._make.outputs(Distinct(length), indices))
        self._make.origin = here
        return words

    def _rows(self, gathered: Step, words: Words) -> Value:
        """The table's rows for the distinct words."""
        here, self._make.origin = self._make.origin, gathered.origin
        rows = self._rows_of[gathered.ins[0], words.places] = self._make(Gather(), gathered.ins[0], words.places)
        self._make.origin = here
        return rows

    def _again(self, step: Step) -> dict[Value, Value]:
        """What takes the place of rows that are gathered for an optimizer, if they are at hand."""
        rows = self._rows_of.get((step.ins[0], root(step.ins[1])))
        return {} if rows is None else {step.outs[0]: rows}

    # Backward ------------------------------------------------------------------------------------------------
    def _contraction(self, step: Step) -> dict[Value, Value]:
        """What takes the place of the matrix's derivative."""
        gathered, derivative = _gathered(step.ins[0]), step.ins[1]
        if gathered is None or not _pays(step, _length(gathered.ins[0])) or not contiguous(derivative):
            return {}
        words = self._words(gathered)
        sums = self._sums(derivative, words)
        return {step.outs[0]: self._make(CountedContract(), self._rows(gathered, words), sums, words.total)}

    def _bias_gradient(self, step: Step) -> dict[Value, Value]:
        """What takes the place of the sum of all words' derivatives, where they are summed by word anyway."""
        derivative = step.ins[0]
        for reader in self._readers.get(derivative, ()):
            gathered = _gathered(reader.ins[0]) if isinstance(reader.op, Contract) else None
            if gathered and reader.ins[1] is derivative and self._contraction(reader):
                words = self._words(gathered)
                ones = self._make(BroadcastTo((*words.places.shape, 1)), self._make.constant(np.ones((), "float32")))
                total = self._make(CountedContract(), ones, self._sums(derivative, words), words.total)
                return {step.outs[0]: self._make(Reshape(step.outs[0].shape), total)}
        return {}

    def _sums(self, derivative: Value, words: Words) -> Value:
        """For each distinct word the sum of its rows of a derivative."""
        return self._make(SumNumbered(), derivative, words.pairs, words.places)

    def _distinct_sums(self, step: Step) -> dict[Value, Value]:
        """What takes the places of the rows' derivatives, summed by word."""
        rows, indices = step.ins
        length = step.op.length  # type: ignore[attr-defined]
        terms = self._terms(rows, indices, length) if _table_like(rows, indices) else None
        if not terms or indices.size > length:
            return {}
        words, sums = self._by_word(terms, length, True)
        return dict(zip(step.outs, (self._make(After(), words.places, sums), sums)))

    def _scattered(self, step: Step) -> dict[Value, Value]:
        """The same of a whole table's derivative."""
        rows, indices, table = step.ins
        terms = self._terms(rows, indices, _length(table)) if _table_like(rows, indices) else None
        if not terms or len(table.shape) != 2:
            return {}
        words, sums = self._by_word(terms, _length(table), False)
        return {step.outs[0]: self._make(SpreadRows(), sums, words.places, words.total, table)}

    def _by_word(self, terms: Sequence[_Term], length: int, zeros: bool) -> tuple[Words, Value]:
        """The sums of the terms' rows for each distinct word."""
        words = self._distinct(terms[0].indices, length, self._make.origin)
        made = [self._make(CountedProduct(zeros), self._sums(t.derivative, words), t.matrix, words.total)
                for t in terms]
        total = made[0]
        for v in made[1:]:
            total = self._make(ADD, total, v)
        return words, total

    def _terms(self, rows: Value, indices: Value, length: int) -> list[_Term] | None:
        """The products whose sum the rows are, in whatever order, with the indices in the same; None if they are
        anything else, or somebody else reads them."""
        while rows.step is not None and len(self._readers.get(rows, ())) == 1:
            step = rows.step
            if step.op == ADD and all(v.shape == rows.shape for v in step.ins):
                found = [self._terms(v, indices, length) for v in step.ins]
                if not all(found) or len({t.indices for terms in found for t in terms or ()}) > 1:
                    return None
                return [t for terms in found for t in terms or ()]
            if isinstance(step.op, MatMul):
                fits = len(rows.shape) == 2 and _pays(step, length) and contiguous(step.ins[0])
                return [_Term(step.ins[0], step.ins[1], indices)] if fits else None
            before = step.ins[0]
            if isinstance(step.op, Transpose):
                axes = len(indices.shape)
                if rows.shape[:-1] != indices.shape or step.op.order[-1] != axes:
                    return None
                indices = self._make(Transpose(tuple(map(int, np.argsort(step.op.order[:-1])))), indices)
            elif not isinstance(step.op, Reshape) or before.shape[-1:] != rows.shape[-1:]:
                return None
            rows = before
        return None


def _gathered(flat: Value) -> Step | None:
    """The step that gathers the rows of a flat matrix, if nothing but its shape has been changed since."""
    v = flat
    while v.step is not None and isinstance(v.step.op, Reshape):
        v = v.step.ins[0]
    if v.step is None or not isinstance(v.step.op, Gather) or len(flat.shape) != 2 or not uses_tasks(v.step):
        return None
    table = v.step.ins[0]
    return v.step if len(table.shape) == 2 and table.shape[1:] == flat.shape[1:] else None


def _pays(step: Step, length: int) -> bool:
    """Whether a product of rows of such a table, or a derivative of it, is worth being made by words."""
    if any(len(v.shape) != 2 for v in step.ins) or not uses_tasks(step):
        return False
    (words, width), (_, columns) = (v.shape for v in step.ins)
    work = WORK if words < CERTAIN * length else WORK // 4
    return words >= FEWEST and width * columns >= work and length > 0


def _table_like(rows: Value, indices: Value) -> bool:
    return rows.dtype == "float32" and len(rows.shape) == len(indices.shape) + 1


def _length(table: Value) -> int:
    """The number of rows."""
    return table.shape[0]
