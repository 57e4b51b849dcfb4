"""Which kernels compute a convolution on a GPU, and in tiles of which size.

Over one or two spatial axes kernels/convolution.cu multiplies windows that it gathers on the way ("implicit GEMM");
over three, kernels/im2col.cu writes the windows of some samples to memory and cuBLAS multiplies them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..device import HALVES, address, blocks, compute_capability, gemm, launch, precision
from ..device.launch import BLOCK
from ..graph import Call, Spec, size_of
from .windows import Window, element_strides

ROOM = 64 << 20  # bytes of columns, or of partial sums, at a time
BUSY = 128  # blocks from which a GPU of 80 to 140 multiprocessors is taken as occupied
LEAST = 512  # positions in each part of a kernel gradient's sum, so that fetching is not outweighed by adding parts


class Tile(NamedTuple):
    """A block's share of the product (rows, columns), the steps of the sum it takes at a time (depth), and the part of
    a thread or, on tensor cores, of a warp."""

    rows: int
    columns: int
    depth: int
    part_rows: int
    part_columns: int


# The shapes that matrix products on GPUs are commonly cut into, largest first. Large parts do many multiplications for
# each number read from shared memory: 64 for 16 with 8 x 8, 16 for 8 with 4 x 4. Small tiles waste less at the edges
# and give more blocks. A double takes two registers: 8 x 8 of them and their operands would leave room for few threads.
PLAIN = (Tile(128, 128, 8, 8, 8), Tile(128, 64, 8, 8, 4), Tile(64, 64, 16, 4, 4), Tile(128, 32, 16, 4, 4),
         Tile(32, 32, 16, 4, 4))
DOUBLE = (Tile(64, 64, 8, 4, 4), Tile(32, 32, 16, 4, 4))
# On tensor cores 64 x 32 a warp needs 64 sums and 24 operands in each thread. Depth in 32-bit words.
TENSOR = (Tile(128, 128, 16, 64, 32), Tile(128, 64, 16, 32, 32), Tile(64, 64, 16, 32, 32), Tile(128, 32, 16, 32, 32),
          Tile(32, 32, 16, 16, 16))


def is_flat(window: Window) -> bool:
    """Whether convolution.cu takes it."""
    return len(window.size) <= 2


def _tensor(dtype: str) -> int:
    """What tensor cores multiply: 0 nothing (they are not used), 1 TF32, 2 floats of 16 bits. Those lose nothing there:
    their products are exact and added in float32, as without."""
    if dtype == "float64" or compute_capability() < 80:
        return 0
    return 2 if dtype in HALVES else {"float32": 0, "tf32": 1, "float16": 2}[precision()]


def _tile(dtype: str, rows: int, columns: int, least_blocks: int) -> Tile:
    """The largest tile that is not mostly empty and that cuts the product into enough blocks, or the smallest."""
    tiles = TENSOR if _tensor(dtype) else DOUBLE if dtype == "float64" else PLAIN
    for tile in tiles[:-1]:
        if 2 * rows > tile.rows and 2 * columns > tile.columns and _blocks(tile, rows, columns) >= least_blocks:
            return tile
    return tiles[-1]


def _blocks(tile: Tile, rows: int, columns: int) -> int:
    return -(-rows // tile.rows) * -(-columns // tile.columns)


def _launch(name: str, tile: Tile, rows: int, columns: int, layers: int, wide: tuple[bool, bool],
            *arguments: Any) -> Call:
    """The launch of a kernel of convolution.cu; `wide` tells whether the left operand, and the right one and the
    result, can be moved four values at a time."""
    dtype = arguments[0].dtype
    tensor = _tensor(dtype.name)
    threads = (tile.rows // tile.part_rows) * (tile.columns // tile.part_columns) * (32 if tensor else 1)
    return launch("convolution", name, dtype, (_blocks(tile, rows, columns), 1, layers), *arguments, block=threads,
                  TENSOR=tensor, TILE_M=tile.rows, TILE_N=tile.columns, TILE_K=tile.depth * max(tensor, 1),
                  PART_M=tile.part_rows, PART_N=tile.part_columns, VECTOR_A=4 if wide[0] else 1,
                  VECTOR_B=4 if wide[1] else 1)


def _moves_wide(*arrays: Any) -> bool:
    """Whether each array's last axis can be read four values at a time, from any place along the others."""
    return all(x.shape[-1] % 4 == 0 and x.strides[-1] == x.itemsize and address(x) % min(4 * x.itemsize, 16) == 0
               and all(s % (4 * x.itemsize) == 0 for s in x.strides[:-1]) for x in arrays)


def forward(window: Window, x: Any, kernel: Any, y: Any) -> list[Call]:
    """y = the convolution of x, with any strides, and the kernel."""
    rows, columns = size_of(y.shape[:-1]), y.shape[-1]
    if not y.size:
        return []
    tile = _tile(x.dtype.name, rows, columns, BUSY)
    wide = _moves_wide(x), _moves_wide(kernel, y)
    return [_launch("convolution", tile, rows, columns, 1, wide, x, kernel, y, x.shape[0], x.shape[-1],
                    columns, *element_strides(x), *window.geometry(x.shape[1:-1]))]


def input_gradient(window: Window, g: Any, kernel: Any, dx: Any) -> list[Call]:
    """dx from g, with any strides, and the kernel. The cells are dealt to the grid's layers by what their coordinates
    leave when divided by the strides."""
    if not dx.size:
        return []
    layers, columns = size_of(window.strides), dx.shape[-1]
    rows = dx.shape[0] * size_of(tuple(-(-n // s) for n, s in zip(dx.shape[1:-1], window.strides)))
    tile = _tile(g.dtype.name, rows, columns, -(-BUSY // layers))
    return [_launch("input_gradient", tile, rows, columns, layers, (_moves_wide(g), _moves_wide(kernel, dx)), g, kernel,
                    dx, dx.shape[0], columns, g.shape[-1], *element_strides(g), *window.geometry(dx.shape[1:-1]))]


def _shares(g: Any, kernel: Any) -> tuple[Tile, int, int]:
    """For the kernel's gradient: the tile, the positions that each part of the sum has, and the number of parts. It
    depends on the shapes alone, so that sums have the same order on every GPU of a kind."""
    rows, columns, lines = size_of(kernel.shape[:-1]), kernel.shape[-1], size_of(g.shape[:-1])
    dtype = str(g.dtype)
    tile = _tile(dtype, rows, columns, 1)
    most = min(-(-lines // LEAST), ROOM // (rows * columns * _sum_type(dtype).itemsize))
    parts = max(1, min(-(-2 * BUSY // _blocks(tile, rows, columns)), most))
    depth = tile.depth * max(_tensor(dtype), 1)
    share = max(-(-lines // (parts * depth)), 1) * depth
    return tile, share, max(1, -(-lines // share))


def _sum_type(dtype: str) -> np.dtype[Any]:
    return np.dtype("float64" if dtype == "float64" else "float32")


def kernel_gradient_room(g: Any, kernel: Any) -> list[Spec]:
    """The partial sums; a single number if there is one part only."""
    _, _, parts = _shares(g, kernel)
    shape = (parts, *kernel.shape) if parts > 1 else (1,)
    return [Spec(shape, _sum_type(str(g.dtype)).name)]


def kernel_gradient(window: Window, x: Any, g: Any, dk: Any, partial: Any) -> list[Call]:
    """dk from x, with any strides, and g: parts of the sum at the same time, which a second kernel adds in order."""
    if not dk.size:
        return []
    tile, share, parts = _shares(g, dk)
    rows, columns = size_of(dk.shape[:-1]), dk.shape[-1]
    wide = _moves_wide(x), _moves_wide(g, dk) and (parts == 1 or _moves_wide(partial))
    calls = [_launch("kernel_gradient", tile, rows, columns, parts, wide, x, g, dk, partial, x.shape[0], x.shape[-1],
                     columns, share, *element_strides(x), *window.geometry(x.shape[1:-1]))]
    if parts > 1:
        calls.append(launch("convolution", "add_parts", dk.dtype, blocks(dk.size), partial, dk, parts, dk.size))
    return calls


def im2col(window: Window, x: Any, columns: Any) -> list[Call]:
    """The windows of x, with any strides, as rows of a matrix."""
    if not columns.size:
        return []
    width = size_of(window.size) * x.shape[-1]
    return [launch("im2col", "im2col", x.dtype, max(blocks(columns.size), -(-width // BLOCK)), x, columns,
                   x.shape[0], x.shape[-1], *element_strides(x), *window.geometry(x.shape[1:-1]))]


def col2im(window: Window, columns: Any, x: Any) -> list[Call]:
    """Rows of a matrix, as `im2col` makes it, added up where they come from."""
    if not x.size:
        return []
    return [launch("im2col", "col2im", x.dtype, blocks(x.size), columns, x, x.shape[0], x.shape[-1],
                   *window.geometry(x.shape[1:-1]))]


def columns_room(window: Window, x: Spec) -> list[Spec]:
    """The columns of as many samples as ROOM holds."""
    per_sample = size_of(window.output_space(x.shape[1:-1])) * size_of((*window.size, x.shape[-1]))
    count = max(1, min(x.shape[0] or 0, ROOM // (np.dtype(x.dtype).itemsize * max(per_sample, 1))))
    return [Spec((count, per_sample), x.dtype)]


def by_columns(window: Window, product: str, x: Any, y: Any, kernel: Any, room: Any) -> list[Call]:
    """Any of the three (`product` names what is computed: 'y', 'x' or 'kernel') a few samples at a time."""
    matrix, calls = kernel.reshape(-1, kernel.shape[-1]), []
    if product == "kernel" and not y.size:
        return [(kernel.fill, (0,))]
    for start in range(0, x.shape[0], room.shape[0]):
        part = slice(start, min(start + room.shape[0], x.shape[0]))
        columns = room[:part.stop - start].reshape(-1, matrix.shape[0])
        rows = y[part].reshape(-1, matrix.shape[1])
        if product == "x":
            calls += [gemm(rows, matrix.T, columns), *col2im(window, columns, x[part])]
            continue
        calls += im2col(window, x[part], columns)
        calls.append(gemm(columns, matrix, rows) if product == "y" else gemm(columns.T, rows, matrix, float(start > 0)))
    return calls
