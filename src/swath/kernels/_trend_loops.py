"""The compiled loops of :mod:`swath.kernels.trend`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Index = NDArray[np.int64]

FEWEST = 3
"""Observations that a trend needs."""
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)
_SAMPLE = 128
"""Values that are looked at to guess where the median lies; more than four times as many are worth it."""


@compiled
def kendall_columns(
    series: Columns, begin: int, end: int, at: int, order: Index, starts: Index, z: Columns, p_value: Columns
) -> None:
    """Write the Mann-Kendall score and its two-sided probability for each column."""
    values = np.empty(series.shape[0], np.float32)
    for pixel in range(begin, end):
        to = at + pixel - begin
        score = 0
        variance = 0.0
        seen = 0
        largest = 0
        for group in range(starts.size - 1):
            size = 0
            for member in range(starts[group], starts[group + 1]):
                value = series[order[member], pixel]
                values[size] = value
                size += 1 if abs(value) < _INF else 0
            rises, ties = _compare(values[:size])
            score += rises
            variance += (size * (size - 1) * (2 * size + 5) - ties) / 18.0
            seen += size
            largest = max(largest, size)
        if seen < FEWEST or largest < 2:
            z[to] = _NAN
            p_value[to] = _NAN
            continue
        # The score moves in steps of two: one towards 0 is the continuity correction.
        standard = (score - np.sign(score)) / math.sqrt(variance) if score != 0 else 0.0
        z[to] = standard
        p_value[to] = math.erfc(abs(standard) / math.sqrt(2.0))


@compiled
def _compare(values: NDArray[Any]) -> tuple[int, int]:
    """Count rises less falls over all pairs, and the ties' part t (t - 1) (2 t + 5) of the variance."""
    score = 0
    ties = 0
    for i in range(values.size - 1):
        here = values[i]
        higher = 0
        lower = 0
        for j in range(i + 1, values.size):
            higher += 1 if values[j] > here else 0
            lower += 1 if values[j] < here else 0
        score += higher - lower
        # A tie of t values is met with t - 1, t - 2, ... equals still to come: the steps add up to its part.
        t = values.size - 1 - i - higher - lower
        ties += (t + 1) * t * (2 * t + 7) - t * (t - 1) * (2 * t + 5)
    return score, ties


@compiled
def slope_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    years: Doubles,
    order: Index,
    starts: Index,
    slope: Columns,
    intercept: Columns,
) -> None:
    """Write the Theil-Sen slope and intercept of each column."""
    slopes = np.empty(_most_pairs(starts), np.float64)
    kept = np.empty(slopes.size, np.float64)
    values = np.empty(order.size, np.float64)
    when = np.empty(order.size, np.float64)
    stacked = (slopes, values, when)
    middle = np.empty(3, np.float64)
    sizes = np.empty(starts.size, np.int64)
    for pixel in range(begin, end):
        to = at + pixel - begin
        seen, count = _gather(series, pixel, years, order, starts, values, when, sizes, slopes)
        if seen < FEWEST or count == 0:
            slope[to] = _NAN
            intercept[to] = _NAN
            continue
        for k in range(3):  # one place that calls it, and not three, compiles twice as fast
            size = count if k == 0 else seen
            middle[k] = between(stacked[k], size, (size - 1) // 2, size // 2, kept)
        slope[to] = middle[0]
        intercept[to] = middle[1] - middle[0] * middle[2]


@compiled
def interval_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    years: Doubles,
    order: Index,
    starts: Index,
    quantile: float,
    bounds: Columns,
) -> None:
    """Write lower bound, median and upper bound of the slopes into ``bounds`` (3, pixel)."""
    slopes = np.empty(_most_pairs(starts), np.float64)
    kept = np.empty(slopes.size, np.float64)
    values = np.empty(order.size, np.float64)
    when = np.empty(order.size, np.float64)
    sizes = np.empty(starts.size, np.int64)
    ranks = np.empty((3, 2), np.int64)
    for pixel in range(begin, end):
        to = at + pixel - begin
        seen, count = _gather(series, pixel, years, order, starts, values, when, sizes, slopes)
        if seen < FEWEST or count == 0:
            for k in range(3):
                bounds[k, to] = _NAN
            continue
        half = quantile * math.sqrt(_variance(values, when, sizes)) / 2.0
        for k in range(2):
            ranks[0, k] = max(int(np.rint(0.5 * count - half)) - 1, 0)
            ranks[1, k] = (count - 1 + k) // 2
            ranks[2, k] = min(int(np.rint(0.5 * count + half)), count - 1)
        for k in range(3):
            bounds[k, to] = between(slopes, count, ranks[k, 0], ranks[k, 1], kept)


@compiled
def _most_pairs(starts: Index) -> int:
    """Count the pairs within the seasons when nothing is missing; at least the number of times."""
    pairs = 0
    for group in range(starts.size - 1):
        size = starts[group + 1] - starts[group]
        pairs += size * (size - 1) // 2
    return max(pairs, int(starts[-1]))


@compiled
def _gather(
    series: Columns,
    pixel: int,
    years: Doubles,
    order: Index,
    starts: Index,
    values: Doubles,
    when: Doubles,
    sizes: Index,
    slopes: Doubles,
) -> tuple[int, int]:
    """List one column's observations season by season, and the slopes within each; give both numbers."""
    seen = 0
    count = 0
    for group in range(starts.size - 1):
        first = seen
        for k in range(starts[group], starts[group + 1]):
            value = series[order[k], pixel]
            values[seen] = value
            when[seen] = years[order[k]]
            seen += 1 if abs(value) < _INF else 0
        sizes[group] = seen - first
        count = _slopes(values[first:seen], when[first:seen], slopes, count)
    return seen, count


@compiled
def _variance(values: Doubles, when: Doubles, sizes: Index) -> float:
    """Add up the seasons' variances of Kendall's score, less the part of ties in values and in times."""
    total = 0
    first = 0
    for group in range(sizes.size - 1):
        size = sizes[group]
        total += size * (size - 1) * (2 * size + 5)
        total -= _compare(values[first : first + size])[1] + _compare(when[first : first + size])[1]
        first += size
    return max(total, 0) / 18.0


@compiled
def _slopes(values: Doubles, when: Doubles, slopes: Doubles, count: int) -> int:
    """Append the slopes between all pairs of different times; give the new number of slopes."""
    for i in range(values.size - 1):
        equal = 0
        for j in range(i + 1, values.size):
            step = when[j] - when[i]
            slopes[count + j - i - 1] = (values[j] - values[i]) / step
            equal += 1 if step == 0.0 else 0
        if equal == 0:
            count += values.size - 1 - i
            continue
        for j in range(i + 1, values.size):
            step = when[j] - when[i]
            slopes[count] = (values[j] - values[i]) / step
            count += 1 if step != 0.0 else 0
    return count


@compiled
def between(values: Doubles, count: int, low: int, high: int, kept: Doubles) -> float:
    """Give the mean of the values of two ranks, equal or neighbours, of the first ``count`` values.

    They stay as they are; ``kept`` has room for as many.
    """
    source = values
    while count > 4 * _SAMPLE:
        floor, ceiling = _bracket(source, count, low)
        below = 0
        within = 0
        for i in range(count):
            below += 1 if source[i] < floor else 0
            within += 1 if source[i] <= ceiling else 0
        within -= below
        if low < below or high >= below + within or within > count // 2:
            break  # the guess was wrong, or many are equal: search all that is left
        filled = 0
        for i in range(count):
            value = source[i]
            kept[filled] = value
            filled += 1 if floor <= value <= ceiling else 0
        source = kept
        count = within
        low -= below
        high -= below
    for i in range(count):
        kept[i] = source[i]
    upper = _select(kept, high, count)
    lower = upper
    if low < high:
        lower = kept[0]
        for i in range(1, high):
            lower = max(lower, kept[i])
    return 0.5 * (lower + upper)


@compiled
def _bracket(values: Doubles, count: int, rank: int) -> tuple[float, float]:
    """Guess two values that the value of a rank lies between, from an even sample."""
    sample = np.empty(_SAMPLE, np.float64)
    for i in range(_SAMPLE):
        sample[i] = values[i * count // _SAMPLE]
    # Ranks spread by sqrt(128) / 2 = 5.7 at most around the true one: 16 is nearly three times that.
    middle = rank * _SAMPLE // count
    floor = -np.inf
    ceiling = np.inf
    if middle + 16 < _SAMPLE:
        ceiling = _select(sample, middle + 16, _SAMPLE)
    if middle >= 17:
        floor = _select(sample, middle - 17, min(middle + 16, _SAMPLE))
    return floor, ceiling


@compiled
def _select(values: Doubles, rank: int, count: int) -> float:
    """Put the value of a rank in its place, the smaller ones before it (Hoare 1961); give that value."""
    first = 0
    last = count - 1
    while first < last:
        middle = (first + last) // 2
        a, b, c = values[first], values[middle], values[last]
        pivot = max(min(a, b), min(max(a, b), c))
        i = first
        j = last
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if rank <= j:
            last = j
        elif rank >= i:
            first = i
        else:
            break
    return float(values[rank])
