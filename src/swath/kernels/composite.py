"""Many images to one for each period: rank, mean and order statistics per pixel, and the medoid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.kernels import _device
from swath.kernels._columns import as_series, sort_times
from swath.kernels.native import native

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

REDUCERS = ("median", "mean", "min", "max", "percentile", "count", "sum", "first", "last")
"""Names of what :func:`composite` can do with the clear observations of a period."""

_RANKS = ("median", "percentile")
_CODES = {"sum": 0, "mean": 1, "count": 2, "min": 3, "max": 4}
"""Numbers that the loops have for what needs no order."""
_TOGETHER_BYTES = 1 << 19
"""Values that all statistics are taken of before the next ones: so many stay in the second-level cache."""
_TOGETHER = 1024
"""Pixels that are as many in any case: a call costs as much as some hundred of them."""


def composite(
    series: ArrayLike,
    groups: ArrayLike,
    count: int,
    *,
    reducer: str = "median",
    percentile: float = 50.0,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Reduce the clear observations of each period to one value per pixel.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is clear where it is finite. An array of CuPy is worked on where it lies, and so is
        the result.
    groups : (time,) integer
        Index of the output period of each image, or -1 to leave the image out.
    count : int, >= 0
        Number of output periods.
    reducer : str
        One of ``REDUCERS``. ``first`` and ``last`` follow the order of the time axis.
    percentile : float, 0 to 100, %
        What ``reducer="percentile"`` takes, between ranks as numpy's ``linear`` method does.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    (count, ...) float32, unit of ``series`` (``count``: 1)
        NaN where a period has no clear observation; there ``count`` is 0.

    Notes
    -----
    Memory: the output and 0.5 MB at most for 1000 images a period. Work: O(images) per pixel;
    median and percentile O(n log^2 n) for n images a period, sorted for 64 pixels at a time. Sums are
    float64.

    References
    ----------
    Batcher (1968), Sorting networks and their applications, the odd-even merge sort; checked in
    tests/kernels/test_composite.py::test_ranks_are_numpys.

    Examples
    --------
    >>> nan = np.nan
    >>> series = np.array([[1, nan], [5, nan], [3, 8], [4, 9]], "f4")
    >>> composite(series, [0, 0, 0, 1], 2)
    array([[3., 8.],
           [4., 9.]], dtype=float32)
    >>> composite(series, [0, 0, 0, -1], 1, reducer="count")
    array([[3., 1.]], dtype=float32)
    """
    _check_reducer(reducer, percentile)
    if _device.is_on_device(series):
        columns = _device.values_of(series, scale=scale, offset=offset, nodata=nodata)
        order, starts = sort_times(groups, _checked_count(count), len(columns), name="groups")
        fraction = 0.5 if reducer == "median" else percentile / 100
        made: NDArray[np.float32] = _device.composite(columns, order, starts, reducer, fraction)
        return made.reshape(count, *series.shape[1:])  # type: ignore[union-attr]
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    order, starts = sort_times(groups, _checked_count(count), given.times, name="groups")
    loop, arguments = _loop(reducer, percentile, starts)
    out = given.empty(count)
    given.for_blocks(loop, order, starts, *arguments, out, threads=threads)
    return given.shaped(out)


def aggregate(
    series: ArrayLike,
    groups: ArrayLike,
    count: int,
    *,
    reducers: Sequence[str] = ("mean", "min", "max", "count"),
    percentile: float = 50.0,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> dict[str, NDArray[np.float32]]:
    """Reduce the clear observations of each period to several statistics, reading the series once.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is clear where it is finite.
    groups : (time,) integer
        Index of the output period of each image, or -1 to leave the image out.
    count : int, >= 0
        Number of output periods.
    reducers : sequence of str
        Each one of ``REDUCERS``.
    percentile : float, 0 to 100, %
        What the reducer ``percentile`` takes.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    dict of str to (count, ...) float32
        What `composite` gives for each reducer, bit for bit.

    Notes
    -----
    Memory: the outputs, and what `composite` needs. Work: that of the reducers; 0.5 MB of the series stay
    in the cache from the first to the last, and stored integers are unpacked once.

    Examples
    --------
    >>> series = np.array([[1, np.nan], [5, np.nan], [3, 8], [4, 9]], "f4")
    >>> found = aggregate(series, [0, 0, 0, 1], 2, reducers=("max", "count"))
    >>> found["max"]
    array([[5., 8.],
           [4., 9.]], dtype=float32)
    >>> found["count"]
    array([[3., 1.],
           [1., 1.]], dtype=float32)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    order, starts = sort_times(groups, _checked_count(count), given.times, name="groups")
    steps = {reducer: _loop(reducer, percentile, starts) for reducer in reducers}
    outs = {reducer: given.empty(count) for reducer in steps}
    width = max(_TOGETHER, _TOGETHER_BYTES // (4 * max(given.times, 1)) // 64 * 64)

    def together(block: NDArray[np.float32], begin: int, end: int, at: int) -> None:
        for first in range(begin, end, width):
            last = min(first + width, end)
            for reducer, (loop, arguments) in steps.items():
                loop(block, first, last, at + first - begin, order, starts, *arguments, outs[reducer])

    given.for_blocks(together, threads=threads)
    return {reducer: given.shaped(out) for reducer, out in outs.items()}


def weighted_median(
    series: ArrayLike,
    weights: ArrayLike,
    groups: ArrayLike,
    count: int,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Find for each period the value that parts the weight of its clear observations in half.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        An observation is clear where it is finite.
    weights : (time,) or (time, ...) float32, 1
        Weight of each image, or of each observation, such as the distance to the nearest cloud. Where it is
        not finite, or not above 0, the observation is left out.
    groups : (time,) integer
        Index of the output period of each image, or -1 to leave the image out.
    count : int, >= 0
        Number of output periods.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    (count, ...) float32, unit of ``series``
        The smallest observation at which the weights of all up to it exceed half of their sum. Where they
        are exactly half at one observation, the mean of it and the next, so that equal weights give the
        median. NaN where a period has no observation with a weight.

    Notes
    -----
    Memory: the output, a copy of weights that are not a plain float32 array, and 0.5 MB at most for 1000
    images a period. Work: O(n log^2 n) per pixel and period of n images. Sums are float64.

    References
    ----------
    Cormen et al. (2009), Introduction to algorithms, problem 9-2: the lower weighted median, and here half
    its sum with the upper one; reproduced in
    tests/kernels/test_composite.py::test_weighted_medians_part_the_weight_in_half.

    Examples
    --------
    >>> series = np.array([10, 20, 30, np.nan], "f4")
    >>> weighted_median(series, [1, 1, 3, 9], [0, 0, 0, 0], 1)
    array([30.], dtype=float32)
    >>> weighted_median(series, [1, 1, 2, 9], [0, 0, 0, 0], 1)
    array([25.], dtype=float32)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    order, starts = sort_times(groups, _checked_count(count), given.times, name="groups")
    weight = np.require(weights, np.float32, ["C", "W"])
    if weight.shape not in ((given.times,), given.array.shape):
        raise ValueError(
            f"weights: the shape {(given.times,)} or {given.array.shape} is needed, got {weight.shape}"
        )
    out = given.empty(count)

    from swath.kernels import _composite_loops as loops

    by_time = weight.reshape(given.times, weight[:1].size)
    arguments = *_networks(starts), by_time, weight.ndim == 1
    given.for_blocks(loops.reduce_weighted, order, starts, *arguments, out, threads=threads)
    return given.shaped(out)


def medoid(
    series: ArrayLike,
    groups: ArrayLike,
    count: int,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Choose for each period the one observation that is nearest to all others of it.

    Unlike a median of each band, the result is a spectrum that was really observed.

    Parameters
    ----------
    series : (band, time, ...) float32, any quantity, the same in all bands
        A time is clear where all bands are finite.
    groups : (time,) integer
        Index of the output period of each image, or -1 to leave the image out.
    count : int, >= 0
        Number of output periods.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    (band, count, ...) float32, unit of ``series``
        The clear observation whose sum of Euclidean distances (over the bands) to the other clear
        observations of its period is smallest, the first of them on a tie; NaN where there is none.

    Notes
    -----
    Memory: the output and 1 kB for each image of a period. Work: O(n^2 bands) per pixel and period
    of n images. Distances are float64.

    References
    ----------
    Flood (2013), Seasonal composite Landsat TM/ETM+ images using the medoid, eq. 1; reproduced in
    tests/kernels/test_composite.py::test_medoid_is_the_nearest_to_all_others.

    Examples
    --------
    >>> series = np.array([[[1], [2], [9]], [[1], [1], [1]]], "f4")  # 2 bands, 3 times, 1 pixel
    >>> medoid(series, [0, 0, 0], 1)[:, 0, 0]
    array([2., 1.], dtype=float32)
    """
    given = as_series(series, leading=2, scale=scale, offset=offset, nodata=nodata)
    order, starts = sort_times(groups, _checked_count(count), given.times, name="groups")
    out = given.empty(given.array.shape[0], count)

    from swath.kernels import _composite_loops as loops

    given.for_blocks(loops.choose_medoids, order, starts, out, threads=threads)
    return given.shaped(out)


def _loop(
    reducer: str, percentile: float, starts: NDArray[np.int64]
) -> tuple[Callable[..., None], tuple[Any, ...]]:
    """Choose the loop of a reducer, C where it is compiled, and what it takes between groups and output."""
    _check_reducer(reducer, percentile)
    fraction = 0.5 if reducer == "median" else percentile / 100
    arguments: tuple[Any, ...]
    if reducer in _RANKS:
        name, arguments = "reduce_ranks", (*_networks(starts), fraction)
    elif reducer in _CODES:
        name, arguments = "reduce_rows", (_CODES[reducer],)
    else:
        name, arguments = "reduce_order", (reducer == "last",)
    found = native()
    if found is not None and found.has(name):
        return getattr(found, name), arguments

    from swath.kernels import _composite_loops as loops  # with numba, which takes half a second to import

    return getattr(loops, name), arguments


def _check_reducer(reducer: str, percentile: float) -> None:
    if reducer not in REDUCERS:
        raise ValueError(f"reducer: {reducer!r} is not known, take one of {', '.join(REDUCERS)}")
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile: must be between 0 and 100, got {percentile!r}")


def _checked_count(count: int) -> int:
    if count < 0:
        raise ValueError(f"count: must be 0 or more, got {count!r}")
    return count


def _networks(starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the sorting network of every group, one after the other, and where each starts."""
    made: dict[int, list[tuple[int, int]]] = {}
    pairs: list[tuple[int, int]] = []
    firsts = [0]
    for size in np.diff(starts).tolist():
        pairs += made.setdefault(size, batcher_network(size))
        firsts.append(len(pairs))
    return np.array(pairs, np.int64).reshape(-1, 2), np.array(firsts, np.int64)


def batcher_network(size: int) -> list[tuple[int, int]]:
    """List the compare-and-swap steps that sort ``size`` values, whatever they are.

    Parameters
    ----------
    size : int, >= 0
        How many values are sorted.

    Returns
    -------
    list of (int, int)
        Positions (low, high) to put in order, one pair after the other: Knuth (1998), algorithm 5.2.2M.

    Examples
    --------
    >>> batcher_network(3)
    [(0, 2), (0, 1), (1, 2)]
    """
    steps = []
    top = 1 << max(size - 1, 0).bit_length() >> 1
    width = top
    while width:
        reach, residue, distance = top, 0, width
        while True:
            steps += [(i, i + distance) for i in range(size - distance) if i & width == residue]
            if reach == width:
                break
            distance, reach, residue = reach - width, reach >> 1, width
        width >>= 1
    return steps
