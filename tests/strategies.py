"""What hypothesis draws from: grids near a place, cuts of an axis, instants, periods."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import rasterio
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn


@st.composite
def gridboxes(draw: DrawFn, crs: str, corner: tuple[float, float], reach: float = 300.0) -> GeoBox:
    """Draw a grid whose upper left corner lies within ``reach`` metres of a corner, on whole centimetres.

    Closer than that, a file's pixel that a target pixel overlaps by a millionth counts or not by a rounding.
    """
    pixel = draw(st.sampled_from([5.0, 10.0, 10.7, 20.0, 33.3]))
    east, south = (draw(st.integers(int(-100 * reach / 3), int(100 * reach))) / 100 for _ in range(2))
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    where = rasterio.Affine(pixel, 0, corner[0] + east, 0, -pixel, corner[1] - south)
    return GeoBox(shape, where, crs)


@st.composite
def cuts(draw: DrawFn, length: int) -> list[int]:
    """Draw edges that cut an axis into pieces."""
    inner = draw(st.sets(st.integers(1, max(1, length - 1)), max_size=3))
    return sorted({0, length, *(each for each in inner if each < length)})


def instants(first: int = 1990, last: int = 2040) -> st.SearchStrategy[dt.datetime]:
    """Draw instants in UTC."""
    return st.datetimes(dt.datetime(first, 1, 1), dt.datetime(last, 12, 31), timezones=st.just(dt.UTC))
