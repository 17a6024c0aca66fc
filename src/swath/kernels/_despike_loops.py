"""The compiled loops of :mod:`swath.kernels.despike`, each over blocks of pixels side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._compile import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Index = NDArray[np.int64]

WIDTH = 128
"""Pixels of a block."""
_INF = np.float32(np.inf)
# What a row of the band holds, each for all pixels: its lower and upper edge, how far beyond is no spike yet,
# the observations, and what finding a rank needs.
_LOW, _HIGH, _REACH, _SEEN, _BELOW, _ABOVE, _RANK, _NEXT = (slot * WIDTH for slot in range(8))
_BAND = 8 * WIDTH


@compiled
def spike_columns(
    series: Columns,
    begin: int,
    end: int,
    at: int,
    half: int,
    network: Index,
    fractions: Doubles,
    deviations: bool,  # noqa: FBT001 - numba has no keyword-only arguments
    threshold: float,
    margin: float,
    fewest: float,
    despiked: Columns,
    spikes: NDArray[np.bool_],
) -> None:
    """Find the spikes of columns ``begin:end``, and write the series without them from ``at`` on.

    The band goes from one fraction of a window's observations to another, and ``threshold`` times beyond:
    times its own width, or times the median of the ``deviations`` from its lower edge.
    """
    times = series.shape[0]
    rows = np.empty((min(2 * half + 1, times), WIDTH), np.float64)
    band = np.empty(_BAND, np.float64)
    for first in range(begin, end, WIDTH):
        last = min(first + WIDTH, end)
        to = at + first - begin
        for i in range(times):
            start = max(i - half, 0)
            stop = min(i + half + 1, times)
            for p in range(WIDTH):
                band[_SEEN + p] = 0.0
            for k in range(rows.shape[0]):
                _take(series[min(start + k, times - 1), first:last], start + k < stop, rows[k], band)
            _sort(rows, network)
            _find(rows, fractions[0], band[_LOW:], band)
            if deviations:
                for p in range(WIDTH):
                    band[_HIGH + p] = band[_LOW + p]
                for k in range(rows.shape[0]):
                    row = rows[k]
                    for p in range(WIDTH):
                        row[p] = abs(row[p] - band[_LOW + p])
                _sort(rows, network)
                _find(rows, 0.5, band[_REACH:], band)
            else:
                _find(rows, fractions[1], band[_HIGH:], band)
                for p in range(WIDTH):
                    band[_REACH + p] = band[_HIGH + p] - band[_LOW + p]
            _mark(
                series[i, first:last],
                band,
                threshold,
                margin,
                fewest,
                despiked[i, to : to + last - first],
                spikes[i, to : to + last - first],
            )


@compiled
def _take(row: Columns, inside: bool, target: Doubles, band: Doubles) -> None:  # noqa: FBT001
    """Copy a row with gaps as infinite, which sort behind all values, and count its observations."""
    limit = _INF if inside else np.float32(-1.0)
    for p in range(row.size):
        target[p] = np.float64(row[p] if abs(row[p]) < limit else _INF)
    for p in range(row.size):
        band[_SEEN + p] += 1.0 if target[p] < np.inf else 0.0
    for p in range(row.size, WIDTH):
        target[p] = np.inf


@compiled
def _sort(rows: Doubles, network: Index) -> None:
    """Sort the rows of each pixel by the steps of a network."""
    for step in range(network.shape[0]):
        low = rows[network[step, 0]]
        high = rows[network[step, 1]]
        for p in range(WIDTH):
            a = low[p]
            b = high[p]
            low[p] = a if a < b else b
            high[p] = b if a < b else a


@compiled
def _find(rows: Doubles, fraction: float, target: Doubles, band: Doubles) -> None:
    """Interpolate between the two ranks around a fraction, as numpy's method ``linear``."""
    for p in range(WIDTH):
        highest = band[_SEEN + p] - 1.0
        position = fraction * highest
        rank = np.floor(position)
        band[_RANK + p] = rank
        band[_NEXT + p] = rank + 1.0 if rank < highest else highest
        target[p] = position - rank
        band[_BELOW + p] = 0.0
        band[_ABOVE + p] = 0.0
    for k in range(rows.shape[0]):
        row = rows[k]
        rank = np.float64(k)
        # All are loaded before one is chosen: a load that depends on the choice is a branch.
        for p in range(WIDTH):
            value = row[p]
            below = band[_BELOW + p]
            above = band[_ABOVE + p]
            band[_BELOW + p] = value if band[_RANK + p] == rank else below
            band[_ABOVE + p] = value if band[_NEXT + p] == rank else above
    for p in range(WIDTH):
        rest = target[p]
        step = band[_ABOVE + p] - band[_BELOW + p]
        early = band[_BELOW + p] + step * rest
        late = band[_ABOVE + p] - step * (1.0 - rest)
        target[p] = early if rest < 0.5 else late


@compiled
def _mark(
    row: Columns,
    band: Doubles,
    threshold: float,
    margin: float,
    fewest: float,
    target: Columns,
    spikes: NDArray[np.bool_],
) -> None:
    """Write a row without its spikes, and where they are."""
    for p in range(row.size):
        value = np.float64(row[p])
        reach = threshold * band[_REACH + p]
        reach = reach if reach > margin else margin
        under = band[_LOW + p] - value
        over = value - band[_HIGH + p]
        beyond = under if under > over else over
        seen = abs(row[p]) < _INF
        beyond = beyond if seen else -1.0
        beyond = beyond if band[_SEEN + p] >= fewest else -1.0
        spikes[p] = beyond > reach
        kept = value if seen else np.nan
        target[p] = np.float32(np.nan if beyond > reach else kept)
