"""Arrays of any shape as columns (time, pixel), and the time axis sorted into groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def as_columns(series: ArrayLike, *, leading: int = 1) -> tuple[NDArray[np.float32], tuple[int, ...]]:
    """Flatten the pixel axes of a series; a view where the series is contiguous float32 already.

    Parameters
    ----------
    series : (time, ...) or (band, time, ...), any real dtype
        The first ``leading`` axes stay.
    leading : int, 1 or 2
        Number of axes before the pixel axes.

    Returns
    -------
    tuple
        The columns (..., pixel) float32, and the shape of the pixel axes.
    """
    array = np.asarray(series)
    if array.ndim < leading:
        axes = ("time", "band and time")[leading - 1]
        raise ValueError(f"series: the axes {axes} are needed first, got the shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"series: real numbers are needed, got the dtype {array.dtype}")
    tail = array.shape[leading:]
    columns = np.ascontiguousarray(array, dtype=np.float32)
    columns = columns.reshape(*array.shape[:leading], int(np.prod(tail, dtype=np.int64)))
    if not columns.flags.writeable:  # numba would compile a second version for a read-only array
        columns = columns.copy()
    return columns, tail


def sort_times(
    groups: ArrayLike, count: int, times: int, *, name: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort the time axis into groups; within a group the order stays.

    Parameters
    ----------
    groups : (time,) integer
        Group of each time, 0 to ``count - 1``; below 0 for none.
    count, times : int
        Number of groups, and the length that the time axis has.
    name : str
        What an error calls ``groups``.

    Returns
    -------
    tuple of (time in a group,) and (count + 1,) int64
        Indices of the times, group by group, and where each group starts.
    """
    index = np.asarray(groups)
    if index.shape != (times,):
        raise ValueError(f"{name}: one for each of the {times} times is needed, got the shape {index.shape}")
    if index.dtype.kind not in "iu" and index.size:
        raise ValueError(f"{name}: whole numbers are needed, got the dtype {index.dtype}")
    index = index.astype(np.int64)
    if index.size and int(index.max()) >= count:
        raise ValueError(f"{name}: must be below {count}, got {int(index.max())}")
    order = np.argsort(index, kind="stable")[np.count_nonzero(index < 0) :]
    return order, np.searchsorted(index[order], np.arange(count + 1)).astype(np.int64)
