"""Values to stored integers, and what these amount to: each in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.kernels.native import native

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS = 256
"""Lines that are worked on at a time without the compiled loops: copies of 64 bits stay small."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What stored integers amount to, exactly."""

    count: int
    """Number of pixels that are not nodata."""
    minimum: int
    """Smallest of them; 0 where there is none."""
    maximum: int
    """Largest of them; 0 where there is none."""
    total: int
    """Their sum."""
    squares: int
    """Sum of their squares."""


def to_stored(
    values: NDArray[Any],
    out: NDArray[Any],
    *,
    scale: float,
    offset: float,
    limits: tuple[int, int],
    nodata: int,
) -> int:
    """Write values as integers: round((value - offset) / scale), kept between two limits.

    Parameters
    ----------
    values : (y, x) float, any quantity
        NaN where missing.
    out : (y, x) integer
        Written; may be a part of a larger array.
    scale, offset : float
        What turns integers into values: number x scale + offset.
    limits : (low, high)
        Smallest and largest integer that stands for a value.
    nodata : int
        Written where a value is missing.

    Returns
    -------
    int
        How many values were outside of the limits, and are now at them.

    Notes
    -----
    Memory: none with the compiled loop; else 40 bytes a pixel of 256 lines. Computed in float64, halves to
    even.

    Examples
    --------
    >>> out = np.empty((1, 4), "i2")
    >>> values = np.array([[0.5, np.nan, 9.0, -0.00004]], "f4")
    >>> to_stored(values, out, scale=1e-4, offset=0.0, limits=(-32767, 32767), nodata=-32768)
    1
    >>> out
    array([[  5000, -32768,  32767,      0]], dtype=int16)
    """
    found = native()
    name = f"store_{out.dtype.str[1:]}"
    if found is not None and found.has(name) and _in_lines(values, np.float32) and _in_lines(out, out.dtype):
        return found.store(name, values, out, float(scale), float(offset), limits, int(nodata))
    outside = 0
    for first in range(0, len(values), _ROWS):
        rows = slice(first, first + _ROWS)
        steps = np.rint((values[rows].astype(np.float64) - offset) / scale)
        outside += int(np.count_nonzero((steps < limits[0]) | (steps > limits[1])))  # False for NaN
        np.clip(steps, *limits, out=steps)
        out[rows] = np.where(np.isnan(steps), nodata, steps)
    return outside


def _in_lines(array: NDArray[Any], dtype: Any) -> bool:
    """Tell whether a compiled loop may go through an image line by line."""
    inside = array.shape[1] < 2 or array.strides[1] == array.itemsize
    plain = array.dtype == dtype and array.dtype.isnative and array.flags.aligned
    return plain and inside and array.strides[0] % array.itemsize == 0


def tally(stored: NDArray[Any], nodata: int) -> Tally:
    """Count and add up stored integers.

    Parameters
    ----------
    stored : (y, x) integer of 8 or 16 bits
        Numbers of a file.
    nodata : int
        The number of a gap.

    Examples
    --------
    >>> tally(np.array([[3, 4, 255]], "u1"), 255)
    Tally(count=2, minimum=3, maximum=4, total=7, squares=25)
    """
    found = native()
    name = f"tally_{stored.dtype.str[1:]}"
    if found is not None and found.has(name) and stored.flags.c_contiguous:
        sums = np.empty(5, np.int64)
        found.call(name, stored, stored.size, int(nodata), sums)
        return Tally(*sums.tolist()) if sums[0] else Tally(0, 0, 0, 0, 0)
    values = stored[stored != nodata].astype(np.int64)
    if not values.size:
        return Tally(0, 0, 0, 0, 0)
    extremes = int(values.min()), int(values.max())
    return Tally(values.size, *extremes, int(values.sum()), int((values * values).sum()))


def add_squares(stored: NDArray[Any], nodata: int, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Add up stored integers in squares of pixels.

    Parameters
    ----------
    stored : (y, x) integer of 8 or 16 bits
        Numbers of a file.
    nodata : int
        The number of a gap.
    step : int, 1 to 32767, pixels
        Side of a square; those at the end may be smaller.

    Returns
    -------
    total, count : (ceil(y / step), ceil(x / step)) int64
        Sum and number of the pixels that are not nodata.

    Examples
    --------
    >>> total, count = add_squares(np.array([[1, 2, 9], [3, 255, 9]], "u1"), 255, 2)
    >>> total.tolist(), count.tolist()
    ([[6, 18]], [[3, 2]])
    """
    height, width = stored.shape
    found = native()
    name = f"squares_{stored.dtype.str[1:]}"
    if found is not None and found.has(name) and stored.flags.c_contiguous:
        total = np.empty((-(-height // step), -(-width // step)), np.int64)
        count = np.empty_like(total)
        line = np.empty(2 * width, np.int32)
        found.call(name, stored, height, width, int(nodata), step, total, count, line)
        return total, count
    seen = stored != nodata
    rows, columns = (np.arange(0, size, step) for size in stored.shape)

    def add(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        lines: NDArray[np.int64] = np.add.reduceat(numbers, rows, axis=0)
        return np.add.reduceat(lines, columns, axis=1)

    return add(np.where(seen, stored, 0).astype(np.int64)), add(seen.astype(np.int64))
