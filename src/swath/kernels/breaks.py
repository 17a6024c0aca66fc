"""Breaks in seasonal series: where new images leave the model of a stable history, and whether any did."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from swath.kernels._columns import as_series, check_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

METHODS = ("ols-mosum", "ols-cusum")
"""Names of the processes: moving and cumulative sums of the residuals of a least-squares fit."""
HISTORIES = ("all", "roc")
"""Names of the histories: all images before the monitored ones, or what a reverse-ordered CUSUM keeps."""

# Simulated by tools/break_levels.py: critical values for each bandwidth (row) and level (column), first of
# the moving sums within a fitted series, then of those after it. tests/kernels/test_breaks.py compares them
# with published tables.
_TEST_BANDWIDTHS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
_TEST_LEVELS = (0.999, 0.99, 0.95, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001)
_TEST = (
    (0.3841, 0.4288, 0.4742, 0.5344, 0.5846, 0.6327, 0.6951, 0.7471, 0.7934, 0.8368, 0.8897, 0.9282, 1.0067),
    (0.4285, 0.4917, 0.5584, 0.6500, 0.7267, 0.7997, 0.8947, 0.9725, 1.0411, 1.1043, 1.1830, 1.2354, 1.3483),
    (0.4395, 0.5112, 0.5910, 0.7053, 0.8023, 0.8954, 1.0150, 1.1127, 1.1986, 1.2761, 1.3687, 1.4389, 1.5774),
    (0.4346, 0.5146, 0.6034, 0.7314, 0.8446, 0.9536, 1.0946, 1.2081, 1.3081, 1.3975, 1.5048, 1.5798, 1.7411),
    (0.4291, 0.5111, 0.6032, 0.7426, 0.8669, 0.9887, 1.1454, 1.2734, 1.3841, 1.4842, 1.6034, 1.6892, 1.8653),
    (0.4204, 0.5042, 0.5987, 0.7438, 0.8760, 1.0075, 1.1783, 1.3160, 1.4364, 1.5424, 1.6713, 1.7619, 1.9580),
    (0.4117, 0.4957, 0.5917, 0.7404, 0.8775, 1.0153, 1.1960, 1.3423, 1.4685, 1.5810, 1.7144, 1.8119, 2.0211),
    (0.4038, 0.4856, 0.5802, 0.7296, 0.8712, 1.0140, 1.2016, 1.3545, 1.4858, 1.6034, 1.7450, 1.8406, 2.0537),
    (0.3884, 0.4682, 0.5632, 0.7160, 0.8609, 1.0065, 1.1979, 1.3534, 1.4876, 1.6075, 1.7506, 1.8553, 2.0695),
    (0.3740, 0.4561, 0.5519, 0.7062, 0.8522, 0.9985, 1.1903, 1.3477, 1.4817, 1.6026, 1.7526, 1.8546, 2.0650),
)
_MONITOR_BANDWIDTHS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
_MONITOR_LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
_MONITOR = (
    (0.5016, 0.5571, 0.5915, 0.6226, 0.6615, 0.6881, 0.7142, 0.7692),
    (0.6754, 0.7613, 0.8138, 0.8616, 0.9198, 0.9617, 0.9999, 1.0830),
    (0.8015, 0.9139, 0.9822, 1.0447, 1.1204, 1.1743, 1.2253, 1.3341),
    (0.9046, 1.0407, 1.1248, 1.2008, 1.2924, 1.3567, 1.4176, 1.5479),
    (0.9930, 1.1523, 1.2504, 1.3391, 1.4457, 1.5193, 1.5920, 1.7395),
    (1.0715, 1.2526, 1.3648, 1.4663, 1.5872, 1.6728, 1.7538, 1.9195),
    (1.2074, 1.4310, 1.5696, 1.6933, 1.8433, 1.9479, 2.0449, 2.2427),
    (1.3233, 1.5883, 1.7510, 1.8978, 2.0736, 2.2013, 2.3132, 2.5510),
    (1.5164, 1.8610, 2.0730, 2.2647, 2.4941, 2.6525, 2.8016, 3.1241),
    (1.7486, 2.2033, 2.4847, 2.7401, 3.0512, 3.2598, 3.4547, 3.8925),
)
_SAME = 1e-9
"""Share of a regressor beside the others at which it counts as one of them."""


class Breaks(NamedTuple):
    """What `breakpoints` finds for each pixel."""

    image: NDArray[np.int32]
    """(...) time axis index of the first image beyond the boundary; -1 where there is none."""
    magnitude: NDArray[np.float32]
    """(...) median residual of the monitored images, unit of the series."""
    strength: NDArray[np.float32]
    """(...) largest |process| / boundary, 1; above 1 where there is a break."""
    history: NDArray[np.int32]
    """(...) time axis index of the first image fitted; -1 where no model could be fitted."""


class Stability(NamedTuple):
    """What `stability_test` finds for each pixel."""

    statistic: NDArray[np.float32]
    """(...) largest |process|, 1."""
    p_value: NDArray[np.float32]
    """(...) probability of such a process without a change, 1."""
    image: NDArray[np.int32]
    """(...) time axis index of the last image of that sum; -1 where no model could be fitted."""


def breakpoints(
    series: ArrayLike,
    times: ArrayLike | None = None,
    *,
    monitor_start: float,
    period: float | None,
    history: str = "all",
    history_start: float | None = None,
    harmonics: int = 1,
    trend: bool = True,
    method: str = "ols-mosum",
    bandwidth: float = 0.25,
    level: float = 0.05,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> Breaks:
    """Find where new images first leave the season and trend of a stable history (BFAST Monitor).

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is where it is finite.
    times : (time,) float64, any unit, optional
        Strictly increasing, such as decimal years; even steps 0, 1, 2, ... unless given.
    monitor_start : float, unit of ``times``
        The images from this time on are monitored.
    period : float, > 0, unit of ``times``, or None
        Length of a year: 1 for decimal years, the number of images a year for even steps. None: no season.
    history : str
        One of ``HISTORIES``. The images before ``monitor_start`` should be free of breaks: "roc" fits, for
        each pixel, only those after the last time at which they were not (reverse-ordered CUSUM).
    history_start : float, unit of ``times``, optional
        Images before this time are not fitted.
    harmonics : int, >= 0
        Number of cosine and sine waves of the season: period, period / 2, period / 3, ...
    trend : bool
        True: the model has a straight line in time besides its level.
    method : str
        One of ``METHODS``.
    bandwidth : float, 0.05 to 1, 1
        h, the length of the moving sums as a share of the observations fitted.
    level : float, 0.001 to 0.5, 1
        Probability of a break where nothing changes, for a long history, series up to 10 times as long, and
        independent residuals. A trend to extrapolate makes it larger, as dependent residuals do: with 45
        observations fitted and 24 monitored 0.05 was 0.11 (0.01 without a trend), with 35 and 35 it was
        0.28 (0.02 without). Leave the trend out where the history is short.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    Breaks
        ``image`` (...) int32, ``magnitude`` (...) float32, ``strength`` (...) float32 and ``history`` (...)
        int32. Without an observation to monitor, with no more observations in the history than regressors,
        with regressors that these cannot tell apart, or with moving sums of fewer than two: -1, NaN and NaN.

    Notes
    -----
    With n observations and k regressors fitted, residuals e_i and sigma^2 = sum e_i^2 / (n - k), the
    process after the i-th observation (i > n, gaps not counted) is the sum of e over the last
    floor(h n) observations ("ols-mosum") or over all i ("ols-cusum"), divided by sigma sqrt(n). Its
    boundary is c sqrt(2 log+ x), where x = i / n and log+ x is log x, or 1 below e; for "ols-cusum" it is
    sqrt(x (x - 1) (a^2 + log(x / (x - 1)))) with 2 - 2 (Phi(a) - a phi(a)) = ``level``. Sigma is at least
    the rounding of float32: 2^-24 of the largest value fitted. Regressors that are 0 or sums of others
    at these times are left out, such as the sine of two images a year.

    For "roc" the recursive residuals w of the history, from its last image back, are added up: at the first
    |sum of w up to j| above c (1 + 2 j / m) sd(w) sqrt(m), of m = n - k in all, the history is cut; c is that
    of Brown, Durbin and Evans (1975) for ``level``.

    Memory: the outputs and 0.6 kB for each image. Work: O(time x k^2) per pixel; sums are float64.

    References
    ----------
    Verbesselt, Zeileis and Herold (2012), Near real-time disturbance detection using satellite image time
    series; Chu, Stinchcombe and White (1996), Monitoring structural change; Leisch, Hornik and Kuan (2000),
    Monitoring structural changes with the generalized fluctuation test; Zeileis et al. (2005), Monitoring
    structural change in dynamic econometric models; Brown, Durbin and Evans (1975), Techniques for testing
    the constancy of regression relationships over time; Pesaran and Timmermann (2002), Market timing and
    return prediction under model instability (the reverse order). The definition is reproduced, and c
    compared with what R uses, in tests/kernels/test_breaks.py.

    Examples
    --------
    >>> months = np.arange(60)
    >>> series = (0.5 + 0.3 * np.sin(months * np.pi / 6) + 0.01 * (-1.0) ** months).astype("f4")
    >>> series[50:] -= 0.2
    >>> found = breakpoints(series, monitor_start=36, period=12)
    >>> found.image.item(), round(found.magnitude.item(), 2)
    (50, -0.01)
    """
    if history not in HISTORIES:
        raise ValueError(f"history: {history!r} is not known, take one of {', '.join(HISTORIES)}")
    if not 0.001 <= level <= 0.5:
        raise ValueError(f"level: must be between 0.001 and 0.5, got {level!r}")
    share = _checked_bandwidth(method, bandwidth, most=1.0)
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    at = check_times(times, given.times, rising=True)
    start = 0 if history_start is None else int(np.searchsorted(at, history_start))
    stop = max(start, int(np.searchsorted(at, monitor_start)))
    design = _regressors(at, start, stop, period=period, harmonics=harmonics, trend=trend)
    critical = _critical_mosum(bandwidth, level) if share else _solve(_chance_outside, level)
    reach = _solve(_chance_recursive, level) if history == "roc" else 0.0

    from swath.kernels._breaks_loops import watch_columns

    image, first = (np.empty(given.pixels, np.int32) for _ in range(2))
    magnitude, strength = given.empty(), given.empty()
    model = design, start, stop, reach, share, critical
    given.for_blocks(watch_columns, *model, image, magnitude, strength, first, threads=threads)
    measures = given.shaped(magnitude), given.shaped(strength)
    return Breaks(given.shaped(image), *measures, given.shaped(first))


def stability_test(
    series: ArrayLike,
    times: ArrayLike | None = None,
    *,
    period: float | None,
    harmonics: int = 1,
    trend: bool = False,
    method: str = "ols-cusum",
    bandwidth: float = 0.15,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> Stability:
    """Test whether one level and season holds for a whole series.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is where it is finite.
    times, period, harmonics, trend
        The model, as in `breakpoints`. The distributions are for a model without a trend: with one the sums
        stay smaller, and the test finds far fewer changes than it could.
    method : str
        One of ``METHODS``.
    bandwidth : float, 0.05 to 0.5, 1
        h, the length of the moving sums as a share of the observations.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    Stability
        ``statistic`` (...) float32, ``p_value`` (...) float32 and ``image`` (...) int32: the largest
        cumulative sum ends with the last image before the likely break. NaN, NaN and -1 where no model can
        be fitted, as in `breakpoints`.

    Notes
    -----
    With residuals e and sigma as in `breakpoints`, the statistic is the largest absolute sum of e up to any
    observation, or of any floor(h n) observations in a row, divided by sigma sqrt(n). The p-value is from
    Kolmogorov's distribution, or for moving sums from a simulated table, interpolated in its logarithm; there
    none is below 0.001.

    Memory: the outputs and 0.6 kB for each image. Work: O(time x k^2) per pixel; sums are float64.

    References
    ----------
    Ploberger and Kraemer (1992), The CUSUM test with OLS residuals; Chu, Hornik and Kuan (1995), MOSUM tests
    for parameter constancy; Zeileis et al. (2002), strucchange: an R package for testing for structural
    change, whose published results are reproduced in
    tests/kernels/test_breaks.py::test_published_tests_of_stability.

    Examples
    --------
    >>> series = np.repeat([1, 2], 10) + 0.1 * (-1.0) ** np.arange(20)
    >>> found = stability_test(series, period=None)
    >>> round(found.statistic.item(), 3), round(found.p_value.item(), 5), found.image.item()
    (2.137, 0.00022, 9)
    """
    share = _checked_bandwidth(method, bandwidth, most=0.5)
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    at = check_times(times, given.times, rising=True)
    design = _regressors(at, 0, at.size, period=period, harmonics=harmonics, trend=trend)

    from swath.kernels._breaks_loops import stability_columns

    statistic, image = np.empty(given.pixels), np.empty(given.pixels, np.int32)
    given.for_blocks(stability_columns, design, share, statistic, image, threads=threads)
    if share:
        row = _at_bandwidth(_TEST, _TEST_BANDWIDTHS, bandwidth)
        chance = np.exp(np.interp(statistic, (0.0, *row), np.log((1.0, *_TEST_LEVELS))))
    else:
        from scipy.special import kolmogorov

        chance = kolmogorov(statistic)
    largest, p_value = (given.shaped(each.astype(np.float32)) for each in (statistic, chance))
    return Stability(largest, p_value, given.shaped(image))


def _checked_bandwidth(method: str, bandwidth: float, *, most: float) -> float:
    """Give the share of the observations in a moving sum, 0 for cumulative ones."""
    if method not in METHODS:
        raise ValueError(f"method: {method!r} is not known, take one of {', '.join(METHODS)}")
    if not 0.05 <= bandwidth <= most:
        raise ValueError(f"bandwidth: must be between 0.05 and {most:g}, got {bandwidth!r}")
    return float(bandwidth) if method == "ols-mosum" else 0.0


def _regressors(
    at: NDArray[np.float64], start: int, stop: int, *, period: float | None, harmonics: int, trend: bool
) -> NDArray[np.float64]:
    """List level, trend and waves (time, term), orthonormal over the times fitted where that can be."""
    if period is not None and not 0 < period < math.inf:
        raise ValueError(f"period: must be above 0, or None, got {period!r}")
    if harmonics < 0 or harmonics != int(harmonics):
        raise ValueError(f"harmonics: a whole number from 0 on is needed, got {harmonics!r}")
    terms = [np.ones_like(at)]
    if trend and at.size > 1:
        terms.append((at - at.mean()) / np.ptp(at))
    for wave in range(1, int(harmonics) + 1):
        if period is not None:
            turn = 2 * math.pi * wave * at / period
            terms += [np.cos(turn), np.sin(turn)]
    design = np.stack(terms, axis=1)
    if not at.size:
        return design
    left = np.abs(np.diagonal(np.linalg.qr(design, mode="r")))
    design = np.ascontiguousarray(design[:, : left.size][:, left > _SAME * math.sqrt(at.size)])
    fitted = np.linalg.qr(design[start:stop], mode="r")
    if fitted.shape[0] == fitted.shape[1] and np.abs(np.diagonal(fitted)).min() > _SAME:
        design = np.ascontiguousarray(np.linalg.solve(fitted.T, design.T).T)
    return design


def _at_bandwidth(
    table: tuple[tuple[float, ...], ...], bandwidths: tuple[float, ...], bandwidth: float
) -> NDArray[np.float64]:
    """Interpolate the critical values of all levels; over the root of the bandwidth they bend least."""
    rows = np.array(table) / np.sqrt(bandwidths)[:, np.newaxis]
    logarithms = np.log(bandwidths)
    at_it = [np.interp(math.log(bandwidth), logarithms, column) for column in rows.T]
    return np.array(at_it) * math.sqrt(bandwidth)


def _critical_mosum(bandwidth: float, level: float) -> float:
    """Interpolate c of the boundary c sqrt(2 log+ x)."""
    row = _at_bandwidth(_MONITOR, _MONITOR_BANDWIDTHS, bandwidth)
    return float(np.interp(math.log(level), np.log(_MONITOR_LEVELS)[::-1], row[::-1]))


def _chance_outside(a: float) -> float:
    """Give the probability that cumulative sums cross sqrt(x (x - 1) (a^2 + log(x / (x - 1))))."""
    normal = NormalDist()
    return 2 - 2 * (normal.cdf(a) - a * normal.pdf(a))


def _chance_recursive(c: float) -> float:
    """Give the probability that sums of recursive residuals cross c (1 + 2 x) for x up to 1."""
    phi = NormalDist().cdf
    twice = math.exp(-4 * c * c) * (phi(c) + phi(5 * c) - 1)
    return 2 * (1 - phi(3 * c) + twice - math.exp(-16 * c * c) * (1 - phi(c)))


def _solve(chance: Callable[[float], float], level: float) -> float:
    """Find where a probability that falls is ``level``, by halving."""
    low, high = 0.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if chance(middle) > level else (low, middle)
    return (low + high) / 2
