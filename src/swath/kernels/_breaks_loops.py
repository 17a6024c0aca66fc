"""The compiled loops of :mod:`swath.kernels.breaks`: fits over pixels side by side, sums pixel by pixel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._compile import compiled
from swath.kernels._trend_loops import between

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Index = NDArray[np.int64]
    Places = NDArray[np.int32]

WIDTH = 64
"""Pixels of a block: the sums of its regression lie in the first-level cache."""
SMALLEST_PIVOT = 1e-10
"""Share of a regressor that the others must leave unexplained, in squares."""
ROUNDING = 2.0**-24
"""Noise that float32 values have at least, of the largest of them."""
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)


@compiled
def watch_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    design: Doubles,
    start: int,
    stop: int,
    reach: float,
    bandwidth: float,
    critical: float,
    image: Places,
    magnitude: Columns,
    strength: Columns,
    history: Places,
) -> None:
    """Fit the times ``start:stop`` and write where later residuals leave the boundary.

    A ``reach`` above 0 is the boundary of the test that makes the history shorter where it is not stable;
    a ``bandwidth`` of 0 takes cumulative sums.
    """
    times = series.shape[0]
    starts = np.empty(WIDTH, np.int64)
    residuals = np.empty((times, WIDTH), np.float64)
    sigma = np.empty(WIDTH, np.float64)
    seen = np.empty(WIDTH, np.int64)
    sums = np.empty(times + 1, np.float64)
    places = np.empty(times + 1, np.int64)
    later = np.empty(times, np.float64)
    kept = np.empty(times, np.float64)
    for first in range(begin, end, WIDTH):
        width = min(WIDTH, end - first)
        to = at + first - begin
        for p in range(WIDTH):
            starts[p] = start
            if reach > 0.0 and p < width:
                starts[p] = _reach_back(series[:, first + p], design, start, stop, reach, sums, places)
        _fit(series, first, width, design, starts, stop, residuals, sigma, seen)
        for p in range(width):
            image[to + p] = -1
            magnitude[to + p] = _NAN
            strength[to + p] = _NAN
            total = _add_up(residuals, p, starts[p], sums, places)
            history[to + p] = places[1] if sigma[p] > 0.0 else -1
            known = seen[p]
            window = math.floor(bandwidth * known)
            if sigma[p] > 0.0 and total > known and (bandwidth == 0.0 or window > 1):
                unit = sigma[p] * math.sqrt(known)
                crossed, ratio = _watch(sums, known, total, window, unit, critical)
                image[to + p] = places[crossed] if crossed > 0 else -1
                strength[to + p] = ratio
                for j in range(known, total):
                    later[j - known] = residuals[places[j + 1], p]
                size = total - known
                magnitude[to + p] = between(later, size, (size - 1) // 2, size // 2, kept)


@compiled
def _watch(
    sums: Doubles, known: int, total: int, window: int, unit: float, critical: float
) -> tuple[int, float]:
    """Give the first observation beyond the boundary, or 0, and the largest share of the boundary."""
    crossed = 0
    most = 0.0
    for j in range(known + 1, total + 1):
        x = j / known
        if window > 0:
            moved = abs(sums[j] - sums[j - window]) / unit
            boundary = critical * math.sqrt(2.0 * math.log(max(x, math.e)))
        else:
            moved = abs(sums[j]) / unit
            boundary = math.sqrt(x * (x - 1.0) * (critical * critical + math.log(x / (x - 1.0))))
        most = max(most, moved / boundary)
        if moved > boundary and crossed == 0:
            crossed = j
    return crossed, most


@compiled
def stability_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    design: Doubles,
    bandwidth: float,
    statistic: Doubles,
    image: Places,
) -> None:
    """Fit all times and write the largest sum of residuals, and where it is; 0: cumulative sums."""
    times = series.shape[0]
    starts = np.zeros(WIDTH, np.int64)
    residuals = np.empty((times, WIDTH), np.float64)
    sigma = np.empty(WIDTH, np.float64)
    seen = np.empty(WIDTH, np.int64)
    sums = np.empty(times + 1, np.float64)
    places = np.empty(times + 1, np.int64)
    for first in range(begin, end, WIDTH):
        width = min(WIDTH, end - first)
        to = at + first - begin
        _fit(series, first, width, design, starts, times, residuals, sigma, seen)
        for p in range(width):
            image[to + p] = -1
            statistic[to + p] = np.nan
            total = _add_up(residuals, p, 0, sums, places)
            window = math.floor(bandwidth * total)
            if sigma[p] > 0.0 and (bandwidth == 0.0 or window > 1):
                most = -1.0
                last = 0
                for j in range(max(window, 1), total + 1):
                    moved = abs(sums[j] - (sums[j - window] if window > 0 else 0.0))
                    last = j if moved > most else last
                    most = max(most, moved)
                statistic[to + p] = most / (sigma[p] * math.sqrt(total))
                image[to + p] = places[last]


@compiled
def _reach_back(
    column: NDArray[np.float32],
    design: Doubles,
    start: int,
    stop: int,
    reach: float,
    sums: Doubles,
    places: Index,
) -> int:
    """Give the time from which on a history is stable: cumulative sums of recursive residuals, from its end.

    Each observation is rotated into the triangle of those before it (Givens); what is left of its value is
    its recursive residual, unless it was needed to determine the fit.
    """
    terms = design.shape[1]
    triangle = np.zeros((terms, terms + 1), np.float64)
    row = np.empty(terms + 1, np.float64)
    count = 0
    mean = 0.0
    square = 0.0
    most = 0.0
    sums[0] = 0.0
    before = stop
    for i in range(stop - 1, start - 1, -1):
        value = column[i]
        if abs(value) < _INF:
            for a in range(terms):
                row[a] = design[i, a]
            row[terms] = value
            most = max(most, abs(np.float64(value)))
            if not _rotate(triangle, row):
                count += 1
                places[count] = before
                sums[count] = sums[count - 1] + row[terms]
                step = float(row[terms]) - mean
                mean += step / count
                square += step * (float(row[terms]) - mean)
            before = i
    if count < 2:
        return start
    unit = max(math.sqrt(square / (count - 1)), ROUNDING * most, 1e-38) * math.sqrt(count)
    for j in range(1, count + 1):
        if abs(sums[j]) / unit > reach * (1.0 + 2.0 * j / count):
            return int(places[j])
    return start


@compiled
def _rotate(triangle: Doubles, row: Doubles) -> bool:
    """Rotate a row into a triangle (term, term and right side); its last element stays.

    True when it was needed: when the rows before it did not determine what it asks for.
    """
    terms = triangle.shape[0]
    size = 0.0
    for a in range(terms):
        size += row[a] * row[a]
    needed = False
    for a in range(terms):
        if row[a] * row[a] > 1e-18 * size:
            needed = needed or triangle[a, a] == 0.0
            length = math.sqrt(triangle[a, a] * triangle[a, a] + row[a] * row[a])
            cosine = triangle[a, a] / length
            sine = row[a] / length
            for b in range(a, terms + 1):
                before = triangle[a, b]
                triangle[a, b] = cosine * before + sine * row[b]
                row[b] = cosine * row[b] - sine * before
    return needed


@compiled
def _add_up(residuals: Doubles, p: int, start: int, sums: Doubles, places: Index) -> int:
    """Write the running sums of one pixel's residuals, and the time of each; give how many there are."""
    total = 0
    sums[0] = 0.0
    for i in range(start, residuals.shape[0]):
        value = residuals[i, p]
        if not np.isnan(value):
            total += 1
            sums[total] = sums[total - 1] + value
            places[total] = i
    return total


@compiled
def _fit(
    series: Columns,
    first: int,
    width: int,
    design: Doubles,
    starts: Index,
    stop: int,
    residuals: Doubles,
    sigma: Doubles,
    seen: Index,
) -> None:
    """Fit the times ``starts:stop`` by least squares and write the residuals of all times.

    ``sigma`` is the residuals' standard deviation, NaN where the fit is not determined; ``seen`` counts the
    observations fitted.
    """
    terms = design.shape[1]
    normal = np.zeros((terms + 1, terms + 1, WIDTH), np.float64)
    sound = np.ones(WIDTH, np.float64)
    most = np.zeros(WIDTH, np.float64)
    square = np.zeros(WIDTH, np.float64)
    _add_normal(series, first, width, design, starts, stop, normal, seen, most)
    _factor(normal, sound)
    _substitute(normal)
    for i in range(series.shape[0]):
        row = series[i, first : first + width]
        target = residuals[i]
        for p in range(width):
            target[p] = row[p] if abs(row[p]) < _INF else np.nan
        for a in range(terms):
            _add(target, -design[i, a], normal[a, terms])
        if i < stop:
            for p in range(width):
                fitted = (i >= starts[p]) & (not np.isnan(target[p]))
                square[p] += target[p] * target[p] if fitted else 0.0
    for p in range(width):
        freedom = seen[p] - terms
        # A history without noise has that of its rounding, so that no sum is divided by nothing.
        noise = max(math.sqrt(square[p] / max(freedom, 1)), ROUNDING * most[p], 1e-38)
        sigma[p] = noise if freedom > 0 and sound[p] > 0.0 else np.nan


@compiled
def _add(target: Doubles, factor: float, row: Doubles) -> None:
    """Add a multiple of a row of pixels."""
    for p in range(WIDTH):
        target[p] += factor * row[p]


@compiled
def _add_normal(
    series: Columns,
    first: int,
    width: int,
    design: Doubles,
    starts: Index,
    stop: int,
    normal: Doubles,
    seen: Index,
    most: Doubles,
) -> None:
    """Add up the normal equations of the times ``starts:stop``, the right side as their last row."""
    terms = design.shape[1]
    mark = np.zeros(WIDTH, np.float64)
    value = np.zeros(WIDTH, np.float64)
    for p in range(WIDTH):
        seen[p] = 0
    for i in range(min(starts), stop):
        row = series[i, first : first + width]
        for p in range(width):
            clear = (abs(row[p]) < _INF) & (i >= starts[p])
            mark[p] = 1.0 if clear else 0.0
            value[p] = row[p] if clear else 0.0
            most[p] = max(most[p], abs(value[p]))
            seen[p] += 1 if clear else 0
        for a in range(terms):
            for b in range(a + 1):
                _add(normal[a, b], design[i, a] * design[i, b], mark)
            _add(normal[terms, a], design[i, a], value)


@compiled
def _factor(normal: Doubles, sound: Doubles) -> None:
    """Factor the normal equations of all pixels by Cholesky's method, in place.

    ``sound`` becomes 0 where a regressor is explained by the others.
    """
    terms = normal.shape[0] - 1
    whole = np.empty(WIDTH, np.float64)
    for a in range(terms + 1):
        for b in range(min(a + 1, terms)):
            target = normal[a, b]
            for p in range(WIDTH):
                whole[p] = target[p]
            for c in range(b):
                _take_product(target, normal[a, c], normal[b, c])
            if a == b:
                for p in range(WIDTH):
                    clear = target[p] > SMALLEST_PIVOT * whole[p]
                    sound[p] = sound[p] if clear else 0.0
                    target[p] = math.sqrt(target[p]) if clear else 1.0
            else:
                for p in range(WIDTH):
                    target[p] /= normal[b, b, p]


@compiled
def _substitute(normal: Doubles) -> None:
    """Write the solution of the factored equations into the last column."""
    terms = normal.shape[0] - 1
    for b in range(terms - 1, -1, -1):
        target = normal[b, terms]
        for p in range(WIDTH):
            target[p] = normal[terms, b, p]
        for c in range(b + 1, terms):
            _take_product(target, normal[c, b], normal[c, terms])
        for p in range(WIDTH):
            target[p] /= normal[b, b, p]


@compiled
def _take_product(target: Doubles, one: Doubles, two: Doubles) -> None:
    """Subtract the product of two rows of pixels."""
    for p in range(WIDTH):
        target[p] -= one[p] * two[p]
