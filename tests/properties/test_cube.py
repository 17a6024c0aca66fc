"""Laws of the cube: pieces are parts of the whole, whatever the grid, the chunk or the resampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.warp import transform
from scenes import CORNER, CRS, grid, make_item, write_tiff
from strategies import cuts, gridboxes

import swath
from swath.cube import plan_cube
from swath.cube.placing import RESAMPLING

PICKED = ("nearest", "mode", "min", "max", "med", "q1", "q3")
"""Ways of resampling that give numbers which stand in the file."""


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    """Two files of a day: noise with holes, one of them with a mask of its own, on grids that differ."""
    folder = tmp_path_factory.mktemp("items")
    rng = np.random.default_rng(7)
    made = []
    for at, (pixel, shift) in enumerate(((10.0, 0.0), (15.0, 4.0))):
        stored = rng.integers(1, 9999, (2, 45, 50)).astype("u2")
        stored[:, rng.random((45, 50)) < 0.2] = 0
        where = grid(pixel, (CORNER[0] + shift, CORNER[1] - shift))
        path = write_tiff(folder / f"{at}.tif", stored, transform=where, nodata=0 if at == 0 else None)
        with rasterio.open(path, "r+") as file:
            file.build_overviews([2], rasterio.enums.Resampling.average)
        bands = {"data": [{"name": "red"}, {"name": "nir", "scale": 1e-4, "offset": -0.1}]}
        made.append(make_item(f"i{at}", {"data": path}, bands=bands))
    return made


@pytest.mark.parametrize("resampling", RESAMPLING)
@pytest.mark.parametrize("crs", [CRS, "EPSG:3035"])
@given(data=st.data())
@bounded(max_examples=60, deadline=None)
def test_chunks_are_parts_of_the_whole(items, resampling, crs, data):
    (x,), (y,) = transform(CRS, crs, [CORNER[0]], [CORNER[1]])
    geobox = data.draw(gridboxes(crs, (x, y)))
    plan = plan_cube(items, ["red", "nir"], geobox=geobox, resampling=resampling)
    whole, valid = plan.read(0)
    height, width = geobox.shape
    rows, columns = data.draw(cuts(height)), data.draw(cuts(width))
    for top, bottom in itertools.pairwise(rows):
        for left, right in itertools.pairwise(columns):
            window = (slice(top, bottom), slice(left, right))
            part, good = plan.read(0, window)
            if resampling in PICKED:
                np.testing.assert_array_equal(part, whole[:, *window])
            else:  # GDAL sums a filter's weights in float32: the last digit may differ
                np.testing.assert_allclose(part, whole[:, *window], rtol=1e-6, atol=1e-3)
            np.testing.assert_array_equal(good, valid[window])


@given(chunk=st.integers(11, 60), resolution=st.sampled_from([20.0, 23.0, 47.0]))
@bounded(max_examples=6, deadline=None)
def test_lazy_chunks_make_the_same_cube(demo, chunk, resolution):
    items = demo[60:62]
    options = {"resolution": resolution, "resampling": "average", "crs": "EPSG:32634"}
    whole = swath.load(items, ["red", "SCL"], chunks=None, **options)
    lazy = swath.load(items, ["red", "SCL"], chunks=chunk, **options).compute()
    for name in ("red", "SCL", "valid"):
        np.testing.assert_array_equal(lazy[name].values, whole[name].values)


@given(
    row=st.integers(-5, 25), column=st.integers(-5, 25), height=st.integers(1, 40), width=st.integers(1, 40)
)
@bounded(max_examples=40, deadline=None)
def test_the_files_own_grid_is_pasted(items, row, column, height, width):
    """Read by rasterio, with nothing beyond the file."""
    geobox = GeoBox((height, width), grid(10, (CORNER[0] + 10 * column, CORNER[1] - 10 * row)), CRS)
    data, _ = plan_cube(items[:1], ["red"], geobox=geobox, resampling="cubic").read(0)
    with rasterio.open(items[0]["assets"]["data"]["href"]) as file:
        window = rasterio.windows.Window(column, row, width, height)
        stored = file.read(1, window=window, boundless=True, fill_value=0).astype("f4")
    np.testing.assert_array_equal(data[0], np.where(stored == 0, np.nan, stored))


@given(seed=st.integers(0, 10_000))
@bounded(max_examples=60, deadline=None)
def test_order_of_items_does_not_matter(items, seed):
    shuffled = [items[at] for at in np.random.default_rng(seed).permutation(len(items))]
    one = plan_cube(items, ["red"], geobox=GeoBox((30, 30), grid(), CRS))
    other = plan_cube(shuffled, ["red"], geobox=GeoBox((30, 30), grid(), CRS))
    np.testing.assert_array_equal(one.read(0)[0], other.read(0)[0])
