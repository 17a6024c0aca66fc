"""Goes through a unit column by column: all dates of a part of its pixels, from file blocks to results.

A cube is never held. A column is a part of the tile with all its dates, (time, pixel): it is read and
reduced, and its memory is used again. More scenes make columns smaller, and do not make a unit need more.
"""

from __future__ import annotations

import itertools
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube import block_edges
from swath.model import RefusedAssetError, SwathError
from swath.products import quantity_of
from swath.products.cog import pack_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from swath.cube import CubePlan
    from swath.processes.series import Variables
    from swath.processes.work import UnitWork
    from swath.products import Quantity

    Window = tuple[slice, slice]
    Compute = Callable[[NDArray[np.float32]], Sequence[NDArray[Any]]]

_SIDE = 512
"""Sides of a column in pixels, where files have no blocks that tell."""
_LEAST_ROWS = 8
_FILTERS = ("bilinear", "cubic", "average", "lanczos")
"""Ways of resampling that GDAL sums in float32: the last digit depends on where a column begins."""
_IN_FLIGHT = 8
"""Dates that are read at once where files lie behind a server: most of the time goes into waiting for it."""
_FILTERED_AT_ONCE = 8
"""Columns that are held at once with these; more threads do not help."""


@dataclass(frozen=True, eq=False, slots=True)
class Stored:
    """A result over a whole tile, in the numbers of its files."""

    numbers: NDArray[Any]
    """(..., y, x) in the quantity's dtype."""
    clipped: NDArray[np.int64]
    """(...): how many values these could not hold."""
    quantity: Quantity
    """How values became numbers."""

    @classmethod
    def like(cls, part: NDArray[Any], shape: tuple[int, ...], quantity: Quantity) -> Stored:
        """Make room for a tile (y, x) of what a column gives."""
        leading = part.shape[:-2]
        return cls(np.empty((*leading, *shape), quantity.dtype), np.zeros(leading, np.int64), quantity)

    def put(self, window: Window, part: NDArray[Any]) -> NDArray[np.int64]:
        """Put the values of a column in their place; give how many its numbers could not hold."""
        clipped = np.zeros_like(self.clipped)
        for at in np.ndindex(clipped.shape):
            clipped[at] = pack_into(part[at], self.quantity, self.numbers[(*at, *window)])
        return clipped


def stored_bytes(names: Iterable[str]) -> int:
    """Give the memory that a pixel of some quantities takes in the numbers of their files.

    Examples
    --------
    >>> stored_bytes(["NDVI", "count", "quality"])
    5
    """
    return sum(np.dtype(quantity_of(each).dtype).itemsize for each in names)


def over_columns(
    cube: CubePlan, variables: Variables, work: UnitWork, compute: Compute, quantities: Sequence[Quantity]
) -> tuple[Stored, ...]:
    """Read a unit in columns, and put what becomes of each together.

    Parameters
    ----------
    cube : CubePlan
        The unit's cube.
    variables : Variables
        What is computed of each image.
    work : UnitWork
        Threads, and the size of a column (``column_pixels`` of the plan's context).
    compute : callable of (variable, time, y, x) float32
        Gives arrays whose last two axes are (y, x); each pixel's result depends on that pixel alone. It may
        change the series, and must not keep it: its memory is used again.
    quantities : sequence of Quantity
        How each of these arrays is stored.

    Returns
    -------
    tuple of Stored (..., y, x)
        What ``compute`` gives, over the whole tile; the same for any number of threads and size of columns.

    Notes
    -----
    An item that cannot be read in one column, and is left out, is left out of all. So that this does not
    depend on the columns, all files of an item are read then, also where no pixel of them is needed.
    """
    cube = cube.unbounded()
    windows = column_windows(cube, int(work.context.get("column_pixels") or 0) or _SIDE**2, work.threads)
    while True:
        made = _Pass(cube, variables, work, quantities)

        def do(number: int, window: Window, made: _Pass = made) -> None:
            made.put(window, compute(made.read(number, window)))

        at_once = min(work.threads, _held_at_once(cube, work.threads), len(windows))
        if at_once == 1:
            for number, window in enumerate(windows):
                do(number, window)
        else:
            with ThreadPoolExecutor(at_once) as pool:
                list(pool.map(do, itertools.count(), windows))
        if not made.bad:
            return made.results
        for _, item, error in sorted(made.bad, key=lambda each: each[0]):
            if item not in work.skipped:  # the first column tells, whichever thread was the first
                work.leave_out(item, error)
        cube = cube.without(work.skipped)


def column_windows(cube: CubePlan, pixels: int, threads: int) -> list[Window]:
    """Cut a tile into columns along the blocks of its files, so that blocks are decoded once.

    Parameters
    ----------
    cube : CubePlan
        The unit's cube.
    pixels : int
        Of all columns that are held at once.
    threads : int
        How many are held at once.
    """
    rows, columns = block_edges(cube, _SIDE)
    most = max(pixels // _held_at_once(cube, threads), 1)
    wide = max(b - a for a, b in itertools.pairwise(columns))
    tall = max(b - a for a, b in itertools.pairwise(rows))
    if wide * tall > most:  # blocks are too large: parts of them, by lines first
        tall = max(most // wide, _LEAST_ROWS)
        wide = max(min(wide, most // tall), 1)
    return [
        (slice(*row), slice(*column))
        for row, column in itertools.product(_finer(rows, tall), _finer(columns, wide))
    ]


def _held_at_once(cube: CubePlan, threads: int) -> int:
    """Say how many columns share the memory; columns of filtered pixels must not depend on the threads."""
    return _FILTERED_AT_ONCE if cube.resampling in _FILTERS else threads


def _finer(edges: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Cut spans between edges into equal parts of ``most`` at the longest."""
    spans = []
    for first, last in itertools.pairwise(edges):
        count = math.ceil((last - first) / most)
        cuts = np.linspace(first, last, count + 1).astype(int).tolist()
        spans += list(itertools.pairwise(cuts))
    return spans


class _Pass:
    """One way through all columns: what becomes of them, put together, and what could not be read.

    Parameters
    ----------
    cube : CubePlan
        The unit's cube.
    variables : Variables
        What is computed of each image.
    work : UnitWork
        Says whether items may be left out.
    quantities : sequence of Quantity
        How the results are stored.
    """

    def __init__(
        self, cube: CubePlan, variables: Variables, work: UnitWork, quantities: Sequence[Quantity]
    ) -> None:
        self.cube, self.variables, self.skip_bad = cube, variables, work.skip_bad
        self.quantities = quantities
        self.results: tuple[Stored, ...] = ()
        """Over the whole tile; made when the first column says what they are like."""
        self.bad: list[tuple[int, str, SwathError]] = []
        """Number of the column, id of the item, and what is wrong."""
        self._lock = threading.Lock()
        self._local = threading.local()

    def put(self, window: Window, parts: Sequence[NDArray[Any]]) -> None:
        """Put the results of a column in their place."""
        with self._lock:
            if not self.results:
                pairs = zip(parts, self.quantities, strict=True)
                self.results = tuple(Stored.like(part, self.cube.shape[2:], each) for part, each in pairs)
        for whole, part in zip(self.results, parts, strict=True):
            clipped = whole.put(window, part)
            with self._lock:
                whole.clipped[...] += clipped

    def read(self, number: int, window: Window) -> NDArray[np.float32]:
        """Read all dates of a column into memory that this thread keeps: (variable, time, y, x)."""

        def on_bad(item: str, error: SwathError) -> None:
            if not self.skip_bad or isinstance(error, RefusedAssetError):
                raise error
            self.bad.append((number, item, error))

        series = self._memory(window)

        def read(at: int) -> None:
            data, _ = self.cube.read(at, window, on_bad=on_bad, thorough=self.skip_bad)
            self.variables.compute_into(data, series[:, at])

        dates = range(len(self.cube.groups))
        if self.cube.is_remote:
            with ThreadPoolExecutor(_IN_FLIGHT) as pool:
                list(pool.map(read, dates))
        else:
            for at in dates:
                read(at)
        return series

    def _memory(self, window: Window) -> NDArray[np.float32]:
        height, width = (each.stop - each.start for each in window)
        shape = (len(self.variables.names), len(self.cube.groups), height, width)
        size = math.prod(shape)
        if getattr(self._local, "memory", None) is None or self._local.memory.size < size:
            self._local.memory = np.empty(size, np.float32)
        series: NDArray[np.float32] = self._local.memory[:size].reshape(shape)
        return series
