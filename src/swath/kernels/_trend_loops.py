"""The compiled loops of :mod:`swath.kernels.trend`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

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
def _compare(values: Columns) -> tuple[int, int]:
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
    times = order.size
    pairs = 0
    for group in range(starts.size - 1):
        size = starts[group + 1] - starts[group]
        pairs += size * (size - 1) // 2
    slopes = np.empty(max(pairs, times), np.float64)
    values = np.empty(times, np.float64)
    when = np.empty(times, np.float64)
    stacked = (slopes, values, when)
    middle = np.empty(3, np.float64)
    for pixel in range(begin, end):
        to = at + pixel - begin
        seen = 0
        count = 0
        for group in range(starts.size - 1):
            first = seen
            for k in range(starts[group], starts[group + 1]):
                value = series[order[k], pixel]
                values[seen] = value
                when[seen] = years[order[k]]
                seen += 1 if abs(value) < _INF else 0
            count = _slopes(values[first:seen], when[first:seen], slopes, count)
        if seen < FEWEST or count == 0:
            slope[to] = _NAN
            intercept[to] = _NAN
            continue
        for k in range(3):  # one place that calls it, and not three, compiles twice as fast
            middle[k] = _median(stacked[k], count if k == 0 else seen)
        slope[to] = middle[0]
        intercept[to] = middle[1] - middle[0] * middle[2]


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
def _median(values: Doubles, count: int) -> float:
    """Find the median of the first ``count`` values, whose order it changes."""
    low = (count - 1) // 2
    high = count // 2
    while count > 4 * _SAMPLE:
        floor, ceiling = _bracket(values, count)
        below = 0
        within = 0
        for i in range(count):
            below += 1 if values[i] < floor else 0
            within += 1 if values[i] <= ceiling else 0
        within -= below
        if low < below or high >= below + within or within > count // 2:
            break  # the guess was wrong, or many are equal: search all that is left
        kept = 0
        for i in range(count):
            value = values[i]
            values[kept] = value
            kept += 1 if floor <= value <= ceiling else 0
        count = within
        low -= below
        high -= below
    upper = _select(values, high, count)
    lower = upper
    if low < high:
        lower = values[0]
        for i in range(1, high):
            lower = max(lower, values[i])
    return 0.5 * (lower + upper)


@compiled
def _bracket(values: Doubles, count: int) -> tuple[float, float]:
    """Guess two values that the median lies between, from an even sample."""
    sample = np.empty(_SAMPLE, np.float64)
    for i in range(_SAMPLE):
        sample[i] = values[i * count // _SAMPLE]
    # Ranks spread by sqrt(128) / 2 = 5.7 around the middle: 16 is nearly three times that.
    ceiling = _select(sample, _SAMPLE // 2 + 16, _SAMPLE)
    floor = _select(sample, _SAMPLE // 2 - 17, _SAMPLE // 2 + 16)
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
