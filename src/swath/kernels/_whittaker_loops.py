"""The compiled loops of :func:`swath.kernels.whittaker`, each over blocks of pixels side by side.

The system is divided by the smoothness: (W / s + D'D) z = W y / s. Then the outermost band of D'D is 1 (order
2) or -1 (order 3), which saves a row of factors and its multiplications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Doubles = NDArray[np.float64]

# Measured with 138 images, order 2, weighted: 32 pixels 103, 64 pixels 182, 96 pixels 224, 128 pixels 266
# million pixel-dates per CPU-second; 192 pixels 304, but with order 3 they leave the second-level cache.
WIDTH = 128
"""Pixels of a block. A row that is given holds the values first (0 in a gap), then the weights."""
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)
# What a row of factors holds, each for all pixels: the solution, 1 / pivot, and two columns below the pivot,
# divided by the pivot and as they are; order 2 has one such column.
_Z, _INVERSE, _L1, _U1, _L2, _U2 = (slot * WIDTH for slot in range(6))
_PAD = 3
"""Rows of zeros before the first and after the last, for the times that the series does not have."""
_LARGEST_INVERSE = 1e10
"""Above this the pivot of an end that no observation holds has lost too many of its digits."""


@compiled
def whittaker_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    weights: Columns,
    bands: Doubles,
    smoothness: float,
    out: Columns,
) -> None:
    """Smooth columns ``begin:end`` into those from ``at`` on, all with the same smoothness."""
    times, order = series.shape[0], bands.shape[1] - 1
    factors = np.zeros((times + 2 * _PAD, 2 * order * WIDTH), np.float64)
    given = np.zeros(2 * WIDTH, np.float64)
    share = np.full(WIDTH, 1.0 / smoothness)
    seen = np.empty(WIDTH, np.float64)
    for first in range(begin, end, WIDTH):
        last = min(first + WIDTH, end)
        to = at + first - begin
        for p in range(WIDTH):
            seen[p] = 0.0
        for i in range(times):
            _take(series[i, first:last], weights[min(i, weights.shape[0] - 1)], to, given, seen)
            _eliminate(i, given, share, bands, factors)
        _substitute(times, order, factors)
        _write(times, order, seen, factors, out[:, to : to + last - first])


@compiled
def vcurve_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    weights: Columns,
    bands: Doubles,
    exponents: Doubles,
    out: Columns,
    chosen: Columns,
) -> None:
    """Smooth columns ``begin:end`` into those from ``at`` on, each with the smoothness of its V-curve."""
    times, order = series.shape[0], bands.shape[1] - 1
    factors = np.zeros((times + 2 * _PAD, 2 * order * WIDTH), np.float64)
    given = np.zeros((times, 2 * WIDTH), np.float64)
    share = np.empty(WIDTH, np.float64)
    seen = np.empty(WIDTH, np.float64)
    curve = np.empty((6, WIDTH), np.float64)
    for first in range(begin, end, WIDTH):
        last = min(first + WIDTH, end)
        to = at + first - begin
        for p in range(WIDTH):
            seen[p] = 0.0
            curve[4, p] = np.inf
            curve[5, p] = 0.5 * (exponents[-1] + exponents[-2])
        for i in range(times):
            _take(series[i, first:last], weights[min(i, weights.shape[0] - 1)], to, given[i], seen)
        for k in range(exponents.size + 1):
            for p in range(WIDTH):
                share[p] = 10.0 ** -(exponents[k] if k < exponents.size else curve[5, p])
            for i in range(times):
                _eliminate(i, given[i], share, bands, factors)
            _substitute(times, order, factors)
            if k < exponents.size:
                _measure(times, order, given, factors, curve)
                _compare(k, exponents, curve)
        _write(times, order, seen, factors, out[:, to : to + last - first])
        for p in range(last - first):
            chosen[to + p] = np.float32(10.0 ** curve[5, p]) if seen[p] >= order else _NAN


@compiled
def _take(row: Columns, weight: Columns, to: int, given: Doubles, seen: Doubles) -> None:
    """Copy a row as values and weights, and count the observations; without weights all count 1."""
    if weight.size:
        weight = weight[to : to + row.size]
        for p in range(row.size):
            # One condition without branches: gaps and weights come at random.
            clear = (weight[p] > np.float32(0.0)) & (weight[p] < _INF) & (abs(row[p]) < _INF)
            given[p] = np.float64(row[p] if clear else np.float32(0.0))
            given[p + WIDTH] = np.float64(weight[p] if clear else np.float32(0.0))
            seen[p] += 1.0 if clear else 0.0
    else:
        for p in range(row.size):
            clear = abs(row[p]) < _INF
            given[p] = np.float64(row[p] if clear else np.float32(0.0))
            given[p + WIDTH] = 1.0 if clear else 0.0
            seen[p] += 1.0 if clear else 0.0
    for p in range(row.size, WIDTH):
        given[p] = 0.0
        given[p + WIDTH] = 1.0


@compiled
def _eliminate(i: int, given: Doubles, share: Doubles, bands: Doubles, factors: Doubles) -> None:
    """Take the next row of the system into the factors L D L', and the right side with it."""
    here = factors[i + _PAD]
    one = factors[i + _PAD - 1]
    two = factors[i + _PAD - 2]
    three = factors[i + _PAD - 3]
    a = bands[i, 0]
    b = bands[i, 1]
    if bands.shape[1] == 3:
        for p in range(WIDTH):
            weight = share[p] * given[p + WIDTH]
            pivot = weight + a - one[_L1 + p] * one[_U1 + p] - two[_INVERSE + p]
            inverse = 1.0 / pivot
            below = b - one[_L1 + p]
            here[_Z + p] = weight * given[p] - one[_L1 + p] * one[_Z + p] - two[_INVERSE + p] * two[_Z + p]
            here[_INVERSE + p] = inverse
            here[_L1 + p] = below * inverse
            here[_U1 + p] = below
    else:
        c = bands[i, 2]
        for p in range(WIDTH):
            weight = share[p] * given[p + WIDTH]
            l1 = one[_L1 + p]
            l2 = two[_L2 + p]
            l3 = three[_INVERSE + p]
            inverse = 1.0 / (weight + a - l1 * one[_U1 + p] - l2 * two[_U2 + p] - l3)
            below = b - l1 * one[_U2 + p] + l2
            here[_Z + p] = weight * given[p] - l1 * one[_Z + p] - l2 * two[_Z + p] + l3 * three[_Z + p]
            here[_INVERSE + p] = inverse
            here[_L1 + p] = below * inverse
            here[_L2 + p] = (c + l1) * inverse
            here[_U1 + p] = below
            here[_U2 + p] = c + l1


@compiled
def _substitute(times: int, order: int, factors: Doubles) -> None:
    """Turn the right sides into the solution, from the end back."""
    for i in range(times - 1, -1, -1):
        here = factors[i + _PAD]
        one = factors[i + _PAD + 1]
        two = factors[i + _PAD + 2]
        three = factors[i + _PAD + 3]
        if order == 2:
            for p in range(WIDTH):
                here[p] = (here[p] - two[p]) * here[_INVERSE + p] - here[_L1 + p] * one[p]
        else:
            for p in range(WIDTH):
                here[p] = (
                    (here[p] + three[p]) * here[_INVERSE + p]
                    - here[_L1 + p] * one[p]
                    - here[_L2 + p] * two[p]
                )


@compiled
def _write(times: int, order: int, seen: Doubles, factors: Doubles, out: Columns) -> None:
    """Write the solution, where there are observations enough to hold it."""
    for i in range(max(times - order, 0), times):
        inverse = factors[i + _PAD, _INVERSE:]
        for p in range(WIDTH):
            seen[p] = seen[p] if 0.0 < inverse[p] < _LARGEST_INVERSE else 0.0
    for i in range(times):
        row = factors[i + _PAD]
        target = out[i]
        for p in range(target.size):
            target[p] = np.float32(row[p]) if seen[p] >= order else _NAN


@compiled
def _measure(times: int, order: int, given: Doubles, factors: Doubles, curve: Doubles) -> None:
    """Add up the squares of the weighted residuals (row 0) and of the differences (row 1)."""
    for p in range(WIDTH):
        curve[0, p] = 0.0
        curve[1, p] = 0.0
    for i in range(times):
        row = given[i]
        here = factors[i + _PAD]
        fit = curve[0]
        for p in range(WIDTH):
            fit[p] += row[p + WIDTH] * (row[p] - here[p]) ** 2
        if i < times - order:
            one = factors[i + _PAD + 1]
            two = factors[i + _PAD + 2]
            three = factors[i + _PAD + 3]
            rough = curve[1]
            if order == 2:
                for p in range(WIDTH):
                    rough[p] += (here[p] - 2.0 * one[p] + two[p]) ** 2
            else:
                for p in range(WIDTH):
                    rough[p] += (here[p] - 3.0 * (one[p] - two[p]) - three[p]) ** 2


@compiled
def _compare(k: int, exponents: Doubles, curve: Doubles) -> None:
    """Keep the middle between two candidates where the L-curve moved least from one to the other."""
    for p in range(WIDTH):
        fit = np.log(curve[0, p])
        rough = np.log(curve[1, p])
        if k > 0:
            step = exponents[k] - exponents[k - 1]
            speed = np.sqrt((fit - curve[2, p]) ** 2 + (rough - curve[3, p]) ** 2) / step
            if speed < curve[4, p]:
                curve[4, p] = speed
                curve[5, p] = 0.5 * (exponents[k] + exponents[k - 1])
        curve[2, p] = fit
        curve[3, p] = rough
