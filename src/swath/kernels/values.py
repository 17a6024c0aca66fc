"""Stored numbers to values: scale, offset and gaps, in one pass."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.kernels.native import native

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_values(
    stored: NDArray[Any],
    good: NDArray[np.bool_],
    out: NDArray[np.float32],
    seen: NDArray[np.bool_],
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
) -> None:
    """Write the values of stored numbers: number x scale + offset, NaN in gaps.

    Parameters
    ----------
    stored : (...) any real dtype
        Numbers of a file.
    good : (...) bool
        False where a pixel is not wanted, whatever its number.
    out : (...) float32, C-contiguous
        Written: the value, computed in float64 and rounded once, or NaN.
    seen : (...) bool, C-contiguous
        Set to True where a value is written that is finite; else left as it is.
    scale, offset : float
        What turns numbers into values.
    nodata : float, optional
        The number of a gap. One that the dtype cannot hold marks nothing.

    Notes
    -----
    Memory: none with the compiled loop; else 17 bytes a pixel. Work: one pass.

    Examples
    --------
    >>> stored = np.array([0, 100, 200, 300], "u2")
    >>> out, seen = np.empty(4, "f4"), np.zeros(4, bool)
    >>> to_values(stored, np.array([1, 1, 0, 1], bool), out, seen, scale=0.01, nodata=0)
    >>> out
    array([nan,  1., nan,  3.], dtype=float32)
    >>> seen
    array([False,  True, False,  True])
    """
    if nodata is not None and not holds(stored.dtype, nodata):
        nodata = None
    found = native()
    name = f"values_{stored.dtype.str[1:]}"
    if found is not None and _plain(stored, good, out, seen) and found.has(name):
        found.values(name, stored, good, nodata, float(scale), float(offset), out, seen)
        return
    wanted = good if nodata is None else good & (stored != stored.dtype.type(nodata))
    with np.errstate(over="ignore", invalid="ignore"):
        np.copyto(out, (stored.astype(np.float64) * scale + offset).astype(np.float32))
    out[~wanted] = np.nan
    seen |= np.isfinite(out)


def _plain(stored: NDArray[Any], good: NDArray[Any], out: NDArray[Any], seen: NDArray[Any]) -> bool:
    """Tell whether the compiled loop may go through arrays: one shape, types, order of bytes, writable."""
    return (
        stored.shape == good.shape == out.shape == seen.shape
        and good.dtype == seen.dtype == np.dtype(bool)
        and out.dtype == np.dtype(np.float32)
        and all(each.flags.c_contiguous and each.flags.aligned for each in (stored, good, out, seen))
        and stored.dtype.isnative
        and out.flags.writeable
        and seen.flags.writeable
    )


def holds(dtype: np.dtype[Any], number: float) -> bool:
    """Tell whether a number may be equal to one of this type; NaN is equal to none.

    Parameters
    ----------
    dtype : numpy.dtype
        Of stored numbers.
    number : float
        Such as a nodata.
    """
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return math.isfinite(number) and number == int(number) and info.min <= number <= info.max
    with np.errstate(over="ignore"):
        return not math.isnan(number) and math.isinf(dtype.type(number)) == math.isinf(number)
