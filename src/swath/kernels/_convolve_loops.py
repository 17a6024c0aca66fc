"""The compiled loops of :mod:`swath.kernels.convolve`, each over blocks of pixels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Doubles = NDArray[np.float64]

# Measured with 138 images, 50 % gaps: 32 pixels 59, 64 pixels 77, 96 pixels 75, 128 pixels 87 million
# pixel-dates per CPU-second.
WIDTH = 128
"""Pixels of a block. A row of sums holds the weighted values first, then the weights."""
TILE = 4
"""Times that are added to as many sums in one pass, so that a value once loaded is used as often."""
_ROW = 2 * WIDTH
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)
_ALL = np.float32(100.0)


@compiled
def weigh_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    matrix: Doubles,
    largest: Doubles,
    keep: bool,  # noqa: FBT001 - numba has no keyword-only arguments
    filled: Columns,
    quality: Columns,
) -> None:
    """Fill or smooth columns ``begin:end`` into those from ``at`` on.

    ``matrix`` holds the weight of each time at each time, with rows and columns of zeros up to whole tiles.
    """
    times = series.shape[0]
    known = np.zeros(matrix.shape[1] * _ROW, np.float64)
    gaps = np.zeros(matrix.shape[0], np.int64)
    sums = np.empty(TILE * _ROW, np.float64)
    for first in range(begin, end, WIDTH):
        last = min(first + WIDTH, end)
        to = at + first - begin
        for i in range(times):
            gaps[i] = _take(series[i, first:last], known[i * _ROW : (i + 1) * _ROW])
        for i in range(0, times, TILE):
            needed = 0 if keep else 1
            for k in range(i, i + TILE):
                needed += gaps[k]
            if needed:
                for q in range(TILE * _ROW):
                    sums[q] = 0.0
                for j in range(0, matrix.shape[1], TILE):
                    _add_tile(matrix[i : i + TILE, j : j + TILE], known[j * _ROW : (j + TILE) * _ROW], sums)
            for k in range(i, min(i + TILE, times)):
                part = sums[(k - i) * _ROW : (k - i + 1) * _ROW]
                row = series[k, first:last]
                target = filled[k, to : to + row.size]
                _write(row, part, largest[k], keep, target, quality[k, to : to + row.size])


@compiled
def _take(row: Columns, target: Doubles) -> int:
    """Copy a row as values and weights, and count its gaps; beyond its end are none."""
    gaps = 0
    for p in range(row.size):
        clear = abs(row[p]) < _INF
        target[p] = np.float64(row[p] if clear else np.float32(0.0))
        target[p + WIDTH] = 1.0 if clear else 0.0
    for p in range(row.size):
        gaps += 0 if abs(row[p]) < _INF else 1
    for p in range(row.size, WIDTH):
        target[p] = 0.0
        target[p + WIDTH] = 0.0
    return gaps


@compiled
def _add_tile(w: Doubles, known: Doubles, sums: Doubles) -> None:
    """Add four times to the sums of four others: sixteen weights, which stay in registers."""
    a0, a1, a2, a3 = w[0, 0], w[0, 1], w[0, 2], w[0, 3]
    b0, b1, b2, b3 = w[1, 0], w[1, 1], w[1, 2], w[1, 3]
    c0, c1, c2, c3 = w[2, 0], w[2, 1], w[2, 2], w[2, 3]
    d0, d1, d2, d3 = w[3, 0], w[3, 1], w[3, 2], w[3, 3]
    for q in range(_ROW):
        x = known[q]
        y = known[q + _ROW]
        z = known[q + 2 * _ROW]
        v = known[q + 3 * _ROW]
        sums[q] += (a0 * x + a1 * y) + (a2 * z + a3 * v)
        sums[q + _ROW] += (b0 * x + b1 * y) + (b2 * z + b3 * v)
        sums[q + 2 * _ROW] += (c0 * x + c1 * y) + (c2 * z + c3 * v)
        sums[q + 3 * _ROW] += (d0 * x + d1 * y) + (d2 * z + d3 * v)


@compiled
def _write(
    row: Columns,
    part: Doubles,
    largest: float,
    keep: bool,  # noqa: FBT001
    target: Columns,
    grade: Columns,
) -> None:
    """Divide the weighted sums of a row, and grade its gaps."""
    for p in range(row.size):
        clear = abs(row[p]) < _INF
        weight = part[p + WIDTH]
        value = np.float32(part[p] / weight)
        # Rounding can lift the full weight just above itself.
        share = np.float32(min(100.0 * weight / largest, 100.0)) if weight > 0.0 else _NAN
        target[p] = row[p] if keep and clear else value
        grade[p] = _ALL if clear else share
