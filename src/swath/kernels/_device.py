"""Kernels on a graphics card: the same answers, written in whole-array steps for any array library.

CuPy's arrays come through the same calls as numpy's. The steps are in the order of the loops for processors;
with numpy as the library they can be checked without a card.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 1 << 20
"""Pixels at a time: the sums of all images are held beside the series."""


def is_on_device(series: Any) -> bool:
    """Tell whether an array lies in the memory of a graphics card."""
    return hasattr(series, "__cuda_array_interface__")


def library_of(series: Any) -> Any:
    """Give the array library that an array belongs to: CuPy, for what lies on a card."""
    if not is_on_device(series):
        return np
    import cupy

    return cupy


def values_of(series: Any, *, scale: float, offset: float, nodata: float | None) -> Any:
    """Turn stored numbers into values: (time, pixel) float32 with gaps as NaN."""
    xp = library_of(series)
    if series.ndim < 1:
        raise ValueError(f"series: the axes time are needed first, got the shape {series.shape}")
    columns = series.reshape(series.shape[0], math.prod(series.shape[1:]))
    values = columns.astype(xp.float32)
    if (scale, offset) != (1, 0):
        values = (columns * np.float64(scale) + offset).astype(xp.float32)
    if nodata is not None:
        values = xp.where(columns == nodata, xp.float32(np.nan), values)
    return values


def swag(
    columns: Any, taps: NDArray[Any], rho: float, future_weight: float, largest: NDArray[Any]
) -> tuple[Any, Any]:
    """Fill (time, pixel) columns; see `swath.kernels.swag` for the equations."""
    xp = library_of(columns)
    filled, quality = xp.empty_like(columns), xp.empty_like(columns)
    for first in range(0, columns.shape[1], _BLOCK):
        part = slice(first, first + _BLOCK)
        filled[:, part], quality[:, part] = _swag_block(
            xp, columns[:, part], taps, rho, future_weight, largest
        )
    return filled, quality


def _swag_block(
    xp: Any, columns: Any, taps: NDArray[Any], rho: float, future_weight: float, largest: NDArray[Any]
) -> tuple[Any, Any]:
    times, season = len(columns), len(taps)
    clear = xp.isfinite(columns)
    # Both sums are of one shape: the weighted values, then the weights.
    given = xp.stack([xp.where(clear, columns, xp.float32(0)), clear.astype(xp.float32)], axis=1)
    given = given.astype(taps.dtype)
    ahead = xp.empty_like(given)
    ring = xp.zeros((season, *given.shape[1:]), taps.dtype)
    for i in range(times - 1, -1, -1):
        ring[i % season] = rho * ring[i % season] + given[i]
        ahead[i] = _weigh(ring, i, 1, taps)
    ring[...] = 0
    filled, quality = xp.empty_like(columns), xp.empty_like(columns)
    for i in range(times):
        ring[i % season] = rho * ring[i % season] + given[i]
        total = _weigh(ring, i, -1, taps) + future_weight * ahead[i]
        with np.errstate(divide="ignore", invalid="ignore"):
            value = (total[0] / total[1]).astype(xp.float32)
            share = xp.minimum((100 * total[1] / largest[i]).astype(xp.float32), xp.float32(100))
        some = total[1] > 0
        nothing = xp.float32(np.nan)
        filled[i] = xp.where(clear[i], columns[i], xp.where(some, value, nothing))
        quality[i] = xp.where(clear[i], xp.float32(100), xp.where(some, share, nothing))
    return filled, quality


def _weigh(ring: Any, at: int, step: int, taps: NDArray[Any]) -> Any:
    """Weigh the seasons of one year, three at a time as the loops for processors do."""
    season = len(taps)
    total = None
    for k in range(0, season, 3):
        parts = [taps[j] * ring[(at + step * j) % season] for j in range(k, min(k + 3, season))]
        three = sum(parts[1:], parts[0])
        total = three if total is None else total + three
    return total


def composite(
    columns: Any, order: NDArray[np.int64], starts: NDArray[np.int64], reducer: str, fraction: float
) -> Any:
    """Reduce (time, pixel) columns to (group, pixel); see `swath.kernels.composite`."""
    xp = library_of(columns)
    out = xp.empty((len(starts) - 1, columns.shape[1]), xp.float32)
    for group in range(len(starts) - 1):
        members = columns[order[starts[group] : starts[group + 1]]]
        out[group] = _reduce(xp, members, reducer, fraction)
    return out


def _reduce(xp: Any, members: Any, reducer: str, fraction: float) -> Any:
    clear = xp.isfinite(members)
    seen = clear.sum(axis=0)
    if reducer == "count":
        return seen.astype(xp.float32)
    if not len(members):
        return xp.full(members.shape[1:], np.nan, xp.float32)
    if reducer in ("sum", "mean"):
        found = xp.where(clear, members, xp.float32(0)).sum(axis=0, dtype=xp.float64)
        found = found / xp.maximum(seen, 1) if reducer == "mean" else found
    elif reducer in ("min", "max"):
        far = xp.float32(np.inf if reducer == "min" else -np.inf)
        found = getattr(xp.where(clear, members, far), reducer)(axis=0)
    elif reducer in ("first", "last"):
        at = clear.argmax(axis=0) if reducer == "first" else len(members) - 1 - clear[::-1].argmax(axis=0)
        found = xp.take_along_axis(members, at[np.newaxis], axis=0)[0]
    else:
        found = _rank(xp, xp.where(clear, members, xp.float32(np.inf)), seen, fraction)
    return xp.where(seen > 0, found, np.nan).astype(xp.float32)


def _rank(xp: Any, members: Any, seen: Any, fraction: float) -> Any:
    """Interpolate between the two ranks around a fraction, as numpy's method ``linear``."""
    ordered = xp.sort(members, axis=0)
    position = fraction * xp.maximum(seen - 1, 0)
    below = xp.floor(position).astype(xp.int64)
    above = xp.minimum(below + 1, xp.maximum(seen - 1, 0))
    low, high = (
        xp.take_along_axis(ordered, at[np.newaxis], axis=0)[0].astype(xp.float64) for at in (below, above)
    )
    rest = position - below
    with np.errstate(invalid="ignore"):
        return xp.where(rest < 0.5, low + (high - low) * rest, high - (high - low) * (1 - rest))
