"""How products of matrices are cut into tasks for a CPU (kernels/product.c, kernels/gemm.h).

A thread wants to read the right matrix seldom: for few rows of the result at a time it would read it again and again.
So either the rows of the result are dealt to threads, where there are many, or its columns, or blocks of both. Of very
few rows the sums are cut: each thread then reads its part of the right matrix as it lies in memory, and finds it in its
own caches the next time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..device.tasks import WORTH, Task
from ..graph import Spec, size_of

FAMILY = "product"
SPEED = 230.0  # multiplications and additions in a nanosecond, on one thread
LANES = 16  # columns that are computed at a time
BANDWIDTH = 50.0  # bytes read or written in a nanosecond
START = 30.0  # nanoseconds that any product takes
PANEL = 32  # columns of a packed panel, or a multiple of that, for all kinds of vectors
DEEP = 320  # rows of a right matrix at most whose products are added up in one go (DEPTH of kernels/gemm.h)
ROOM = 4 * DEEP * PANEL  # bytes that `gemm` of kernels/gemm.h needs at most
MANY_ROWS = 512  # of a result whose rows are dealt: a share has 32 at least
SMALL = 4096  # numbers of a right matrix that may be read for any few rows, from the first-level cache
NEAR = 1024  # columns of a right matrix that is read as it is, without packing
BLOCKS = 16  # that a result is cut into
FEW_ROWS = 4  # of a result, for which the right matrix is read in long runs
BROAD = 4 * PANEL  # columns of such a run (of RUN_PANELS panels in kernels/gemm.h),
BROADEST = 8 * PANEL  # and of a single row's, which one tile takes
LEAST_PIECES = 8  # of a single row's sums that are dealt one by one
FAR = 8 << 20  # bytes of a right matrix that comes from the memory, not from a cache: so it is read for more rows too
DEEP_BLOCK = 256  # rows of a block of samples at least: blocks are added up in the end
LEAST_BLOCKS = 4  # of them, so that threads have something to share
SUMS = 1 << 20  # numbers that all blocks' sums may have
LEAST_ROWS = 48  # of a block: packing takes as long as multiplying two or three rows


def room(a: Spec, b: Spec, out: Spec) -> list[Spec]:
    """The memory that `product` or `products` shares between its tasks: for a packed b, or the sums of pieces."""
    (rows, columns), m = b.shape[-2:], size_of(out.shape[:-1])
    assert rows is not None and columns is not None
    if len(b.shape) > 2 or _few_reads(a, b, out):
        return []
    if len(out.shape) == 2 and m <= FEW_ROWS and rows > DEEP:
        return [Spec((pieces(b), m, columns), b.dtype)]
    return [Spec((rows * -(-columns // PANEL) * PANEL,), b.dtype)] if m >= MANY_ROWS else []


def pieces(b: Spec) -> int:
    """How many pieces the rows of a right matrix are cut into where sums are."""
    assert b.shape[0] is not None
    return -(-b.shape[0] // DEEP)


def product(a: Any, b: Any, out: Any, room: Sequence[Any]) -> list[Task]:
    """out = a b for matrices of float32 with any strides; `out` without gaps."""
    if room and len(out) <= FEW_ROWS and _strides(b)[1] == 1:
        return _pieces(a, b, out, room[0])
    if len(out) < MANY_ROWS and not _few_reads(a, b, out):
        return [_blocks(a, b, out)]
    return _by_rows(a, b, out, room, 1)


def _by_rows(a: Any, b: Any, out: Any, room: Sequence[Any], together: int, bias: Any = None) -> list[Task]:
    """So many rows of the result are a unit; to each a bias may be added."""
    (m, n), k = out.shape, a.shape[1]
    words, cost = _words(a, b, out), _cost(a, b, out)
    more = (together, 0, 0) if bias is None else (together, bias, bias.strides[0] // bias.itemsize)
    if n == 1 or _few_reads(a, b, out) or (_strides(b)[1] == 1 and n <= NEAR):
        return [Task(FAMILY, "product_rows", (*words, *more), m // together, cost, _room(k), samples=True)]
    return [Task(FAMILY, "pack_panels", (k, n, b, *_strides(b), room[0]), -(-n // PANEL), 8 * b.size / BANDWIDTH),
            Task(FAMILY, "packed_rows", (*words[:6], room[0], 0, 0, out, *more), m // together, cost, samples=True)]


def contraction(a: Any, b: Any, out: Any) -> list[Task]:
    """out = a b where the samples are what is summed over, so that no axis of the result has them."""
    return [_blocks(a, b, out)]


def counted_room(b: Spec) -> list[Spec]:
    """What `counted_product` needs: room for a packed b."""
    (rows, columns) = b.shape
    assert rows is not None and columns is not None
    return [Spec((rows * -(-columns // PANEL) * PANEL,), b.dtype)]


def counted_product(a: Any, b: Any, out: Any, room: Sequence[Any], count: Any, bias: Any = None) -> list[Task]:
    """The first rows of out = a b, or a b + bias, as many as `count` (an int64) says when it is run."""
    *before, rows = _by_rows(a, b, out, room, 1, bias)
    return [*before, rows._replace(counted=count)]


def counted_contraction(a: Any, b: Any, out: Any, count: Any) -> list[Task]:
    """out = a b where as many products are added up as `count` (an int64) says when it is run."""
    return [_blocks(a, b, out, count)]


def sample_blocks(a: Spec, b: Spec) -> int:
    """In how many blocks of samples (samples, rows, columns) the sum of a' b is best made; 0 if that does not pay."""
    samples, rows, columns = a.shape
    assert samples is not None and rows is not None and columns is not None
    most = min(BLOCKS, samples * rows // DEEP_BLOCK, SUMS // (columns * (b.shape[-1] or 1)))
    found = max((i for i in range(1, most + 1) if samples % i == 0), default=0)
    return found if found >= LEAST_BLOCKS else 0


def sum_of_samples(a: Any, b: Any, out: Any, sums: Any) -> list[Task]:
    """out = the sum of the samples' a' b, added up by blocks first."""
    (samples, rows, _), blocks = a.shape, len(sums)
    left, right = a.reshape(-1, a.shape[2]).T, b.reshape(-1, b.shape[2])
    words = (*out.shape, rows, *_words(left, right, sums)[3:], samples // blocks)
    return [Task(FAMILY, "sample_blocks", words, samples, _cost(left, right, out), _room(len(right)), samples=True,
                 block=samples // blocks),
            Task(FAMILY, "add_blocks", (sums, blocks, out.size, out), out.size, 0.1 * sums.size)]


def products(a: Any, b: Any, out: Any, room: Sequence[Any]) -> list[Task]:
    """out = a b for the last two axes; the others are broadcast."""
    lead = out.shape[:-2]
    if room and a.flags.c_contiguous:  # many rows, all of which meet the same b
        return _by_rows(a.reshape(-1, a.shape[-1]), b, out.reshape(-1, out.shape[-1]), room, size_of(out.shape[1:-1]))
    if size_of(lead) == 1:
        return [_blocks(*(x[(0,) * (x.ndim - 2)] for x in (a, b, out)))]
    steps = [_lead_steps(x, lead) for x in (a, b)]
    axes = [word for row in list(zip(lead, *steps))[1:] for word in row]
    cost = _cost(a, b, out) + START * size_of(lead)
    words = (*_words(a, b, out), steps[0][0], steps[1][0], len(lead) - 1, *axes)
    return [Task(FAMILY, "products", words, lead[0], cost, _room(a.shape[-1]), samples=True)]


def _blocks(a: Any, b: Any, out: Any, counted: Any = 0) -> Task:
    """Blocks of the result: some of its columns or, where there are many more of them, of its rows. `counted`: see
    `counted_contraction`."""
    (m, n), k = out.shape, a.shape[1]
    high, broad = m, n
    b_row, b_column = _strides(b)
    far = b_column == 1 and n >= BROAD and 4 * k * b_row >= FAR
    if _cost(a, b, out) >= WORTH:
        if m > 4 * n:
            high = max(-(-m // BLOCKS), LEAST_ROWS)
        else:
            broad = -(-n // BLOCKS // PANEL) * PANEL if n > BLOCKS * PANEL else PANEL
            if m <= FEW_ROWS:
                broad = max(broad, min(BROAD, -(-n // 2 // PANEL) * PANEL))
            if far:
                broad = -(-broad // BROAD) * BROAD
            high = max(-(-m * -(-n // broad) // BLOCKS), LEAST_ROWS)
    units = -(-m // high) * -(-n // broad)
    room = _room(k) * BROAD // PANEL if far else _room(k)
    words = (*_words(a, b, out), high, broad, counted, far)
    return Task(FAMILY, "product_blocks", words, units, _cost(a, b, out), room)


def has_zeros_to_leave_out(a: Spec, b: Spec, out: Spec) -> bool:
    """Whether it pays for a single row to look which of its numbers are 0. (A single column is added up otherwise.)"""
    return len(out.shape) == 2 and out.shape[0] == 1 < size_of(out.shape) and not _few_reads(a, b, out)


def finite_pieces(b: Any, out: Any) -> list[Task]:
    """For each piece of the rows of b whether all its numbers are finite; b's columns follow each other."""
    return [Task(FAMILY, "finite_pieces", (*b.shape, b, _strides(b)[0], out), len(out), 4.0 * b.size / BANDWIDTH)]


def product_without_zeros(a: Any, b: Any, out: Any, sums: Any, finite: Any) -> list[Task]:
    """out = a b for a single row a, without gaps: rows of b that are multiplied by 0 are left out of pieces that are
    `finite`. The bits are those of `product`."""
    return _pieces(a, b, out, sums, finite)


def _pieces(a: Any, b: Any, out: Any, sums: Any, finite: Any = 0) -> list[Task]:
    """Pieces of the products that each sum consists of, and their sums: the same bits as from `_blocks`."""
    (m, n), k = out.shape, a.shape[1]
    broad = BROADEST if m == 1 else BROAD
    blocks, cost = -(-n // broad), _cost(a, b, out)
    units = len(sums) * blocks
    # the matrix is read in runs as long as can be for one row; where pieces are few, each thread has one part of them
    grain = 1 if m > 1 or blocks == 1 else units if len(sums) < LEAST_PIECES else blocks
    words = (*_words(a, b, out)[:-1], sums, broad, finite)
    return [Task(FAMILY, "product_pieces", words, units, cost, _room(k), grain=grain),
            Task(FAMILY, "add_blocks", (sums, len(sums), m * n, out), m * n, 0.1 * sums.size)]


def _few_reads(a: Any, b: Any, out: Any) -> bool:
    """Whether one thread takes all rows, or may read b again for any few of them."""
    return _cost(a, b, out) < WORTH or size_of(b.shape) <= SMALL


def _cost(a: Any, b: Any, out: Any) -> float:
    padded = size_of(out.shape[:-1]) * -(-out.shape[-1] // LANES) * LANES
    moved = 4.0 * sum(size_of(x.shape) for x in (a, b, out))
    return START + max(2.0 * padded * (a.shape[-1] + 4) / SPEED, moved / BANDWIDTH)


def _words(a: Any, b: Any, out: Any) -> tuple[Any, ...]:
    return (*out.shape[-2:], a.shape[-1], a, *_strides(a), b, *_strides(b), out)


def _strides(x: Any) -> list[int]:
    """Of the last two axes, in elements."""
    return [s // x.itemsize for s in x.strides[-2:]]


def _lead_steps(x: Any, lead: Sequence[int]) -> list[int]:
    """In elements along each leading axis of the result; 0 where x is repeated."""
    own = [0 if n == 1 else s // x.itemsize for n, s in zip(x.shape[:-2], x.strides[:-2])]
    return [0] * (len(lead) - len(own)) + own


def _room(k: int) -> int:
    """Bytes that a thread needs to pack a panel."""
    return min(4 * k * PANEL, ROOM)
