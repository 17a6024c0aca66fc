"""What our own readers of files answer, and which of them reads a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from swath.cube.tiff import is_known_address, open_tiff
from swath.cube.zarrs import open_zarr, parse_place

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Window = tuple[int, int, int, int]


class Image(Protocol):
    """One image of a file, in blocks of one size: what is decoded at once."""

    @property
    def height(self) -> int:
        """Rows."""

    @property
    def width(self) -> int:
        """Columns."""

    @property
    def block_height(self) -> int:
        """Rows of a block."""

    @property
    def block_width(self) -> int:
        """Columns of a block."""


class OwnFile(Protocol):
    """An open file that is read without GDAL."""

    crs: Any
    transform: Any
    nodata: float | None
    height: int
    width: int
    dtype: np.dtype[Any]

    @property
    def count(self) -> int:
        """Layers."""

    @property
    def image(self) -> Image:
        """The file at its full resolution."""

    @property
    def overviews(self) -> Sequence[Image]:
        """The overviews, the finest first."""

    @property
    def has_mask(self) -> bool:
        """True where the file itself says which pixels are there."""

    def read(self, layers: Sequence[int], window: Window, *, level: int | None = None) -> NDArray[Any]:
        """Read part of some layers, from 0: (layer, y, x)."""

    def read_mask(self, window: Window, *, level: int | None = None) -> NDArray[np.bool_]:
        """Read where pixels are: (y, x)."""

    def close(self) -> None:
        """Let go of the file."""


def open_own(href: str) -> OwnFile:
    """Open a file with the reader of its kind.

    Raises
    ------
    OSError
        It is not there, or cannot be read.
    MalformedError
        It contradicts itself.
    Unsupported
        It is left to GDAL.
    """
    return open_zarr(href) if parse_place(href) else open_tiff(href)


def is_own(href: str) -> bool:
    """Tell whether a file is, by its address alone, of a kind that is read without GDAL.

    Examples
    --------
    >>> [is_own(each) for each in ("/data/a.tif", 'ZARR:"https://host/a.zarr":/red:0', "/data/a.jp2")]
    [True, True, False]
    """
    place = parse_place(href)
    if place is not None:
        return is_known_address(place.root)
    return is_known_address(href) and href.lower().endswith((".tif", ".tiff"))
