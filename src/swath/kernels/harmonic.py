"""Seasons as sums of waves: least-squares harmonic regression of series with gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from swath.kernels._columns import as_series, check_times

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Harmonic(NamedTuple):
    """What `harmonic` found; all but the observations are NaN where it could not be decided."""

    coefficients: NDArray[np.float32]
    """(term, ...) float32: level at time 0 and slope per unit of time, then cosine and sine of each wave."""
    fitted: NDArray[np.float32]
    """(time, ...) float32, unit of the series: the curve at each time."""
    rmse: NDArray[np.float32]
    """(...) float32, unit of the series: root of the mean squared difference to the observations."""
    observations: NDArray[np.float32]
    """(...) float32, 1: number of observations."""


def harmonic(
    series: ArrayLike,
    times: ArrayLike | None = None,
    *,
    period: float,
    harmonics: int = 1,
    trend: bool = True,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> Harmonic:
    """Fit a level, a line and waves of the season to the observations of each pixel.

    ``y(t) = a + b t + sum over h of c_h cos(2 pi h t / period) + s_h sin(2 pi h t / period)``

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is where it is finite.
    times : (time,) float64, any unit, optional
        When each image was taken, in any order; 0, 1, 2, ... unless given. Counted from near the series
        (years since 2015, say) the level at time 0 keeps its digits.
    period : float, > 0, unit of ``times``
        Length of the season.
    harmonics : int, >= 1
        Number of waves: a season, a half, a third of it, ...
    trend : bool
        False leaves out the line, ``b``.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    Harmonic
        ``coefficients`` (1 + trend + 2 harmonics, ...) as ``a, b, c_1, s_1, c_2, s_2, ...``, ``fitted``
        (time, ...), ``rmse`` (...) and ``observations`` (...), float32. A wave's amplitude is
        ``hypot(c, s)``, its greatest value comes at ``arctan2(s, c) / (2 pi h) * period``. NaN for pixels
        with fewer observations than coefficients, or whose observations do not tell two terms apart (waves
        of more than half the images of a season, all observations at the same time).

    Raises
    ------
    ValueError
        ``period`` is not above 0, ``harmonics`` is below 1, or ``times`` are not finite or of another number.

    Notes
    -----
    Memory: the outputs, and 1 kB for each pair of terms. Work: O(time x terms^2) per pixel; the normal
    equations are solved in float64, with the line centred on the series.

    References
    ----------
    Jakubauskas, Legates and Kastens (2001), Harmonic analysis of time-series AVHRR NDVI data; least squares
    as numpy's, checked in tests/kernels/test_harmonic.py::test_the_curve_is_that_of_least_squares.

    Examples
    --------
    >>> month = np.arange(24)
    >>> series = (5 + 2 * np.sin(2 * np.pi * month / 12)).astype("f4")
    >>> series[[3, 4, 11]] = np.nan
    >>> found = harmonic(series, month, period=12, trend=False)
    >>> (found.coefficients.round(4) + 0).tolist(), found.observations.item()
    ([5.0, 0.0, 2.0], 21.0)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    when = check_times(times, given.times, rising=False)
    if not 0 < period < np.inf:
        raise ValueError(f"period: must be above 0, got {period!r}")
    if harmonics != int(harmonics) or harmonics < 1:
        raise ValueError(f"harmonics: a whole number from 1 on is needed, got {harmonics!r}")
    middle, unit = _span(when)
    turns = 2 * np.pi * np.outer(when / period, np.arange(1, int(harmonics) + 1))
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=-1).reshape(len(when), 2 * int(harmonics))
    line = [(when - middle) / unit] if trend else []
    design = np.column_stack([np.ones(len(when)), *line, waves])

    from swath.kernels._harmonic_loops import harmonic_columns

    found = Harmonic(given.empty(design.shape[1]), given.empty(given.times), given.empty(), given.empty())
    if given.times:
        given.for_blocks(harmonic_columns, design, middle, unit, bool(trend), *found, threads=threads)
    else:
        found.coefficients.fill(np.nan)
        found.rmse.fill(np.nan)
        found.observations.fill(0)
    return Harmonic._make(given.shaped(each) for each in found)


def _span(when: NDArray[np.float64]) -> tuple[float, float]:
    """Give the middle of some times and half their length, by which they go from -1 to 1."""
    if not len(when):
        return 0.0, 1.0
    first, last = float(when.min()), float(when.max())
    return (first + last) / 2, (last - first) / 2 or 1.0
