"""The compiled loops of :mod:`swath.kernels.fill`, each over blocks of pixels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Reals = NDArray[np.float32] | NDArray[np.float64]

WIDTH = 256
"""Pixels of a block. A row of sums holds the weighted values first, then the weights."""
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)
_ALL = np.float32(100.0)
_ZERO = np.float32(0.0)
_ONE = np.float32(1.0)


@compiled
def swag_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    taps: Reals,
    rho: float,
    future_weight: float,
    largest: Reals,
    filled: Columns,
    quality: Columns,
) -> None:
    """Fill columns ``begin:end`` into those from ``at`` on: one sweep from the end, one from the start.

    ``ring[i % season]`` holds the sum over the years up to ``i`` of one season's observations, each year
    worth ``rho`` of the next; the taps add up the seasons of one year. Sums are of the taps' type, and in the
    order that _native/swag.c has them: both give the same bits.
    """
    times = series.shape[0]
    season = taps.size
    ring = np.empty((season, 2 * WIDTH), taps.dtype)
    ahead = np.empty((times, 2 * WIDTH), taps.dtype)
    past = np.empty(2 * WIDTH, taps.dtype)
    for first in range(begin, end, WIDTH):
        last = min(first + WIDTH, end)
        to = at + first - begin
        _clear(ring)
        for i in range(times - 1, -1, -1):
            if _take(series[i, first:last], rho, ring[i % season]):
                _add_taps(ring, i % season, 1, taps, ahead[i])
        _clear(ring)
        for i in range(times):
            row = series[i, first:last]
            target = filled[i, to : to + row.size]
            grade = quality[i, to : to + row.size]
            if _take(row, rho, ring[i % season]):
                _add_taps(ring, i % season, -1, taps, past)
                _write(row, past, ahead[i], future_weight, largest[i], target, grade)
            else:
                _keep(row, target, grade)


@compiled
def _clear(rows: Reals) -> None:
    """Set all to 0; loops compile in a tenth of the time that assigning to slices takes."""
    for i in range(rows.shape[0]):
        for p in range(rows.shape[1]):
            rows[i, p] = 0.0


@compiled
def _keep(row: Columns, target: Columns, grade: Columns) -> None:
    """Copy a row that has no gap."""
    for p in range(row.size):
        target[p] = row[p]
        grade[p] = _ALL


@compiled
def _take(row: Columns, rho: float, year: Reals) -> bool:
    """Age the sums of one season by a year and add a row to them; True when the row has a gap."""
    gaps = 0
    for p in range(row.size):
        year[p] = rho * year[p] + (row[p] if abs(row[p]) < _INF else _ZERO)
    for p in range(row.size):
        year[p + WIDTH] = rho * year[p + WIDTH] + (_ONE if abs(row[p]) < _INF else _ZERO)
    for p in range(row.size):
        gaps += 0 if abs(row[p]) < _INF else 1
    return gaps > 0


@compiled
def _add_taps(ring: Reals, slot: int, step: int, taps: Reals, target: Reals) -> None:
    """Weigh the seasons of one year, from a slot on (step 1) or back (step -1), into ``target``."""
    season = taps.size
    # Three taps in one pass over the row save two of three stores; those beyond the last count nothing.
    for k in range(0, season, 3):
        one = ring[(slot + step * k) % season]
        two = ring[(slot + step * (k + 1)) % season]
        three = ring[(slot + step * (k + 2)) % season]
        none = taps[0] - taps[0]
        u = taps[k]
        v = taps[k + 1] if k + 1 < season else none
        w = taps[k + 2] if k + 2 < season else none
        if k == 0:
            for q in range(2 * WIDTH):
                target[q] = (u * one[q] + v * two[q]) + w * three[q]
        else:
            for q in range(2 * WIDTH):
                target[q] += (u * one[q] + v * two[q]) + w * three[q]


@compiled
def _write(
    row: Columns,
    past: Reals,
    ahead: Reals,
    future_weight: float,
    largest: float,
    target: Columns,
    grade: Columns,
) -> None:
    """Divide the weighted sums where a row has gaps."""
    for p in range(row.size):
        clear = abs(row[p]) < _INF
        weight = past[p + WIDTH] + future_weight * ahead[p + WIDTH]
        value = np.float32((past[p] + future_weight * ahead[p]) / weight)
        share = np.float32(_ALL * weight / largest)
        # Rounding can lift the full weight just above itself.
        share = share if share < _ALL else _ALL
        target[p] = row[p] if clear else (value if weight > _ZERO else _NAN)
        grade[p] = _ALL if clear else (share if weight > _ZERO else _NAN)


@compiled
def linear_columns(
    series: Columns, begin: int, end: int, at: int, when: Doubles, filled: Columns, quality: Columns
) -> None:
    """Fill the columns ``begin:end`` between the observations at the times ``when``."""
    times = series.shape[0]
    following = np.empty((times, 3 * WIDTH), np.float64)
    before = np.empty(3 * WIDTH, np.float64)
    for first in range(begin, end, WIDTH):
        last = min(first + WIDTH, end)
        to = at + first - begin
        _forget(before, np.inf)
        for i in range(times - 1, -1, -1):
            _remember(series[i, first:last], i, when[i], before, following[i])
        _forget(before, -np.inf)
        for i in range(times):
            row = series[i, first:last]
            target = filled[i, to : to + row.size]
            grade = quality[i, to : to + row.size]
            _remember(row, i, when[i], before, before)
            _draw(row, i, when[i], before, following[i], target, grade)


@compiled
def _forget(known: Doubles, index: float) -> None:
    """Start without an observation: value and time unknown, its index beyond the end."""
    for p in range(WIDTH):
        known[p] = np.nan
        known[p + WIDTH] = index
        known[p + 2 * WIDTH] = np.nan


@compiled
def _remember(row: Columns, i: int, time: float, known: Doubles, target: Doubles) -> None:
    """Keep value, index and time of the observation last met, and write them to ``target``."""
    for p in range(row.size):
        target[p] = np.float64(row[p]) if abs(row[p]) < _INF else known[p]
        target[p + WIDTH] = np.float64(i) if abs(row[p]) < _INF else known[p + WIDTH]
        target[p + 2 * WIDTH] = time if abs(row[p]) < _INF else known[p + 2 * WIDTH]
        known[p] = target[p]
        known[p + WIDTH] = target[p + WIDTH]
        known[p + 2 * WIDTH] = target[p + 2 * WIDTH]


@compiled
def _draw(
    row: Columns, i: int, time: float, before: Doubles, after: Doubles, target: Columns, grade: Columns
) -> None:
    """Fill the gaps of a row on the line between the observations before and after it."""
    for p in range(row.size):
        clear = abs(row[p]) < _INF
        low = before[p]
        high = after[p]
        start = before[p + 2 * WIDTH]
        inner = low + (high - low) * ((time - start) / (after[p + 2 * WIDTH] - start))
        outer = high if before[p + WIDTH] < 0.0 else low
        ended = before[p + WIDTH] < 0.0 or after[p + WIDTH] == np.inf
        steps = min(i - before[p + WIDTH], after[p + WIDTH] - i)
        share = np.float32(100.0 / (1.0 + steps)) if steps < np.inf else _NAN
        target[p] = row[p] if clear else np.float32(outer if ended else inner)
        grade[p] = _ALL if clear else share
