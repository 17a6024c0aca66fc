"""`swath.load` beside rasterio and numpy on the same files."""

from __future__ import annotations

import json
import re

import numpy as np
import pystac
import pytest
import rasterio
import xarray as xr
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds
from scenes import make_item, ramp, write_tiff

import swath
from swath.model import InputError, TooLargeError

CLEAR = {"band": "SCL", "values": [4, 5, 7]}


def by_hand(item, bands, clear=None):
    """Bands of a demonstration item, scaled and masked, with nothing but rasterio and numpy."""
    with rasterio.open(item["assets"]["b10m"]["href"]) as file:
        stored = dict(zip(("blue", "green", "red", "nir", "SCL"), file.read().astype("f8"), strict=True))
        nodata = file.nodata
    good = np.isin(stored["SCL"], clear) if clear else np.ones(stored["SCL"].shape, bool)
    values = np.stack([np.where(stored[b] != nodata, stored[b] * 1e-4, np.nan) for b in bands])
    values[:, ~good] = np.nan
    return values.astype("f4")


def test_bands_are_what_rasterio_reads_scaled_and_masked(demo):
    items = demo[60:68]
    ds = swath.load(items, ["red", "nir"], valid=CLEAR, chunks=None)
    expected = np.stack([by_hand(each, ("red", "nir"), (4, 5, 7)) for each in items], axis=1)
    np.testing.assert_array_equal(ds.red.values, expected[0])
    np.testing.assert_array_equal(ds.nir.values, expected[1])
    np.testing.assert_array_equal(ds.valid.values, np.isfinite(expected).any(axis=0))
    assert np.isfinite(expected).any()
    assert np.isnan(expected).any()
    dates = [each["properties"]["datetime"][:10] for each in items]
    assert [str(each)[:10] for each in ds.time.values] == dates


def test_coordinates_are_the_files_own(demo):
    ds = swath.load(demo[:1], "red", chunks=None)
    with rasterio.open(demo[0]["assets"]["b10m"]["href"]) as file:
        left, top = file.transform.c, file.transform.f
    np.testing.assert_allclose(ds.x.values, left + 10 * np.arange(100) + 5)
    np.testing.assert_allclose(ds.y.values, top - 10 * np.arange(100) - 5)
    assert ds.odc.geobox.crs == "EPSG:3035"
    assert ds.red.dims == ("time", "y", "x")
    assert ds.red.dtype == np.float32
    assert ds.valid.dtype == bool


def test_without_a_rule_of_ones_own_the_collections_rule_holds(demo):
    items = demo[60:64]
    known = swath.load(items, "red", chunks=None).red.values[:, :, :]
    expected = np.stack([by_hand(each, ("red",), (4, 5, 6, 7, 11))[0] for each in items])
    np.testing.assert_array_equal(known, expected)
    every = swath.load(items, "red", valid=False, chunks=None).red.values
    np.testing.assert_array_equal(every, np.stack([by_hand(each, ("red",))[0] for each in items]))


def test_a_bbox_takes_the_pixels_that_it_touches(demo):
    bbox = (22.149, 45.202, 22.153, 45.206)
    ds = swath.load(demo[60:61], "red", bbox=bbox, valid=False, chunks=None)
    with rasterio.open(demo[60]["assets"]["b10m"]["href"]) as file:
        bounds = transform_bounds("EPSG:4326", "EPSG:3035", *bbox, densify_pts=21)
        window = from_bounds(*bounds, file.transform)
        top, left = int(window.row_off), int(window.col_off)
        bottom = int(np.ceil(window.row_off + window.height))
        right = int(np.ceil(window.col_off + window.width))
        stored = file.read(3)[top:bottom, left:right]
    np.testing.assert_array_equal(ds.red.values[0], (stored * 1e-4).astype("f4"))
    assert ds.odc.geobox.crs == "EPSG:3035"


def test_a_geometry_takes_its_box(demo):
    bbox = (22.149, 45.202, 22.153, 45.206)
    west, south, east, north = bbox
    shape = {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, south]]]}
    expected = swath.load(demo[60:61], "red", bbox=bbox, chunks=None)
    for given in (
        shape,
        json.dumps(shape),
        f"POLYGON(({west} {south}, {east} {south}, {east} {north}, {west} {south}))",
    ):
        xr.testing.assert_equal(swath.load(demo[60:61], "red", geometry=given, chunks=None), expected)


def test_lazy_and_eager_are_the_same(demo):
    items = demo[60:64]
    eager = swath.load(items, ["red", "SCL"], chunks=None)
    lazy = swath.load(items, ["red", "SCL"], chunks={"x": 33, "y": 50})
    assert lazy.red.chunks == ((1,) * 4, (50, 50), (33, 33, 33, 1))
    xr.testing.assert_equal(lazy.drop_attrs().compute(), eager.drop_attrs())


def test_nothing_is_read_before_it_is_computed(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp())
    item = make_item("one", {"red": path})
    ds = swath.load([item], "red")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="red"):
        ds.red.compute()


def test_items_come_in_every_form_that_people_have(demo):
    items = demo[60:62]
    expected = swath.load(items, "red", chunks=None)
    objects = [pystac.Item.from_dict(each) for each in items]
    collection = {"type": "FeatureCollection", "features": items}
    for given in (objects, pystac.ItemCollection(objects), collection, iter(items), tuple(items)):
        xr.testing.assert_equal(swath.load(given, "red", chunks=None), expected)
    xr.testing.assert_equal(
        swath.load(objects[0], "red", chunks=None), swath.load(items[0], "red", chunks=None)
    )


def test_like_takes_another_cubes_grid(demo):
    coarse = swath.load(demo[60:61], "red", resolution=20, chunks=None)
    again = swath.load(demo[61:62], "nir", like=coarse, chunks=None)
    assert again.odc.geobox == coarse.odc.geobox
    assert again.nir.shape == coarse.red.shape
    assert np.all(coarse.x.values % 20 == 10)  # another pixel size than the files': on multiples of it


def test_order_of_items_does_not_matter(demo):
    items = demo[60:66]
    xr.testing.assert_equal(
        swath.load(items[::-1], "red", chunks=None), swath.load(items, "red", chunks=None)
    )


def test_what_cannot_fit_is_refused_with_both_numbers(demo):
    held = (4 + 1) * 2 * 100 * 100
    with pytest.raises(TooLargeError, match=r"the cube needs 100\.0 kB, and 99\.9 kB may be used"):
        swath.load(demo[:2], "red", chunks=None, memory_bytes=held - 60)
    ds = swath.load(demo[:2], "red", chunks=None, memory_bytes=held)
    assert ds.red.nbytes + ds.valid.nbytes == held
    with pytest.raises(TooLargeError, match="a chunk of the cube needs"):
        swath.load(demo[:2], "red", chunks=100, memory_bytes=100_000)
    assert swath.load(demo[:2], "red", chunks=10, memory_bytes=100_000).red.shape == (2, 100, 100)
    assert "2 files, 80.0 kB to read, 100.0 kB if held whole" in ds.attrs["swath_cost"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"bands": "rad"}, "no band 'rad'.*did you mean 'red'"),
        ({"bands": "red", "resolution": 0}, "larger than 0, got 0"),
        ({"bands": "red", "resolution": 0.0001}, "looks like degrees.*metre"),
        ({"bands": "red", "crs": "EPSG:4326", "resolution": 10}, "looks like metres"),
        ({"bands": "red", "crs": "EPSG:99999"}, "'EPSG:99999' is no coordinate reference system"),
        ({"bands": "red", "bbox": (45.2, 22.1, 45.3, 122.2)}, "a latitude is beyond 90"),
        ({"bands": "red", "bbox": (22.1, 45.3, 22.2, 45.2)}, "south is above north.*swap them"),
        ({"bands": "red", "resampling": "bilinaer"}, "'bilinaer' is not known.*known: bilinear"),
        ({"bands": "red", "groupby": "day"}, "'day' is not known.*known: solar_day, item"),
        ({"bands": "red", "valid": {"band": "SCL"}}, "a rule needs at least one of"),
        ({"bands": "red", "valid": {"bnad": "SCL"}}, "valid: "),
        ({"bands": "red", "valid": {"band": "QA", "values": [1]}}, "no band 'QA'"),
        ({"bands": "red", "chunks": {"z": 1}}, "sizes of x and y are needed"),
        ({"bands": "red", "geometry": "POINT("}, "is no geometry"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_told_with_its_remedy(demo, arguments, told):
    with pytest.raises(InputError) as error:
        swath.load(demo[:1], **arguments)
    assert re.search(told, str(error.value), re.DOTALL)


def test_no_items_is_told():
    with pytest.raises(InputError, match="none are left"):
        swath.load([], "red")
