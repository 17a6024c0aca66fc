"""The compiled loops of :mod:`swath.kernels.composite`, each over blocks of pixels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Index = NDArray[np.int64]

WIDTH = 64
"""Pixels of a block: its rows lie in the first-level cache, and fill whole vector registers."""
_SUM, _MEAN, _COUNT, _MIN, _MAX = range(5)
"""What :func:`reduce_rows` can do, as :mod:`swath.kernels.composite` numbers it."""

_NAN = np.float32(np.nan)
_INF = np.float32(np.inf)


@compiled
def reduce_rows(
    series: Columns, begin: int, end: int, at: int, order: Index, starts: Index, code: int, out: Columns
) -> None:
    """Write the sum, mean, count, minimum or maximum of each group into ``out`` (group, pixel)."""
    total = np.empty(WIDTH, np.float64)
    seen = np.empty(WIDTH, np.float64)
    sign = np.float64(-1.0 if code == _MAX else 1.0)
    for group in range(starts.size - 1):
        for first in range(begin, end, WIDTH):
            width = min(WIDTH, end - first)
            to = at + first - begin
            for p in range(width):
                seen[p] = 0.0
                total[p] = np.inf if code >= _MIN else 0.0
            for member in range(starts[group], starts[group + 1]):
                row = series[order[member], first : first + width]
                if code >= _MIN:
                    for p in range(width):
                        clear = abs(row[p]) < _INF
                        value = sign * row[p] if clear else np.inf
                        total[p] = value if value < total[p] else total[p]
                        seen[p] += 1.0 if clear else 0.0
                else:
                    for p in range(width):
                        clear = abs(row[p]) < _INF
                        total[p] += row[p] if clear else 0.0
                        seen[p] += 1.0 if clear else 0.0
            target = out[group, to : to + width]
            for p in range(width):
                value = total[p] / seen[p] if code == _MEAN else sign * total[p]
                target[p] = value if seen[p] > 0 else _NAN
                if code == _COUNT:
                    target[p] = seen[p]


@compiled
def reduce_order(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    order: Index,
    starts: Index,
    backwards: bool,  # noqa: FBT001 - numba has no keyword-only arguments
    out: Columns,
) -> None:
    """Write the first or last clear observation of each group into ``out`` (group, pixel)."""
    for group in range(starts.size - 1):
        target = out[group, at : at + end - begin]
        for p in range(target.size):
            target[p] = _NAN
        size = starts[group + 1] - starts[group]
        for step in range(size):
            member = starts[group + 1] - 1 - step if backwards else starts[group] + step
            row = series[order[member], begin:end]
            for p in range(row.size):
                if abs(row[p]) < _INF and np.isnan(target[p]):
                    target[p] = row[p]


@compiled
def reduce_ranks(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    order: Index,
    starts: Index,
    networks: Index,
    network_starts: Index,
    fraction: float,
    out: Columns,
) -> None:
    """Write a quantile of each group into ``out`` (group, pixel); gaps sort behind all values."""
    longest = 0
    for group in range(starts.size - 1):
        longest = max(longest, starts[group + 1] - starts[group])
    rows = np.empty((longest, WIDTH), np.float32)
    seen = np.empty(WIDTH, np.int64)
    for group in range(starts.size - 1):
        size = starts[group + 1] - starts[group]
        for first in range(begin, end, WIDTH):
            width = min(WIDTH, end - first)
            to = at + first - begin
            for p in range(width):
                seen[p] = 0
            for member in range(size):
                row = series[order[starts[group] + member], first : first + width]
                target = rows[member]
                for p in range(width):
                    clear = abs(row[p]) < _INF
                    target[p] = row[p] if clear else _INF
                    seen[p] += 1 if clear else 0
            for step in range(network_starts[group], network_starts[group + 1]):
                low = rows[networks[step, 0]]
                high = rows[networks[step, 1]]
                for p in range(WIDTH):
                    a = low[p]
                    b = high[p]
                    low[p] = a if a < b else b
                    high[p] = b if a < b else a
            for p in range(width):
                out[group, to + p] = _at_fraction(rows, p, seen[p], fraction)


@compiled
def _at_fraction(rows: Columns, p: int, size: int, fraction: float) -> np.float32:
    """Interpolate between the two ranks around a fraction, as numpy's method ``linear``."""
    if size == 0:
        return _NAN
    position = fraction * (size - 1)
    below = int(position)
    rest = position - below
    low = np.float64(rows[below, p])
    high = np.float64(rows[min(below + 1, size - 1), p])
    value = low + (high - low) * rest if rest < 0.5 else high - (high - low) * (1.0 - rest)
    return np.float32(value)


@compiled
def reduce_weighted(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    order: Index,
    starts: Index,
    networks: Index,
    network_starts: Index,
    weights: Columns,
    shared: bool,  # noqa: FBT001 - numba has no keyword-only arguments
    out: Columns,
) -> None:
    """Write the weighted median of each group into ``out`` (group, pixel).

    ``weights`` is (time, pixel of the result), or (time, 1) when all pixels share them.
    """
    longest = 0
    for group in range(starts.size - 1):
        longest = max(longest, starts[group + 1] - starts[group])
    rows = np.empty((longest, 2 * WIDTH), np.float32)
    for group in range(starts.size - 1):
        size = starts[group + 1] - starts[group]
        for first in range(begin, end, WIDTH):
            width = min(WIDTH, end - first)
            to = at + first - begin
            for member in range(size):
                image = order[starts[group] + member]
                row = series[image, first : first + width]
                target = rows[member]
                if shared:
                    for p in range(width):
                        target[p + WIDTH] = weights[image, 0]
                else:
                    for p in range(width):
                        target[p + WIDTH] = weights[image, to + p]
                for p in range(width):
                    weight = target[p + WIDTH]
                    clear = (abs(row[p]) < _INF) & (weight > np.float32(0.0)) & (weight < _INF)
                    target[p] = row[p] if clear else _INF
                    target[p + WIDTH] = weight if clear else np.float32(0.0)
            for step in range(network_starts[group], network_starts[group + 1]):
                _order(rows[networks[step, 0]], rows[networks[step, 1]])
            _halve(rows, size, out[group, to : to + width])


@compiled
def _order(low: Columns, high: Columns) -> None:
    """Put two rows of values in order, pixel by pixel, and with them the weights in their second half."""
    for p in range(WIDTH):
        a = low[p]
        b = high[p]
        u = low[p + WIDTH]
        v = high[p + WIDTH]
        low[p] = a if a < b else b
        high[p] = b if a < b else a
        low[p + WIDTH] = u if a < b else v
        high[p + WIDTH] = v if a < b else u


@compiled
def _halve(rows: Columns, size: int, target: Columns) -> None:
    """Write the mean of the values at which half of the weight is reached, and exceeded."""
    half = np.zeros(WIDTH, np.float64)
    before = np.zeros(WIDTH, np.float64)
    lower = np.full(WIDTH, np.nan)
    upper = np.full(WIDTH, np.nan)
    for member in range(size):
        for p in range(WIDTH):
            half[p] += 0.5 * rows[member, p + WIDTH]
    for member in range(size):
        row = rows[member]
        for p in range(WIDTH):
            after = before[p] + row[p + WIDTH]
            reached = (before[p] < half[p]) & (half[p] <= after)
            exceeded = (before[p] <= half[p]) & (half[p] < after)
            lower[p] = row[p] if reached else lower[p]
            upper[p] = row[p] if exceeded else upper[p]
            before[p] = after
    for p in range(target.size):
        target[p] = 0.5 * (lower[p] + upper[p])


@compiled
def choose_medoids(
    series: NDArray[np.float32],
    begin: int,
    end: int,
    at: int,
    order: Index,
    starts: Index,
    out: NDArray[np.float32],
) -> None:
    """Write the medoid of each group into ``out`` (band, group, pixel)."""
    bands = series.shape[0]
    longest = 0
    for group in range(starts.size - 1):
        longest = max(longest, starts[group + 1] - starts[group])
    far = np.empty((longest, WIDTH), np.float64)
    square = np.empty(WIDTH, np.float64)
    for group in range(starts.size - 1):
        members = order[starts[group] : starts[group + 1]]
        for first in range(begin, end, WIDTH):
            width = min(WIDTH, end - first)
            to = at + first - begin
            block = series[:, :, first : first + width]
            _add_distances(block, members, far, square)
            for p in range(width):
                best = -1
                for member in range(members.size):
                    if far[member, p] < (np.inf if best < 0 else far[best, p]):
                        best = member
                for band in range(bands):
                    out[band, group, to + p] = block[band, members[best], p] if best >= 0 else _NAN


@compiled
def _add_distances(
    block: NDArray[np.float32],
    members: Index,
    far: NDArray[np.float64],
    square: NDArray[np.float64],
) -> None:
    """Add up the distances of each member of a group to the others; infinite for one that is not clear."""
    bands, _, width = block.shape
    for one in range(members.size):
        _mark_gaps(block[:, members[one]], far[one])
        for two in range(one):
            for p in range(width):
                square[p] = 0.0
            for band in range(bands):
                row = block[band, members[one]]
                other = block[band, members[two]]
                for p in range(width):
                    difference = np.float64(row[p]) - np.float64(other[p])
                    square[p] += difference * difference
            for p in range(width):
                # A gap is infinite or NaN here, and must add nothing to the clear one.
                distance = np.sqrt(square[p]) if square[p] < np.inf else 0.0
                far[one, p] += distance
                far[two, p] += distance


@compiled
def _mark_gaps(spectra: NDArray[np.float32], far: NDArray[np.float64]) -> None:
    """Start the sum of distances: 0, and infinite where a band (band, pixel) has a gap."""
    for p in range(spectra.shape[1]):
        far[p] = 0.0
        for band in range(spectra.shape[0]):
            far[p] += 0.0 if abs(spectra[band, p]) < _INF else np.inf
