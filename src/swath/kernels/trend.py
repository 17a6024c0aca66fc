"""Trends that outliers and gaps do not move: Theil-Sen slopes, their bounds, and the Mann-Kendall test."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._columns import as_series, check_times, sort_times

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def theil_sen(
    series: ArrayLike,
    times: ArrayLike,
    *,
    season: ArrayLike | int | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Estimate the median slope between all pairs of observations, and the line's intercept.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is where it is finite.
    times : (time,) float64, any unit, such as years
        When each image was taken; images of equal times are not compared. Counted from near the series
        (years since 2015, say) the intercept keeps its digits.
    season : (time,) integer, or int, optional
        Season of each image (below 0: left out), or the number S of images a year for ``i mod S``. Only
        observations of the same season are compared (Hirsch et al. 1982).
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    slope : (...) float32, unit of ``series`` per unit of ``times``
    intercept : (...) float32, unit of ``series``
        Value of the line at time 0: median value - slope x median time (Conover 1980). Both are NaN for
        fewer than 3 observations, or where no two can be compared.

    Notes
    -----
    Memory: 8 time^2 bytes of scratch for each thread. Work: O(time^2) per pixel.

    References
    ----------
    Sen (1968), Estimates of the regression coefficient based on Kendall's tau; Hirsch, Slack and Smith
    (1982), Techniques of trend analysis for monthly water quality data; checked against pymannkendall in
    tests/parity/test_kernels.py.

    Examples
    --------
    >>> slope, intercept = theil_sen(np.array([1, 3, np.nan, 7, 9, 100], "f4"), range(6))
    >>> slope.item(), intercept.item()
    (2.0, 1.0)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    years = check_times(times, given.times, rising=False)
    order, starts = _seasons(season, given.times)

    from swath.kernels._trend_loops import slope_columns

    slope, intercept = given.empty(), given.empty()
    given.for_blocks(slope_columns, years, order, starts, slope, intercept, threads=threads)
    return given.shaped(slope), given.shaped(intercept)


def theil_sen_interval(
    series: ArrayLike,
    times: ArrayLike,
    *,
    season: ArrayLike | int | None = None,
    confidence: float = 0.95,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Estimate the median slope between all pairs of observations, and its confidence interval.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is where it is finite.
    times : (time,) float64, any unit, such as years
        When each image was taken; images of equal times are not compared.
    season : (time,) integer, or int, optional
        As in `theil_sen`; the variances of the seasons are added.
    confidence : float, between 0 and 1
        Probability that the interval holds the true slope, when the residuals are independent.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    lower, slope, upper : (...) float32, unit of ``series`` per unit of ``times``
        ``slope`` is that of `theil_sen`. All are NaN for fewer than 3 observations, or where no two can
        be compared.

    Notes
    -----
    Of N slopes in order the bounds are number (N - C) / 2 and (N + C) / 2 + 1, rounded (half to even) and
    held within 1 to N. C = z sqrt(V), where z is the normal quantile of (1 + ``confidence``) / 2, and V the
    variance of Kendall's score of n observations, t of which share a value or a time:
    V = (n (n - 1) (2 n + 5) - sum t (t - 1) (2 t + 5)) / 18, and 0 where that is negative. The normal
    approximation is rough below 10 observations.

    Memory: 8 time^2 bytes of scratch for each thread. Work: O(time^2) per pixel.

    References
    ----------
    Sen (1968), Estimates of the regression coefficient based on Kendall's tau, eq. 2.6; Gilbert (1987),
    Statistical methods for environmental pollution monitoring, chapters 16 and 17 (the seasonal form);
    checked against scipy in tests/parity/test_kernels.py::test_intervals_are_scipys.

    Examples
    --------
    >>> series = np.array([1, 3, np.nan, 7, 9, 100, 13, 15, 17, 20], "f4")
    >>> [bound.item() for bound in theil_sen_interval(series, range(10), confidence=0.9)]
    [2.0, 2.0, 2.125]
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: must be between 0 and 1, got {confidence!r}")
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    years = check_times(times, given.times, rising=False)
    order, starts = _seasons(season, given.times)
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)

    from swath.kernels._trend_loops import interval_columns

    bounds = given.empty(3)
    given.for_blocks(interval_columns, years, order, starts, quantile, bounds, threads=threads)
    lower, slope, upper = given.shaped(bounds)
    return lower, slope, upper


def mann_kendall(
    series: ArrayLike,
    *,
    season: ArrayLike | int | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Test whether each pixel's series rises or falls throughout.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        In the order of time; an observation is where it is finite.
    season : (time,) integer, or int, optional
        Season of each image (below 0: left out), or the number S of images a year for ``i mod S``. The
        scores and variances of the seasons are added (Hirsch and Slack 1984).
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    z : (...) float32, 1
        Standard score with continuity correction, above 0 where the series rises; 0 for a constant series.
    p_value : (...) float32, 1
        Two-sided probability of such a score without a trend. Both are NaN for fewer than 3
        observations, or where no two can be compared.

    Notes
    -----
    Memory: the outputs. Work: O(time^2) per pixel. Ties lower the variance as Kendall (1975) has it.

    References
    ----------
    Hirsch and Slack (1984), A nonparametric trend test for seasonal data with serial dependence, eqs. 2-5;
    checked against pymannkendall in tests/parity/test_kernels.py.

    Examples
    --------
    >>> z, p_value = mann_kendall(np.array([1, 2, 3, np.nan, 5, 6, 7], "f4"))
    >>> round(z.item(), 4), round(p_value.item(), 4)
    (2.6301, 0.0085)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    order, starts = _seasons(season, given.times)

    from swath.kernels._trend_loops import kendall_columns

    z, p_value = given.empty(), given.empty()
    given.for_blocks(kendall_columns, order, starts, z, p_value, threads=threads)
    return given.shaped(z), given.shaped(p_value)


def _seasons(season: ArrayLike | int | None, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort the time axis by season; without one all times are of the same."""
    if season is None:
        season = 1
    if np.ndim(season) == 0:
        images = int(season)  # type: ignore[arg-type]
        if images < 1:
            raise ValueError(f"season: a number of images a year from 1 on is needed, got {season!r}")
        season = np.arange(count) % images
    index = np.asarray(season)
    highest = int(index.max()) + 1 if index.size and index.dtype.kind in "iu" else 1
    return sort_times(index, max(highest, 1), count, name="season")
