"""Filling the gaps of a series: seasonally weighted averages (SWAG), and straight lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.kernels import _device
from swath.kernels._columns import as_series, check_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

_MOST_DECIBEL = 2000.0
"""Beyond this the weights leave the range of float64, with the values that they multiply."""
_NARROW_DECIBEL = 150.0
"""Up to this the weights, and what they multiply, stay in the range of float32 with room to spare."""


def swag(
    series: ArrayLike,
    *,
    images_per_year: int,
    seasonal_attenuation_db: float = 60.0,
    trend_attenuation_db: float = 20.0,
    future_weight: float = 1.0,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fill each gap with the weighted mean of all observations of its pixel.

    Images of the same season count most, and near years more than far ones: with S images a year and T
    images in all, an observation at lag d has the weight

    ``log10 w(d) = -(2 a_s / (10 S)) min(k, S - k) - (a_e / 10) d / T``, where ``k = d mod S``,

    times ``future_weight`` when it is later than the gap.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        Evenly spaced in time, ``images_per_year`` a year; an observation is where it is finite. An array of
        CuPy is worked on where it lies, and so are the results.
    images_per_year : int, >= 1
        S, the length of the season in images.
    seasonal_attenuation_db : float, >= 0, dB
        a_s, how much less an observation of the opposite season counts.
    trend_attenuation_db : float, >= 0, dB
        a_e, how much less an observation at the other end of the series counts.
    future_weight : float, >= 0, 1
        What an observation after the gap counts against one before it; 0 uses the past alone.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    filled : (time, ...) float32, unit of ``series``
        Observations as they are, bit for bit; NaN where no observation has any weight.
    quality : (time, ...) float32, %
        100 where observed; in gaps the weight of the observations used, of that which all other images
        would have; NaN where none has any.

    Notes
    -----
    Memory: the two outputs and 4 kB for each image. Work: O(time x images_per_year) per pixel,
    by a recursion over the years that gives the T x T weighted sum exactly. Sums are float32 up to 150 dB in
    all, which costs a relative 2e-6 at most, and float64 beyond. The bytes depend neither on the processor
    nor on whether compiled or numba loops are used.

    References
    ----------
    Consoli et al. (2024), A computational framework for processing time-series of Earth observation data
    based on discrete convolution, the seasonally weighted average generalisation; reproduced in
    tests/kernels/test_fill.py::test_swag_is_the_weighted_mean_of_all_observations.

    Examples
    --------
    >>> series = np.array([1, 2, np.nan, 2, 1, 2], "f4")
    >>> filled, quality = swag(series, images_per_year=2)
    >>> filled.round(3)
    array([1., 2., 1., 2., 1., 2.], dtype=float32)
    >>> quality.round(3).min()
    np.float32(100.0)
    """
    _check_swag(images_per_year, seasonal_attenuation_db, trend_attenuation_db, future_weight)
    if on_device := _device.is_on_device(series):
        columns = _device.values_of(series, scale=scale, offset=offset, nodata=nodata)
        times = len(columns)
    else:
        given = as_series(series, scale=scale, offset=offset, nodata=nodata)
        times = given.times
    weights, rho, largest = _weights(
        times, int(images_per_year), seasonal_attenuation_db, trend_attenuation_db, future_weight
    )
    narrow = seasonal_attenuation_db + trend_attenuation_db <= _NARROW_DECIBEL
    real = np.float32 if narrow else np.float64
    weighing: tuple[Any, ...] = weights.astype(real), real(rho), real(future_weight), largest.astype(real)
    if on_device:
        made = _device.swag(columns, *weighing)
        return made[0].reshape(series.shape), made[1].reshape(series.shape)  # type: ignore[union-attr]
    filled, quality = given.empty(times), given.empty(times)
    given.for_blocks(_swag_loop(narrow=narrow), *weighing, filled, quality, threads=threads)
    return given.shaped(filled), given.shaped(quality)


def _weights(
    times: int, season: int, seasonal_db: float, trend_db: float, future_weight: float
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Give the weights of one year, what a year is worth of the next, and the largest weight at each time."""
    lag = np.arange(max(times, season), dtype=np.float64)
    turn = lag % season
    per_step = -2 * seasonal_db / (10 * season), -trend_db / (10 * max(times, 1))
    weights = 10 ** (per_step[0] * np.minimum(turn, season - turn) + per_step[1] * lag)
    # The largest weight at each time is that of all other times: those before it, and those after it.
    before = np.concatenate(([0.0], np.cumsum(weights[1:times])))[:times]
    return weights[:season], 10 ** (per_step[1] * season), before + future_weight * before[::-1]


def _swag_loop(*, narrow: bool) -> Callable[..., None]:
    """Choose the compiled C loop, where there is one and float32 is enough, else numba's."""
    from swath.kernels.native import native

    if narrow and (found := native()):
        return found.swag
    from swath.kernels._fill_loops import swag_columns

    return swag_columns


def _check_swag(season: int, seasonal_db: float, trend_db: float, future_weight: float) -> None:
    if season < 1 or season != int(season):
        raise ValueError(f"images_per_year: a whole number from 1 on is needed, got {season!r}")
    for name, value in (("seasonal_attenuation_db", seasonal_db), ("trend_attenuation_db", trend_db)):
        if not 0 <= value <= _MOST_DECIBEL:
            raise ValueError(f"{name}: must be between 0 and {_MOST_DECIBEL:g} dB, got {value!r}")
    if not 0 <= future_weight < np.inf:
        raise ValueError(f"future_weight: must be 0 or more, got {future_weight!r}")


def linear(
    series: ArrayLike,
    times: ArrayLike | None = None,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fill each gap on the straight line between the observations around it.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is where it is finite.
    times : (time,) float64, any unit, optional
        Strictly increasing; even steps unless given.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    filled : (time, ...) float32, unit of ``series``
        Observations as they are, bit for bit; before the first and after the last observation its value;
        NaN where a pixel has none.
    quality : (time, ...) float32, %
        100 where observed, else 100 / (1 + images to the nearest observation); NaN where there is none.

    Notes
    -----
    Memory: the two outputs and 6 kB for each image. Work: O(time) per pixel; interpolated in float64.

    Examples
    --------
    >>> filled, quality = linear(np.array([np.nan, 2, np.nan, np.nan, 8], "f4"))
    >>> filled
    array([2., 2., 4., 6., 8.], dtype=float32)
    >>> quality
    array([ 50., 100.,  50.,  50., 100.], dtype=float32)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    when = check_times(times, given.times, rising=True)

    from swath.kernels._fill_loops import linear_columns

    filled, quality = given.empty(given.times), given.empty(given.times)
    given.for_blocks(linear_columns, when, filled, quality, threads=threads)
    return given.shaped(filled), given.shaped(quality)
