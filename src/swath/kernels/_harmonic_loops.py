"""The compiled loops of :mod:`swath.kernels.harmonic`, each over blocks of pixels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Doubles = NDArray[np.float64]

WIDTH = 128
"""Pixels of a block."""
_STEP = 4
"""Times that are added in one pass over the sums, which saves three of four stores."""
_FEWEST_DIGITS = 1e-9
"""A pivot below this for each observation says that two terms cannot be told apart; each term is about 1."""
_INF = np.float32(np.inf)


@compiled
def harmonic_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    design: Doubles,
    middle: float,
    unit: float,
    trend: bool,  # noqa: FBT001 - numba has no keyword-only arguments
    coefficients: Columns,
    fitted: Columns,
    rmse: Columns,
    observations: Columns,
) -> None:
    """Regress columns ``begin:end`` on ``design`` (time, term), into those from ``at`` on.

    With a trend, the second term is (time - middle) / unit.
    """
    times, terms = design.shape
    rows = np.zeros(2 * _STEP * WIDTH, np.float64)
    # The normal equations, upper half, with the right side last.
    system = np.empty((terms, terms + 1, WIDTH), np.float64)
    seen = np.empty(WIDTH, np.float64)
    squares = np.empty(WIDTH, np.float64)
    line = np.empty(WIDTH, np.float64)
    for first in range(begin, end, WIDTH):
        last = min(first + WIDTH, end)
        to = at + first - begin
        for p in range(WIDTH):
            seen[p] = 0.0
            squares[p] = 0.0
        for i in range(0, times, _STEP):
            for k in range(_STEP):
                _take(series[min(i + k, times - 1), first:last], i + k < times, rows[2 * k * WIDTH :], seen)
            _add_products(rows, design, i, system)
        _solve(system, seen)
        for i in range(times):
            _predict(system, design[i], line)
            _compare(series[i, first:last], line, fitted[i, to : to + last - first], squares)
        for k in range(terms):
            beta = system[k, terms]
            step = system[1, terms]
            target = coefficients[k, to : to + last - first]
            size = 1.0 / unit if trend and k == 1 else 1.0
            back = middle / unit if trend and k == 0 else 0.0
            for p in range(target.size):
                target[p] = np.float32(size * beta[p] - back * step[p])
        for p in range(last - first):
            rmse[to + p] = np.float32(np.sqrt(squares[p] / seen[p]))
            observations[to + p] = np.float32(seen[p])


@compiled
def _take(row: Columns, inside: bool, target: Doubles, seen: Doubles) -> None:  # noqa: FBT001
    """Copy a row as values and weights, and count the observations; zeros beyond the last time."""
    limit = _INF if inside else np.float32(-1.0)
    for p in range(row.size):
        clear = abs(row[p]) < limit
        target[p] = np.float64(row[p] if clear else np.float32(0.0))
        target[p + WIDTH] = 1.0 if clear else 0.0
    for p in range(row.size):
        seen[p] += target[p + WIDTH]
    for p in range(row.size, WIDTH):
        target[p] = 0.0
        target[p + WIDTH] = 0.0


@compiled
def _add_products(rows: Doubles, design: Doubles, i: int, system: Doubles) -> None:
    """Add some times to the normal equations; the first ones start them."""
    times, terms = design.shape
    x = np.zeros(_STEP, np.float64)
    for a in range(terms):
        for b in range(a, terms + 1):
            for k in range(_STEP):
                at = min(i + k, times - 1)
                x[k] = design[at, a] * (design[at, b] if b < terms else 1.0)
            part = rows[WIDTH:] if b < terms else rows
            if i == 0:
                for p in range(WIDTH):
                    system[a, b, p] = 0.0
            _add(system[a, b], part, x[0], x[1], x[2], x[3])


@compiled
def _add(target: Doubles, rows: Doubles, a: float, b: float, c: float, d: float) -> None:
    """Add four rows, each times a factor."""
    for p in range(WIDTH):
        one = a * rows[p] + b * rows[p + 2 * WIDTH]
        two = c * rows[p + 4 * WIDTH] + d * rows[p + 6 * WIDTH]
        target[p] += one + two


@compiled
def _solve(system: Doubles, seen: Doubles) -> None:
    """Solve the equations by Cholesky's method without roots; NaN where they do not decide."""
    terms = system.shape[0]
    for k in range(terms):
        pivot = system[k, k]
        for p in range(WIDTH):
            inverse = 1.0 / pivot[p]
            decided = inverse if seen[p] >= terms else np.nan
            pivot[p] = decided if pivot[p] > _FEWEST_DIGITS * seen[p] else np.nan
        for lower in range(k + 1, terms):
            above = system[k, lower]
            for b in range(lower, terms + 1):
                _take_off(system[lower, b], above, pivot, system[k, b])
    for k in range(terms - 1, -1, -1):
        beta = system[k, terms]
        for later in range(k + 1, terms):
            above = system[k, later]
            known = system[later, terms]
            for p in range(WIDTH):
                beta[p] -= above[p] * known[p]
        pivot = system[k, k]
        for p in range(WIDTH):
            beta[p] *= pivot[p]


@compiled
def _take_off(target: Doubles, above: Doubles, pivot: Doubles, row: Doubles) -> None:
    """Take a row off another, so often that what is below the pivot becomes 0."""
    for p in range(WIDTH):
        target[p] -= above[p] * pivot[p] * row[p]


@compiled
def _predict(system: Doubles, x: Doubles, line: Doubles) -> None:
    """Add up the terms at one time."""
    terms = x.size
    for k in range(0, terms, 2):
        one = system[k, terms]
        two = system[min(k + 1, terms - 1), terms]
        a = x[k]
        b = x[k + 1] if k + 1 < terms else 0.0
        if k == 0:
            for p in range(WIDTH):
                line[p] = a * one[p] + b * two[p]
        else:
            for p in range(WIDTH):
                line[p] += a * one[p] + b * two[p]


@compiled
def _compare(row: Columns, line: Doubles, target: Columns, squares: Doubles) -> None:
    """Write the fitted values of a row, and add up the squares of what the observations differ."""
    for p in range(row.size):
        target[p] = np.float32(line[p])
        difference = np.float64(row[p]) - line[p]
        squares[p] += difference * difference if abs(row[p]) < _INF else 0.0
