"""Where a cube's grid is cut: on the blocks of its files, and always into parts that cover it once."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from scenes import CORNER, CRS, grid, make_item, ramp, write_tiff
from strategies import gridboxes
from zarr_stores import consolidate

from swath.cube import block_edges, plan_cube
from swath.cube.plan import _edges
from swath.cube.reader import open_raster
from swath.products import Layer, Lineage, Raster, quantity_of, write_zarr

SHAPE = (200, 240)


def edges_of(path, geobox, side=16, **options):
    return block_edges(plan_cube([make_item("one", {"red": path})], ["red"], geobox=geobox, **options), side)


def box(row, column, height, width, pixel=10.0):
    """A grid that begins at a row and column of the files."""
    return GeoBox((height, width), grid(pixel, (CORNER[0] + 10 * column, CORNER[1] - 10 * row)), CRS)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blocks")
    stored = ramp(*SHAPE)
    return {
        "blocks": write_tiff(folder / "blocks.tif", stored, blockxsize=48, blockysize=32),
        "strips": write_tiff(folder / "strips.tif", stored, tiled=False, blockxsize=SHAPE[1], blockysize=20),
        "one line": write_tiff(folder / "lines.tif", stored, tiled=False, blockxsize=SHAPE[1], blockysize=1),
        "utm": write_tiff(folder / "utm.tif", stored, crs="EPSG:32636"),
        "bare": write_tiff(folder / "bare.tif", stored, crs=None),
    }


def test_cuts_lie_on_blocks(files):
    assert edges_of(files["blocks"], box(0, 0, 100, 100)) == ([0, 32, 64, 96, 100], [0, 48, 96, 100])
    assert edges_of(files["blocks"], box(40, 50, 60, 60)) == ([0, 24, 56, 60], [0, 46, 60])
    assert edges_of(files["blocks"], box(-5, -10, 50, 50)) == ([0, 5, 37, 50], [0, 10, 50])
    assert edges_of(files["blocks"], box(32, 48, 32, 48)) == ([0, 32], [0, 48])


def test_small_blocks_are_gathered(files):
    assert edges_of(files["blocks"], box(0, 0, 200, 200), side=100) == ([0, 96, 192, 200], [0, 96, 192, 200])
    assert edges_of(files["one line"], box(3, 0, 90, 50), side=40) == ([0, 37, 77, 90], [0, 50])


def test_strips_are_as_wide_as_the_file(files):
    assert edges_of(files["strips"], box(0, 0, 90, 200)) == ([0, 20, 40, 60, 80, 90], [0, 200])
    rows, columns = edges_of(files["strips"], box(30, -10, 50, 300))
    assert (rows, columns) == ([0, 10, 30, 50], [0, 10, 250, 300])


@pytest.mark.parametrize(
    "geobox", [box(0, 0, 40, 50, 20.0), box(0.5, 0.5, 40, 50), box(0, 0, 40, 50).to_crs("EPSG:3035")]
)
def test_other_grids_are_cut_by_the_side(files, geobox):
    height, width = geobox.shape
    assert edges_of(files["blocks"], geobox) == (
        sorted({*range(0, height, 16), height}), sorted({*range(0, width, 16), width})
    )  # fmt: skip


def test_files_of_another_crs_are_cut_by_the_side(files):
    assert edges_of(files["utm"], box(0, 0, 20, 40)) == ([0, 16, 20], [0, 16, 32, 40])


@pytest.mark.parametrize("harm", ["gone", "no raster", "bare"])
def test_the_first_file_that_can_be_read_tells(tmp_path, files, harm):
    broken = write_tiff(tmp_path / "broken.tif", ramp(*SHAPE))
    items = [
        make_item("one", {"red": broken}, datetime="2020-01-01T00:00:00Z"),
        make_item("two", {"red": files["blocks"]}, datetime="2020-01-02T00:00:00Z"),
    ]
    if harm == "gone":
        broken.unlink()
    else:
        broken.write_bytes(b"nothing" if harm == "no raster" else files["bare"].read_bytes())
    plan = plan_cube(items, ["red"], geobox=box(0, 0, 100, 100))
    assert block_edges(plan, 16) == ([0, 32, 64, 96, 100], [0, 48, 96, 100])
    alone = plan.without(["two"])
    assert alone.shape == plan.shape
    sides = [0, 16, 32, 48, 64, 80, 96, 100]
    assert block_edges(alone, 16) == (sides, sides)
    assert block_edges(plan.without(["one", "two"]), 16) == (sides, sides)


@given(
    length=st.integers(1, 3000), first=st.integers(-5000, 5000), step=st.integers(1, 1024),
    least=st.integers(1, 600),
)  # fmt: skip
def test_edges_cover_a_length_once(length, first, step, least):
    edges = _edges(length, first, step, least)
    assert edges[0] == 0
    assert edges[-1] == length
    assert all(a < b for a, b in itertools.pairwise(edges))
    assert all((each - first) % step == 0 for each in edges[1:-1])
    assert max(np.diff(edges)) <= max(step, least)


@given(
    geobox=gridboxes(CRS, CORNER),
    name=st.sampled_from(["blocks", "strips", "one line"]),
    side=st.integers(1, 64),
)
@bounded(max_examples=30, deadline=None)
def test_any_grid_is_covered_once(files, geobox, name, side):
    for edges, length in zip(edges_of(files[name], geobox, side), geobox.shape, strict=True):
        assert edges[0] == 0
        assert edges[-1] == length
        assert all(a < b for a, b in itertools.pairwise(edges))


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # odc-geo with affine 3
def test_a_zarr_store_is_read_and_cut_along_its_chunks_also_in_shards(tmp_path):
    """The store that we write is read without GDAL, and so is one of the same numbers in shards."""
    month = {"start": dt.datetime(2020, 3, 1, tzinfo=dt.UTC), "end": dt.datetime(2020, 3, 31, tzinfo=dt.UTC)}
    values = np.linspace(-0.2, 0.9, 6000, dtype="f4").reshape(60, 100)
    raster = Raster(
        id="one", layers=(Layer("NDVI", values, quantity_of("NDVI")),), geobox=GeoBox((60, 100), grid(), CRS),
        title="one", **month,
    )  # fmt: skip
    item = write_zarr(tmp_path, [raster], Lineage("composite", "1.0", {}, (), "../x.json", "ndvi"))
    store = tmp_path / "one.zarr"
    item["assets"]["data"]["href"] = str(store)
    data, _ = plan_cube([item], ["NDVI"]).read(0)
    np.testing.assert_allclose(data[0], values, atol=5.1e-5)
    with open_raster(f'ZARR:"{store}":/NDVI:0') as file:
        assert not file.by_gdal
    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    stored, attributes, fill = group["NDVI"][:], dict(group["NDVI"].attrs), group["NDVI"].fill_value
    del group["NDVI"]
    group.create_array(
        "NDVI", shape=stored.shape, dtype=stored.dtype, chunks=(1, 16, 16), shards=(1, 32, 64),
        fill_value=fill, dimension_names=("time", "y", "x"), attributes=attributes,
    )[:] = stored  # fmt: skip
    consolidate(store)
    plan = plan_cube([item], ["NDVI"])
    again, _ = plan.read(0)
    np.testing.assert_array_equal(again, data)
    assert block_edges(plan, 16) == ([0, 16, 32, 48, 60], [*range(0, 100, 16), 100])
