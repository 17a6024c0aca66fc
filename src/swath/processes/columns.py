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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from swath.cube import CubePlan
    from swath.processes.series import Variables
    from swath.processes.work import UnitWork

    Window = tuple[slice, slice]
    Compute = Callable[[NDArray[np.float32]], Sequence[NDArray[Any]]]

_SIDE = 512
"""Sides of a column in pixels, where files have no blocks that tell."""
_LEAST_ROWS = 8


def over_columns(
    cube: CubePlan, variables: Variables, work: UnitWork, compute: Compute
) -> tuple[NDArray[Any], ...]:
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

    Returns
    -------
    tuple of (..., y, x)
        What ``compute`` gives, over the whole tile; the same for any number of threads and size of columns.

    Notes
    -----
    An item that cannot be read in one column, and is left out, is left out of all.
    """
    windows = column_windows(cube, int(work.context.get("column_pixels") or 0) or _SIDE**2, work.threads)
    while True:
        known = len(work.skipped)
        made = _Collected(cube.shape[2:])
        local = threading.local()

        def do(window: Window, cube: CubePlan = cube, made: _Collected = made, local: Any = local) -> None:
            made.put(window, compute(_read_column(cube, variables, work, window, local)))

        with ThreadPoolExecutor(work.threads) as pool:
            list(pool.map(do, windows))
        if len(work.skipped) == known or len(windows) == 1:
            return made.arrays
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
    most = max(pixels // threads, 1)
    wide = max(b - a for a, b in itertools.pairwise(columns))
    tall = max(b - a for a, b in itertools.pairwise(rows))
    if wide * tall > most:  # blocks are too large: parts of them, by lines first
        tall = max(most // wide, _LEAST_ROWS)
        wide = max(min(wide, most // tall), 1)
    return [
        (slice(*row), slice(*column))
        for row, column in itertools.product(_finer(rows, tall), _finer(columns, wide))
    ]


def _finer(edges: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Cut spans between edges into equal parts of ``most`` at the longest."""
    spans = []
    for first, last in itertools.pairwise(edges):
        count = math.ceil((last - first) / most)
        cuts = np.linspace(first, last, count + 1).astype(int).tolist()
        spans += list(itertools.pairwise(cuts))
    return spans


@dataclass
class _Collected:
    """Arrays over a whole tile, made when the first column says what they are like."""

    shape: tuple[int, ...]
    arrays: tuple[NDArray[Any], ...] = ()

    def __post_init__(self) -> None:
        self.lock = threading.Lock()

    def put(self, window: Window, parts: Sequence[NDArray[Any]]) -> None:
        with self.lock:
            if not self.arrays:
                self.arrays = tuple(np.empty((*each.shape[:-2], *self.shape), each.dtype) for each in parts)
        for whole, part in zip(self.arrays, parts, strict=True):
            whole[(..., *window)] = part


def _read_column(
    cube: CubePlan, variables: Variables, work: UnitWork, window: Window, local: Any
) -> NDArray[np.float32]:
    """Read all dates of a column into memory that this thread keeps."""
    height, width = (each.stop - each.start for each in window)
    shape = (len(variables.names), len(cube.groups), height, width)
    size = math.prod(shape)
    if getattr(local, "memory", None) is None or local.memory.size < size:
        local.memory = np.empty(size, np.float32)
    series: NDArray[np.float32] = local.memory[:size].reshape(shape)
    for at in range(len(cube.groups)):
        data, _ = cube.read(at, window, on_bad=work.leave_out)
        variables.compute_into(data, series[:, at])
    return series
