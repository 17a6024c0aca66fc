"""Seasons of a smooth series: when each starts, peaks and ends, and how large it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from swath.kernels._columns import as_series, check_times

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Seasons(NamedTuple):
    """What `phenology` measures, each (years x seasons, ...) float32, the seasons of a year side by side."""

    start: NDArray[np.float32]
    """Time at which the rising flank reaches the threshold, unit of the times."""
    peak: NDArray[np.float32]
    """Time of the largest value, the first of equal ones, unit of the times."""
    end: NDArray[np.float32]
    """Time at which the falling flank reaches the threshold, unit of the times."""
    length: NDArray[np.float32]
    """From start to end, unit of the times."""
    base: NDArray[np.float32]
    """Mean of the minima before and after the peak, unit of the series."""
    amplitude: NDArray[np.float32]
    """Largest value less the base, unit of the series."""
    integral: NDArray[np.float32]
    """Area between the curve and the base from start to end, unit of the series x unit of the times."""


def phenology(
    series: ArrayLike,
    times: ArrayLike | None = None,
    *,
    period: float,
    year_start: float | None = None,
    seasons: int = 2,
    threshold: float = 0.2,
    depth: float = 0.25,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> Seasons:
    """Measure the growing seasons of each year, by the share of their amplitude that the flanks reach.

    Parameters
    ----------
    series : (time, ...) float32, any quantity, such as a vegetation index
        Smoothed, and filled where that is wanted; an observation is where it is finite.
    times : (time,) float64, any unit, optional
        Strictly increasing, such as decimal years; even steps 0, 1, 2, ... unless given. Results are float32:
        counted from near the series (years since 2015, say) they keep their digits.
    period : float, > 0, unit of ``times``
        Length of a year: 1 for decimal years, the number of images a year for even steps.
    year_start : float, unit of ``times``, optional
        When the first year begins; at the first image unless given. A season belongs to the year of its peak.
    seasons : int, >= 1
        Largest number of seasons a year. Where there are more, those of the largest amplitude are kept.
    threshold : float, 0 to below 1, 1
        Share of the rise, or of the fall, at which a season starts, or ends.
    depth : float, 0.01 to 1, 1
        Share of the pixel's whole range (largest less smallest value) that the values must rise before a
        peak and fall after it; smaller swings belong to the season around them.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    Seasons
        Arrays (years x ``seasons``, ...) float32, where years is 1 + the whole years from ``year_start`` to
        the last image. Season k of year y is row y x ``seasons`` + k, in the order of the peaks. NaN where
        there is no such season, and where it has a gap between its two minima.

    Notes
    -----
    Along the series a peak counts once the values have fallen by ``depth`` x range below it, a minimum once
    they have risen by as much above it. A season is a peak P with the minima L before and R after it; before
    the first and after the last peak the smallest value up to the end of the series stands for the minimum.
    The series is a straight line between images. The season starts where the line was last at
    L + ``threshold`` (P - L) before the peak, and ends where it is first at R + ``threshold`` (P - R) after
    it; the base is (L + R) / 2, the amplitude P - base, the integral that of the line less the base.

    Memory: the outputs and 0.1 kB for each image. Work: O(time) per pixel; computed in float64.

    References
    ----------
    Jonsson and Eklundh (2004), TIMESAT, a program for analyzing time-series of satellite sensor data: start
    and end by amplitude, base level, amplitude and small integral; reproduced in
    tests/kernels/test_phenology.py::test_triangles_are_measured_exactly.

    Examples
    --------
    >>> found = phenology(np.array([0, 5, 10, 5, 0, 0, 5, 10, 5, 0], "f4"), period=5, seasons=1)
    >>> found.start, found.peak, found.end
    (array([0.4, 5.4], dtype=float32), array([2., 7.], dtype=float32), array([3.6, 8.6], dtype=float32))
    >>> found.amplitude, found.integral
    (array([10., 10.], dtype=float32), array([19.2, 19.2], dtype=float32))
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold: must be 0 or more and below 1, got {threshold!r}")
    if not 0.01 <= depth <= 1:
        raise ValueError(f"depth: must be between 0.01 and 1, got {depth!r}")
    if not 0 < period < np.inf:
        raise ValueError(f"period: must be above 0, got {period!r}")
    if year_start is not None and not np.isfinite(year_start):
        raise ValueError(f"year_start: must be finite, got {year_start!r}")
    if seasons < 1 or seasons != int(seasons):
        raise ValueError(f"seasons: a whole number from 1 on is needed, got {seasons!r}")
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    when = check_times(times, given.times, rising=True)
    begin = float(year_start if year_start is not None else when[0] if when.size else 0)
    years = max(0, 1 + int((when[-1] - begin) // period)) if when.size else 0

    from swath.kernels._phenology_loops import MEASURES, season_columns

    out = given.empty(MEASURES, years * int(seasons))
    options = begin, float(period), float(threshold), float(depth), int(seasons)
    given.for_blocks(season_columns, when, *options, out, threads=threads)
    return Seasons(*given.shaped(out))
