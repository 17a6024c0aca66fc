"""Filling and smoothing by weights given by hand: the normalised convolution that `swag` is a case of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from swath.kernels._columns import as_series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def convolve(
    series: ArrayLike,
    weights: ArrayLike,
    *,
    future_weight: float = 1.0,
    keep_observed: bool = True,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Replace each gap by a mean of all observations of its pixel, with any weights.

    Parameters
    ----------
    series : (time, ...) float32, any quantity
        T images; an observation is where it is finite.
    weights : (T,), (2 T - 1,) or (T, T) float64, >= 0, 1
        What an observation counts: by the images between it and the gap, 0 first, the same before and
        after; by how many images the gap is later than it, from 1 - T to T - 1; or by gap (row) and
        observation (column). For a series of one image all three are the same.
    future_weight : float, >= 0, 1
        What an observation after the gap counts besides, as in `swag`; 0 uses the past alone.
    keep_observed : bool
        False to replace observations too, and so to smooth; the weight at lag 0 is then their own.
    scale, offset, nodata : float
        What turns stored integers into values: number x scale + offset, and the number of a gap.
    threads : int, >= 1
        Results do not depend on it.

    Returns
    -------
    filled : (time, ...) float32, unit of ``series``
        Observations as they are, bit for bit, where they are kept; NaN where no observation has any weight.
    quality : (time, ...) float32, %
        100 where observed; in gaps the weight of the observations used, of that which all other images
        would have; NaN where none has any.

    Raises
    ------
    ValueError
        ``weights`` of another shape, below 0 or not finite, or ``future_weight`` below 0.

    Notes
    -----
    Memory: the two outputs, 24 T^2 bytes and 2 kB for each image. Work: O(time^2) per pixel; sums are
    float64. `swag` does the same for its own weights in O(time x images_per_year).

    References
    ----------
    Knutsson and Westin (1993), Normalized and differential convolution, eq. 4 for a constant; reproduced in
    tests/kernels/test_convolve.py::test_each_gap_is_the_weighted_mean, and against `swag` beside it.

    Examples
    --------
    >>> filled, quality = convolve(np.array([1, np.nan, 5, np.nan], "f4"), [1, 1, 0.5, 0])
    >>> filled
    array([1., 3., 5., 5.], dtype=float32)
    >>> quality.round(1)
    array([100. ,  80. , 100. ,  66.7], dtype=float32)
    """
    given = as_series(series, scale=scale, offset=offset, nodata=nodata)
    times = given.times
    if not 0 <= future_weight < np.inf:
        raise ValueError(f"future_weight: must be 0 or more, got {future_weight!r}")
    matrix = _matrix(weights, times)
    later = np.triu_indices(times, 1)
    matrix[later] *= future_weight
    largest = matrix.sum(axis=1) - matrix.diagonal()

    from swath.kernels._convolve_loops import TILE, weigh_columns

    padded = np.zeros((-(-times // TILE) * TILE,) * 2)
    padded[:times, :times] = matrix
    filled, quality = given.empty(times), given.empty(times)
    given.for_blocks(weigh_columns, padded, largest, bool(keep_observed), filled, quality, threads=threads)
    return given.shaped(filled), given.shaped(quality)


def _matrix(weights: ArrayLike, times: int) -> NDArray[np.float64]:
    """Give the weight (gap, observation) of each observation at each time, as a new array."""
    each = np.array(weights, np.float64)
    if each.size and not (each.min() >= 0 and np.isfinite(each.max())):
        raise ValueError(f"weights: must be 0 or more and finite, got {each.min():g} to {each.max():g}")
    if each.shape == (times, times):
        return each
    lag = np.subtract.outer(np.arange(times), np.arange(times))
    if each.shape == (times,):
        return np.take(each, np.abs(lag))
    if each.shape == (2 * times - 1,):
        return np.take(each, lag + times - 1)
    shapes = f"({times},), ({max(2 * times - 1, 0)},) or ({times}, {times})"
    raise ValueError(f"weights: the shape {shapes} is needed, got {each.shape}")
