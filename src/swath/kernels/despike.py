"""Finding spikes: single observations far off those around them, such as clouds that a mask has missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._columns import as_series
from swath.kernels.composite import batcher_network

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_NORMAL = 1.4826
"""Standard deviations of a normal distribution for each median absolute deviation: 1 / 0.6745."""


def hampel(
    series: ArrayLike,
    *,
    window: int,
    threshold: float = 3.0,
    margin: float = 0.0,
    min_observations: int = 3,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Take out observations that are far off the median of those around them.

    A spike is where ``abs(y - median) > threshold * 1.4826 * MAD`` and ``> margin``, where MAD is the median
    absolute deviation from the median, both over the observations of the window.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is where it is finite.
    window : int, odd, >= 3
        Images looked at, as many before as after and the one itself; those beyond an end are left out.
    threshold : float, >= 0, 1
        Standard deviations, as a normal distribution has them, from which on an observation is a spike.
    margin : float, >= 0, unit of ``series``
        What is no spike in any case; above 0 for rounded numbers, whose MAD is often 0.
    min_observations : int, >= 1
        In windows with fewer nothing is a spike.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    despiked : (time, ...) float32, unit of ``series``
        Observations bit for bit; NaN for spikes and gaps.
    spikes : (time, ...) bool
        True for spikes alone.

    Raises
    ------
    ValueError
        ``window`` is even or below 3, ``threshold`` or ``margin`` below 0, ``min_observations`` below 1.

    Notes
    -----
    Memory: the outputs, and 1 kB for each image of the window. Work: O(n log^2 n) per observation for n
    images in the window, sorted for 128 pixels side by side.

    References
    ----------
    Hampel (1974), The influence curve and its role in robust estimation; Pearson (2002), Outliers in process
    modeling and identification, eq. 8; reproduced in
    tests/kernels/test_despike.py::test_hampel_is_median_and_deviation_of_each_window.

    Examples
    --------
    >>> despiked, spikes = hampel(np.array([1, 2, 1, 50, 2, np.nan, 2], "f4"), window=5, margin=5)
    >>> despiked
    array([ 1.,  2.,  1., nan,  2., nan,  2.], dtype=float32)
    >>> spikes.nonzero()[0]
    array([3])
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    _check(window, threshold, margin, min_observations)
    network = _network(window, given.times)

    from swath.kernels._despike_loops import spike_columns

    despiked, spikes = given.empty(given.times), np.empty((given.times, given.pixels), np.bool_)
    limits = float(threshold * _NORMAL), float(margin), float(min_observations)
    band = int(window) // 2, network, np.array([0.5, 0.5]), True, *limits
    given.for_blocks(spike_columns, *band, despiked, spikes, threads=threads)
    return given.shaped(despiked), given.shaped(spikes)


def percentile_band(
    series: ArrayLike,
    *,
    window: int,
    lower: float = 25.0,
    upper: float = 75.0,
    threshold: float = 1.5,
    margin: float = 0.0,
    min_observations: int = 4,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Take out observations beyond the band between two percentiles of those around them.

    A spike is more than ``threshold`` widths of the band, and more than ``margin``, below its lower or above
    its upper edge. As they are the options draw the fences of Tukey's box plot; a band that is skewed, such
    as from 40 to 90 for vegetation that clouds only darken, treats the two sides in different ways.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is where it is finite.
    window : int, odd, >= 3
        Images looked at, as many before as after and the one itself; those beyond an end are left out.
    lower, upper : float, 0 to 100, %
        Percentiles of the window's observations, between ranks as numpy's ``linear`` method does.
    threshold : float, >= 0, 1
        Widths of the band from which on, outside of it, an observation is a spike.
    margin : float, >= 0, unit of ``series``
        Distance to the band that is no spike in any case; alone with ``threshold=0``.
    min_observations : int, >= 1
        In windows with fewer nothing is a spike.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    despiked : (time, ...) float32, unit of ``series``
        Observations bit for bit; NaN for spikes and gaps.
    spikes : (time, ...) bool
        True for spikes alone.

    Raises
    ------
    ValueError
        ``lower`` and ``upper`` do not rise from 0 to 100; otherwise as `hampel`.

    Notes
    -----
    Memory and work as `hampel`, with half as much to sort.

    References
    ----------
    Tukey (1977), Exploratory data analysis, section 2D; reproduced in
    tests/kernels/test_despike.py::test_the_band_is_numpys_percentiles_of_each_window.

    Examples
    --------
    >>> series = np.array([5, 6, 5, 6, 40, 5, 6], "f4")
    >>> percentile_band(series, window=7, margin=1)[0]
    array([ 5.,  6.,  5.,  6., nan,  5.,  6.], dtype=float32)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    _check(window, threshold, margin, min_observations)
    if not 0 <= lower <= upper <= 100:
        raise ValueError(f"lower, upper: must rise from 0 to 100, got {lower!r} and {upper!r}")
    network = _network(window, given.times)

    from swath.kernels._despike_loops import spike_columns

    despiked, spikes = given.empty(given.times), np.empty((given.times, given.pixels), np.bool_)
    limits = float(threshold), float(margin), float(min_observations)
    band = int(window) // 2, network, np.array([lower / 100, upper / 100]), False, *limits
    given.for_blocks(spike_columns, *band, despiked, spikes, threads=threads)
    return given.shaped(despiked), given.shaped(spikes)


def _check(window: int, threshold: float, margin: float, min_observations: int) -> None:
    if window < 3 or window % 2 != 1:
        raise ValueError(f"window: an odd number from 3 on is needed, got {window!r}")
    for name, value in (("threshold", threshold), ("margin", margin)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name}: must be 0 or more, got {value!r}")
    if min_observations < 1:
        raise ValueError(f"min_observations: must be 1 or more, got {min_observations!r}")


def _network(window: int, times: int) -> NDArray[np.int64]:
    """List the steps that sort the images of a window, (step, 2)."""
    return np.array(batcher_network(min(int(window), times)), np.int64).reshape(-1, 2)
