"""The compiled loops of :mod:`swath.kernels.phenology`, pixel by pixel."""

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

START, PEAK, END, LENGTH, BASE, AMPLITUDE, INTEGRAL = range(7)
"""Rows of what is measured of a season."""
MEASURES = 7
_INF = np.float32(np.inf)
_NAN = np.float32(np.nan)
_UNKNOWN, _RISING, _FALLING = range(3)


@compiled
def season_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    when: Doubles,
    year_start: float,
    period: float,
    threshold: float,
    depth: float,
    seasons: int,
    out: NDArray[np.float32],
) -> None:
    """Write what is measured of the seasons of each column into ``out`` (measure, season, pixel)."""
    times = series.shape[0]
    values = np.empty(times, np.float64)
    places = np.empty(times, np.int64)
    peaks = np.empty(times, np.int64)
    lows = np.empty((2, times + 1), np.int64)
    found = np.empty((MEASURES, times), np.float64)
    for pixel in range(begin, end):
        to = at + pixel - begin
        for measure in range(MEASURES):
            for slot in range(out.shape[1]):
                out[measure, slot, to] = _NAN
        size = 0
        lowest = np.inf
        highest = -np.inf
        for i in range(times):
            value = series[i, pixel]
            if abs(value) < _INF:
                values[size] = value
                places[size] = i
                size += 1
                lowest = min(lowest, np.float64(value))
                highest = max(highest, np.float64(value))
        if highest > lowest:
            count = _turns(values, size, depth * (highest - lowest), peaks, lows)
            for k in range(count):
                _measure(values, places, when, lows[1, k], peaks[k], lows[0, k + 1], threshold, found[:, k])
            _place(found, count, year_start, period, seasons, out[:, :, to])


@compiled
def _turns(values: Doubles, size: int, swing: float, peaks: Index, lows: Index) -> int:
    """List peaks, and the minima before, between and after them (first and last of equal ones).

    A peak counts once the values have fallen by ``swing`` below it, a minimum once they have risen so far.
    """
    state = _UNKNOWN
    count = 0
    high = 0
    low = 0
    last = 0
    for i in range(size):
        value = values[i]
        if state != _RISING:
            low = i if value < values[low] else low
            last = i if value == values[low] else last
            if value >= values[low] + swing:
                lows[0, count] = low
                lows[1, count] = last
                state = _RISING
                high = i
        if state != _FALLING:
            high = i if value > values[high] else high
            if value <= values[high] - swing:
                if state == _RISING:
                    peaks[count] = high
                    count += 1
                state = _FALLING
                low = i
                last = i
    if state == _FALLING:
        lows[0, count] = low
        lows[1, count] = last
    return count


@compiled
def _measure(
    values: Doubles,
    places: Index,
    when: Doubles,
    left: int,
    peak: int,
    right: int,
    threshold: float,
    season: Doubles,
) -> None:
    """Measure the season around a peak between two minima; its times are NaN when it has a gap."""
    top = values[peak]
    base = 0.5 * (values[left] + values[right])
    rise = values[left] + threshold * (top - values[left])
    fall = values[right] + threshold * (top - values[right])
    i = peak
    while values[i] > rise:
        i -= 1
    j = peak
    while values[j] > fall:
        j += 1
    start = _crossing(values, places, when, i, i + 1, rise)
    end = _crossing(values, places, when, j - 1, j, fall)
    area = 0.0
    before = start
    height = rise - base
    for k in range(i + 1, j):
        time = when[places[k]]
        area += 0.5 * (time - before) * (height + values[k] - base)
        before = time
        height = values[k] - base
    area += 0.5 * (end - before) * (height + fall - base)
    whole = 1.0 if places[right] - places[left] == right - left else np.nan
    season[START] = start * whole
    season[PEAK] = when[places[peak]]
    season[END] = end * whole
    season[LENGTH] = (end - start) * whole
    season[BASE] = base * whole
    season[AMPLITUDE] = top - base
    season[INTEGRAL] = area * whole


@compiled
def _crossing(values: Doubles, places: Index, when: Doubles, i: int, j: int, level: float) -> float:
    """Interpolate when a level is crossed between two observations."""
    share = (level - values[i]) / (values[j] - values[i])
    return float(when[places[i]] + share * (when[places[j]] - when[places[i]]))


@compiled
def _place(
    found: Doubles,
    count: int,
    year_start: float,
    period: float,
    seasons: int,
    out: NDArray[np.float32],
) -> None:
    """Write the seasons of each year in order of time; the largest ones where there are too many."""
    used = 0
    year = -1
    for k in range(count):
        here = _year(found[PEAK, k], year_start, period)
        if here != year:
            used = 0
            year = here
        larger = 0
        for other in range(count):
            if _year(found[PEAK, other], year_start, period) == here:
                more = found[AMPLITUDE, other] - found[AMPLITUDE, k]
                larger += 1 if more > 0.0 or (more == 0.0 and other < k) else 0
        slot = here * seasons + used
        if here >= 0 and larger < seasons and slot < out.shape[1]:
            used += 1
            for measure in range(MEASURES):
                whole = not np.isnan(found[START, k])
                out[measure, slot] = found[measure, k] if whole else _NAN


@compiled
def _year(time: float, year_start: float, period: float) -> int:
    """Count the years before a time."""
    return math.floor((time - year_start) / period)
