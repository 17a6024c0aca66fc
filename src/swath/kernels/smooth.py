"""Smoothing of series with gaps: local polynomials (Savitzky-Golay), and penalised least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._columns import as_series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_HIGHEST_ORDER = 4
"""Beyond it the normal equations of a window with gaps lose the digits of float32."""
_MOST_SMOOTH = 1e9
"""Beyond it float64 loses the observations beside the differences; the result is a line long before."""


def savitzky_golay(
    series: ArrayLike,
    *,
    window: int,
    order: int = 2,
    keep_observed: bool = False,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Replace each value by that of a polynomial fitted to the observations around it.

    At the ends of the series the window stays where it still lies within, and the polynomial is read off
    its middle; a window longer than the series is cut to the series.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        Evenly spaced in time; an observation is where it is finite.
    window : int, odd, >= 1
        Images that a polynomial is fitted to, as many before as after.
    order : int, 0 to 4, below ``window``
        Order of the polynomial; with n observations in the window n - 1 at most.
    keep_observed : bool
        True to fill the gaps alone and to leave observations as they are, bit for bit.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    (time, ...) float32, unit of ``series``
        Gaps are filled too; NaN where the window has no observation.

    Raises
    ------
    ValueError
        ``window`` is even or below 1, or ``order`` is not from 0 to 4 and below ``window``.

    Notes
    -----
    Memory: the output and 3 kB for each image of the window. Work: O(time x window) per pixel; sums are
    float64. A gap at the edge of its observations is extrapolated: for series with many gaps take a window
    with some times ``order`` observations, or order 1.

    References
    ----------
    Savitzky and Golay (1964), Smoothing and differentiation of data by simplified least squares procedures;
    without gaps the same as scipy.signal.savgol_filter with mode="interp", checked in
    tests/parity/test_smoothers.py.

    Examples
    --------
    >>> series = np.array([0, 1, np.nan, 9, 16, 25], "f4")
    >>> savitzky_golay(series, window=5).round(4)
    array([ 0.,  1.,  4.,  9., 16., 25.], dtype=float32)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    if window < 1 or window % 2 != 1:
        raise ValueError(f"window: an odd number from 1 on is needed, got {window!r}")
    if order != int(order) or not 0 <= order <= min(_HIGHEST_ORDER, window - 1):
        most = min(_HIGHEST_ORDER, int(window) - 1)
        raise ValueError(f"order: a whole number from 0 to {most} is needed, got {order!r}")
    taps = _polynomial_taps(given.times, int(window), int(order))
    out = given.empty(given.times)

    from swath.kernels._smooth_loops import polynomial_columns

    if given.times:
        given.for_blocks(polynomial_columns, int(order), taps, bool(keep_observed), out, threads=threads)
    return given.shaped(out)


def whittaker(
    series: ArrayLike,
    *,
    smoothness: float = 10.0,
    order: int = 2,
    weights: ArrayLike | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Smooth each series by penalised least squares, and fill its gaps.

    The result z is where ``sum w (y - z)^2 + smoothness * sum (difference of z of an order)^2`` is least.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        Evenly spaced in time; an observation is where it is finite.
    smoothness : float, above 0 and up to 1e9, 1
        What the differences count against the residuals.
    order : int, 2 or 3
        Order of the differences; a straight line (2) or a parabola (3) is not penalised.
    weights : (time, ...) float32, >= 0, 1, optional
        What each observation counts, 1 unless given; one of 0 or below, or not finite, is left out.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    (time, ...) float32, unit of ``series``
        NaN for pixels with fewer than ``order`` observations, or where those are so near to each other, and
        ``smoothness`` so large, that float64 does not hold the line through them to the ends.

    Raises
    ------
    ValueError
        ``smoothness`` is not above 0 or too large, ``order`` is not 2 or 3, or ``weights`` has another shape.

    Notes
    -----
    Memory: the output, 4 to 6 kB for each image, and the weights once more unless they are float32 and
    contiguous. Work: O(time) per pixel; the banded system is solved in float64. Measured with as few
    observations as ``order``, of up to 1000 images: within 3e-5 of the largest value for order 2; for order 3
    within 2e-3 up to a smoothness of 1e6, and 4e-2 at 1e8.

    References
    ----------
    Eilers (2003), A perfect smoother, eqs. 3-6; reproduced in tests/kernels/test_smooth.py::
    test_whittaker_solves_the_penalised_least_squares, checked against vam.whittaker in
    tests/parity/test_smoothers.py.

    Examples
    --------
    >>> whittaker(np.array([1, 2, np.nan, 4, 50, 6], "f4"), smoothness=1e4, weights=[1, 1, 1, 1, 0, 1]).round(
    ...     3
    ... )
    array([1., 2., 3., 4., 5., 6.], dtype=float32)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    if not 0 < smoothness <= _MOST_SMOOTH:
        raise ValueError(f"smoothness: must be above 0 and up to {_MOST_SMOOTH:g}, got {smoothness!r}")
    bands, each = _penalty(given.times, order), _weights(weights, given.array.shape)
    out = given.empty(given.times)

    from swath.kernels._whittaker_loops import whittaker_columns

    given.for_blocks(whittaker_columns, each, bands, float(smoothness), out, threads=threads)
    return given.shaped(out)


def whittaker_auto(
    series: ArrayLike,
    *,
    exponents: ArrayLike | None = None,
    order: int = 2,
    weights: ArrayLike | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Smooth each series as `whittaker` does, with a smoothness chosen for each pixel by the V-curve.

    From one candidate to the next the logarithms of fit and roughness move along a curve; half-way between
    the two candidates where they move least, per step, is the smoothness.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        Evenly spaced in time; an observation is where it is finite.
    exponents : (candidate,) float64, 1, optional
        log10 of the candidates, two or more that rise, from -9 to 9; -1 to 4 by 0.2 unless given.
    order : int, 2 or 3
        Order of the differences.
    weights : (time, ...) float32, >= 0, 1, optional
        What each observation counts, 1 unless given; one of 0 or below, or not finite, is left out.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    smoothed : (time, ...) float32, unit of ``series``
        NaN where `whittaker` gives NaN.
    smoothness : (...) float32, 1
        That which was chosen; where the curve has no slowest place, as for a straight line, the largest.

    Raises
    ------
    ValueError
        ``exponents`` are fewer than two, do not rise, or leave -9 to 9; otherwise as `whittaker`.

    Notes
    -----
    Memory: as `whittaker`, and 2 kB for each image. Work: that of `whittaker` times the candidates.

    References
    ----------
    Frasso and Eilers (2015), L- and V-curves for optimal smoothing, section 3; reproduced in
    tests/kernels/test_smooth.py::test_the_v_curve_chooses_where_the_l_curve_moves_least, checked against
    vam.whittaker in tests/parity/test_smoothers.py.

    Examples
    --------
    >>> smoothed, smoothness = whittaker_auto(np.array([1, 3, 2, 4, 3, 5], "f4"), exponents=[0, 2])
    >>> round(smoothness.item(), 3)
    10.0
    >>> bool((np.diff(smoothed) > 0).all())
    True
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    steps = np.arange(-5, 21) / 5 if exponents is None else np.array(exponents, np.float64)
    if steps.ndim != 1 or steps.size < 2 or not (np.diff(steps) > 0).all() or np.abs(steps).max() > 9:
        raise ValueError(f"exponents: two or more from -9 to 9 that rise are needed, got {exponents!r}")
    bands, each = _penalty(given.times, order), _weights(weights, given.array.shape)
    out, chosen = given.empty(given.times), given.empty()

    from swath.kernels._whittaker_loops import vcurve_columns

    given.for_blocks(vcurve_columns, each, bands, steps, out, chosen, threads=threads)
    return given.shaped(out), given.shaped(chosen)


def _penalty(times: int, order: int) -> NDArray[np.float64]:
    """Give the diagonals (time, order + 1) of the differences' D'D, from the main one upwards."""
    if order not in (2, 3):
        raise ValueError(f"order: must be 2 or 3, got {order!r}")
    signs = np.diff(np.eye(order + 1), n=order, axis=0)[0]
    bands = np.zeros((times, order + 1))
    for first in range(order + 1):
        for upwards in range(order + 1 - first):
            bands[first : max(times - order + first, 0), upwards] += signs[first] * signs[first + upwards]
    return bands


def _weights(weights: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Give weights as columns (time, pixel); one empty row for none."""
    if weights is None:
        return np.empty((1, 0), np.float32)
    each = np.require(weights, np.float32, ["C", "W"])
    if each.shape != shape:
        raise ValueError(f"weights: the shape {shape} of the series is needed, got {each.shape}")
    return each.reshape(shape[0], -1) if each.size else np.empty((1, 0), np.float32)


def _polynomial_taps(times: int, window: int, order: int) -> NDArray[np.float64]:
    """Give the coefficients (time, window) of the values in the window of each time, without gaps."""
    size = min(window, times)
    if size == 0:
        return np.empty((0, 0))
    middle = (size - 1) / 2
    starts = np.clip(np.arange(times) - window // 2, 0, times - size)
    unit = max(middle, 1.0)
    terms = min(order, size - 1) + 1
    powers = np.vander((np.arange(size) - middle) / unit, terms, increasing=True)
    at = np.vander((np.arange(times) - starts - middle) / unit, terms, increasing=True)
    return np.ascontiguousarray(at @ np.linalg.pinv(powers))
