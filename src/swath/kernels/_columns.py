"""Series of any shape and layout as columns (time, pixel), block by block and on threads."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray


_BLOCK = 1024
"""Pixels that are unpacked at a time, where a series cannot be used as it is."""
_ALIGNED = 256
"""Threads part at multiples of this many pixels, so that no loop has more short blocks than one alone."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series as it was given, and how its numbers become values."""

    array: NDArray[Any]
    """(time, ...) or (band, time, ...), any real dtype: stored numbers."""
    leading: int
    """Number of axes before the pixel axes, 1 or 2."""
    scale: float
    """A value is number x scale + offset, in float64, rounded to float32."""
    offset: float
    """A value is number x scale + offset, in float64, rounded to float32."""
    nodata: float | None
    """The number that marks a gap, besides NaN."""

    @property
    def times(self) -> int:
        """Length of the time axis."""
        return int(self.array.shape[self.leading - 1])

    @property
    def tail(self) -> tuple[int, ...]:
        """Shape of the pixel axes."""
        return tuple(self.array.shape[self.leading :])

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return math.prod(self.tail)

    def empty(self, *leading: int) -> NDArray[np.float32]:
        """Make an array for results, (*leading, pixel) float32."""
        return np.empty((*leading, self.pixels), np.float32)

    def shaped(self, result: NDArray[Any]) -> NDArray[Any]:
        """Give results (..., pixel) the pixel axes of the series."""
        return result.reshape((*result.shape[:-1], *self.tail))

    def for_blocks(self, loop: Callable[..., object], *arguments: object, threads: int = 1) -> None:
        """Call a loop for all pixels, without a copy of the whole series.

        Parameters
        ----------
        loop : callable of (block, first, last, at, *arguments)
            Works on the pixels ``block[..., first:last]``, where ``block`` is C-contiguous float32 with gaps
            as NaN, and writes its results for the pixels from ``at`` on into arrays among ``arguments``. It
            must free the interpreter for threads to gain anything.
        threads : int, >= 1
            At most so many calls at once; results do not depend on it.
        """
        if threads < 1:
            raise ValueError(f"threads: must be 1 or more, got {threads!r}")
        count = max(1, min(threads, -(-self.pixels // _ALIGNED)))
        width = -(-self.pixels // (count * _ALIGNED)) * _ALIGNED
        edges = [min(at * width, self.pixels) for at in range(count + 1)]
        spans = list(itertools.pairwise(edges))
        plain = self._plain()

        def stripe(first: int, last: int) -> None:
            if plain is not None:
                loop(plain, first, last, first, *arguments)
            else:
                for block, at in self._unpacked(first, last):
                    loop(block, 0, block.shape[-1], at, *arguments)

        if count == 1:
            stripe(*spans[0])
        else:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(lambda span: stripe(*span), spans))

    def _plain(self) -> NDArray[np.float32] | None:
        """Give the columns as a view, when the loops can use them as they are."""
        array = self.array
        # numba would compile a second version for a read-only array: one is unpacked instead.
        usable = array.dtype == np.float32 and array.flags.c_contiguous and array.flags.writeable
        as_is = (self.scale, self.offset) == (1, 0) and (self.nodata is None or math.isnan(self.nodata))
        if not (usable and as_is):
            return None
        return array.reshape(*array.shape[: self.leading], self.pixels)

    def _unpacked(self, first: int, last: int) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Copy pixels block by block, as values; the same memory again and again where the size allows."""
        for at, stored in _pieces(self.array, self.leading, first, last):
            block = np.empty(stored.shape, np.float32)
            if (self.scale, self.offset) == (1, 0):
                np.copyto(block, stored, casting="unsafe")
            else:
                np.add(stored * np.float64(self.scale), self.offset, out=block, casting="unsafe")
            if self.nodata is not None:
                block[stored == self.nodata] = np.nan
            yield block, at


def _pieces(array: NDArray[Any], leading: int, first: int, last: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Give pixels (..., pixel) from ``first`` to ``last``, piece by piece, whatever the strides are."""
    if array.flags.c_contiguous or array.ndim == leading:
        array = array.reshape(*array.shape[:leading], math.prod(array.shape[leading:]))
    tail = array.shape[leading:]
    lead: tuple[Any, ...] = (slice(None),) * leading
    inner = math.prod(tail[1:])
    if len(tail) == 1:
        for at in range(first, last, _BLOCK):
            yield at, array[(*lead, slice(at, min(at + _BLOCK, last)))]
    else:
        for outer in range(first // max(inner, 1), -(-last // max(inner, 1))):
            start, stop = max(first - outer * inner, 0), min(last - outer * inner, inner)
            for at, piece in _pieces(array[(*lead, outer)], leading, start, stop):
                yield outer * inner + at, piece


def as_series(
    series: ArrayLike,
    *,
    leading: int = 1,
    scale: float = 1.0,
    offset: float = 0.0,
    nodata: float | None = None,
) -> Series:
    """Check a series that was given to a kernel.

    Parameters
    ----------
    series : (time, ...) or (band, time, ...), any real dtype
        The first ``leading`` axes stay.
    leading : int, 1 or 2
        Number of axes before the pixel axes.
    scale, offset, nodata
        See `Series`.

    Raises
    ------
    ValueError
        Too few axes, no real numbers, or a scale or offset that is not finite.
    """
    array = np.asarray(series)
    if array.ndim < leading:
        axes = ("time", "band and time")[leading - 1]
        raise ValueError(f"series: the axes {axes} are needed first, got the shape {array.shape}")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"series: real numbers are needed, got the dtype {array.dtype}")
    for name, value in (("scale", scale), ("offset", offset)):
        if not math.isfinite(value):
            raise ValueError(f"{name}: must be finite, got {value!r}")
    return Series(array, leading, float(scale), float(offset), nodata)


def check_times(times: ArrayLike | None, count: int, *, rising: bool) -> NDArray[np.float64]:
    """Check the times of a series; even steps unless given.

    Parameters
    ----------
    times : (time,) float64 or None
        When each image was taken.
    count : int
        Number of images.
    rising : bool
        True when each must be later than the one before.
    """
    at = np.arange(count, dtype=np.float64) if times is None else np.array(times, np.float64)
    if at.shape != (count,):
        raise ValueError(f"times: one for each of the {count} images is needed, got the shape {at.shape}")
    if not np.isfinite(at).all():
        raise ValueError("times: must be finite, leave out the images without a time")
    if rising and not (np.diff(at) > 0).all():
        raise ValueError("times: each must be later than the one before, sort the images by time")
    return at


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
