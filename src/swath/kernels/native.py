"""The compiled C loops: found once, in the form that fits this CPU; absent where none were built.

``SWATH_NATIVE=no`` in the environment makes swath do without them, ``SWATH_NATIVE=v2`` (``v3``, ``v4``) takes
a lower level of CPU features: both for comparing, since answers are the same.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Columns = NDArray[np.float32]
    Index = NDArray[np.int64]

_LIBRARY = Path(__file__).parent / "_native" / "swath_native.so"


@dataclass(frozen=True, slots=True)
class Native:
    """The library, and the level of CPU features that is used of it."""

    library: Any
    """As ctypes opens it."""
    level: str
    """``v2``, ``v3`` or ``v4`` of x86-64; ``base`` elsewhere."""

    def call(self, name: str, *arguments: Any, result: Any = None) -> Any:
        """Call a C function of this level: arrays by address, whole numbers in 64 bits, floats as float.

        numpy's float64 goes as double.

        The interpreter is free while it runs.
        """
        found = getattr(self.library, f"{name}_{self.level}")
        found.restype = result
        return found(*(_argument(each) for each in arguments))

    def swag(
        self, block: Columns, begin: int, end: int, at: int, taps: Columns, rho: float, future_weight: float,
        largest: Columns, filled: Columns, quality: Columns,
    ) -> None:  # fmt: skip
        """Do what `swath.kernels._fill_loops.swag_columns` does, to the bit."""
        times, stride = block.shape
        size = self.call("swag_scratch", times, taps.size, result=ctypes.c_int64)
        self.call(
            "swag", block, stride, begin, end, at, filled, quality, filled.shape[1], times, taps.size, taps,
            rho, future_weight, largest, np.empty(size, np.uint8),
        )  # fmt: skip

    def reduce_ranks(
        self, block: Columns, begin: int, end: int, at: int, order: Index, starts: Index, networks: Index,
        network_starts: Index, fraction: float, out: Columns,
    ) -> None:  # fmt: skip
        """Do what `swath.kernels._composite_loops.reduce_ranks` does, to the bit."""
        largest = int(np.diff(starts).max(initial=0))
        self.call(
            "reduce_ranks", block, block.shape[1], begin, end, at, order, starts, starts.size - 1, networks,
            network_starts, np.float64(fraction), out, out.shape[1], np.empty(64 * largest, np.float32),
        )  # fmt: skip

    def reduce_rows(
        self, block: Columns, begin: int, end: int, at: int, order: Index, starts: Index, code: int,
        out: Columns,
    ) -> None:  # fmt: skip
        """Do what `swath.kernels._composite_loops.reduce_rows` does, to the bit."""
        self.call(
            "reduce_rows", block, block.shape[1], begin, end, at, order, starts, starts.size - 1, code, out,
            out.shape[1],
        )  # fmt: skip

    def place(
        self, block: NDArray[np.uint8], width: int, samples: int, sample: int, predictor: int,
        window: tuple[int, int, int, int], target: NDArray[Any],
    ) -> None:  # fmt: skip
        """Undo the predictor of a block of a TIFF file, and place a part of one of its layers.

        Parameters
        ----------
        block : (bytes,) uint8
            Lines of ``width`` pixels of ``samples`` numbers of the target's type; used up for predictor 3.
        width, samples, sample : int
            Form of the block, and which of its layers is wanted.
        predictor : int, 1 to 3
            As TIFF numbers them.
        window : (first_row, last_row, first, last)
            Lines and pixels that are wanted.
        target : (y, x), any type of 1, 2, 4 or 8 bytes
            Where they go; pixels of a line side by side.
        """
        status = self.call(
            "place", block, width, samples, sample, target.itemsize, predictor, *window, target,
            target.strides[0], result=ctypes.c_int,
        )  # fmt: skip
        if status:
            raise ValueError(f"predictor: {predictor} with numbers of {target.itemsize} bytes is not known")

    def has(self, name: str) -> bool:
        """Tell whether there is a C function of this name."""
        return hasattr(self.library, f"{name}_{self.level}")

    def values(
        self, name: str, stored: NDArray[Any], good: NDArray[np.bool_], nodata: float | None, scale: float,
        offset: float, out: Columns, seen: NDArray[np.bool_],
    ) -> None:  # fmt: skip
        """Do what `swath.kernels.values.to_values` does, for contiguous arrays."""
        self.call(
            name, stored, good, int(nodata is not None), np.float64(nodata or 0.0), np.float64(scale),
            np.float64(offset), out, seen, out.size,
        )  # fmt: skip

    def store(
        self, name: str, values: Columns, out: NDArray[Any], scale: float, offset: float,
        limits: tuple[int, int], nodata: int,
    ) -> int:  # fmt: skip
        """Do what `swath.kernels.stored.to_stored` does, where pixels of a line are side by side."""
        steps = values.strides[0] // values.itemsize, out.strides[0] // out.itemsize
        numbers = (np.float64(each) for each in (scale, offset, *limits, nodata))
        return int(
            self.call(name, values, steps[0], *values.shape, *numbers, out, steps[1], result=ctypes.c_int64)
        )


def _argument(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, int):
        return ctypes.c_int64(value)
    return ctypes.c_double(value) if isinstance(value, np.float64) else ctypes.c_float(value)


@cache
def native() -> Native | None:
    """Open the compiled loops; None where there are none, or this CPU is too old for them."""
    wanted = os.environ.get("SWATH_NATIVE", "")
    if wanted == "no":
        return None
    try:
        library = ctypes.CDLL(str(_LIBRARY))
    except OSError:  # not built, or for another machine
        return None
    levels = ("base",) if hasattr(library, "cpu_level_base") else ("v2", "v3", "v4")
    has = getattr(library, f"cpu_level_{levels[0]}")()
    usable = levels if levels == ("base",) else levels[: max(has - 1, 0)]
    if not usable:
        return None
    return Native(library, wanted if wanted in usable else usable[-1])


def describe_loops() -> str:
    """Tell which loops the kernels use, for people.

    Examples
    --------
    >>> describe_loops().split()[0] in ("compiled", "numba")
    True
    """
    found = native()
    if found is None:
        return (
            "numba (no compiled loops here)" if os.environ.get("SWATH_NATIVE") != "no" else "numba (as asked)"
        )
    return f"compiled C, {found.level if found.level == 'base' else f'x86-64-{found.level}'}"
