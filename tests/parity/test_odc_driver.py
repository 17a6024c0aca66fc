"""odc-stac with our reader beside odc-stac with its own: the same pixels, types and errors."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.warp import transform
from scenes import CORNER, CRS, grid, make_item, write_tiff

from swath.cube.odc_driver import SwathReader

DRIVER = "swath.cube.odc_driver.SwathDriver"
SHAPE = (90, 100)


@pytest.fixture(autouse=True)
def quiet_odc():
    """odc-stac and odc-geo use what their own dependencies call old."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.fixture
def pasted(monkeypatch):
    """Count what our reader pastes, and what it leaves to odc-loader."""
    counts = {"ours": 0, "theirs": 0}
    paste = SwathReader._paste

    def counted(self, *arguments):
        found = paste(self, *arguments)
        counts["theirs" if found is None else "ours"] += 1
        return found

    monkeypatch.setattr(SwathReader, "_paste", counted)
    return counts


def noise(dtype="u2", layers=1, seed=0):
    rng = np.random.default_rng(seed)
    made = rng.integers(1, 4000, (layers, *SHAPE)).astype(dtype)
    made[:, rng.random(SHAPE) < 0.2] = 0
    made[:, 40:60, 20:70] = 0
    return made


def days(folder, dtype="u2", *, nodata=0, count=3, edit=None, overviews=False, **options):
    """Items of some days, two of them on the first, that overlap by a part."""
    items = []
    for at in range(count):
        corner = (CORNER[0] + 200 * at, CORNER[1] - 130 * at)
        stored = noise(dtype, seed=at)
        if edit:
            edit(stored)
        path = write_tiff(
            folder / f"{at}.tif", stored, transform=grid(corner=corner), nodata=nodata, **options
        )
        if overviews:
            with rasterio.open(path, "r+") as file:
                file.build_overviews([2, 4], rasterio.enums.Resampling.average)
        when = f"2020-06-0{1 + at // 2}T10:0{at}:00Z"
        items.append(make_item(f"i{at}", {"red": path}, datetime=when))
    return items


def stac(items):
    return [pystac.Item.from_dict(each) for each in items]


def load(items, **options):
    """Load by both; the datasets, and that they are the same to the bit."""
    given = {"bands": ["red"], "groupby": "solar_day", **options}
    theirs = odc.stac.load(stac(items), **given)
    ours = odc.stac.load(stac(items), driver=DRIVER, **given)
    for name in theirs.data_vars:
        assert ours[name].dtype == theirs[name].dtype
        assert ours[name].attrs == theirs[name].attrs
    with xr.set_options(keep_attrs=True):
        xr.testing.assert_equal(ours.compute(), theirs.compute())
    return ours.compute()


def box(row=-3, column=-5, height=100, width=130, pixel=10.0, crs=CRS):
    (x,), (y,) = transform(CRS, crs, [CORNER[0]], [CORNER[1]])
    return GeoBox((height, width), grid(pixel, (x + pixel * column, y - pixel * row)), crs)


@pytest.mark.parametrize("chunks", [None, {}, {"x": 33, "y": 50}])
def test_the_files_own_grid(tmp_path, pasted, chunks):
    found = load(days(tmp_path), geobox=box(), chunks=chunks)
    assert found.red.shape == (2, 100, 130)
    assert found.red.notnull().any()
    assert pasted["ours"]


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("shift", [0.02, 0.3, 0.5, 0.7, 0.9])
def test_grids_that_are_shifted_by_a_part_of_a_pixel(tmp_path, pasted, resampling, shift):
    for sign in (1, -1):
        load(days(tmp_path), geobox=box(-3 + sign * shift, 4 - sign * shift), resampling=resampling)
    assert bool(pasted["ours"]) == (resampling == "nearest" or shift < 0.05)


@pytest.mark.parametrize("resampling", ["nearest", "average"])
@pytest.mark.parametrize("pixel", [5.0, 13.0, 20.0, 40.0])
@pytest.mark.parametrize("overviews", [False, True])
def test_other_resolutions(tmp_path, resampling, pixel, overviews):
    items = days(tmp_path, overviews=overviews)
    load(items, geobox=box(1, 2, 40, 50, pixel), resampling=resampling)
    load(items, geobox=box(0, 0, 20, 20, pixel), resampling=resampling)


@pytest.mark.parametrize("resampling", ["nearest", "cubic"])
def test_another_crs(tmp_path, pasted, resampling):
    load(days(tmp_path), geobox=box(crs="EPSG:3035"), resampling=resampling)
    assert pasted["ours"] == 0


def place_nans(stored):
    stored[:, 3:9] = np.nan
    stored[:, 12, 5] = np.inf


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("nodata", [None, 0, 7])
@pytest.mark.parametrize("asked", [None, 0, 9])
def test_nodata_of_files_and_of_the_caller(tmp_path, pasted, dtype, nodata, asked):
    load(days(tmp_path, dtype, nodata=nodata, count=2), geobox=box(), nodata=asked)
    assert bool(pasted["ours"]) == (dtype != "f8")  # which become float32


@pytest.mark.parametrize("nodata", [None, np.nan, 0, -9999])
@pytest.mark.parametrize("asked", [None, np.nan, 5])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_numbers_with_a_fraction_and_nan(tmp_path, dtype, nodata, asked):
    items = days(tmp_path, dtype, nodata=nodata, count=2, edit=place_nans)
    load(items, geobox=box(), nodata=asked)
    load(items, geobox=box(), nodata=asked, chunks={"x": 40, "y": 40})


@pytest.mark.parametrize("asked", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "i4", "f4", "f8"])
def test_conversion_to_another_type(tmp_path, dtype, asked):
    """GDAL rounds and clips where a type is narrower: 300 is 255 in a byte, and 1.7 is 2."""

    def edit(stored):
        if stored.dtype.kind == "f":
            stored[:, 20:40] *= 1.37
        if stored.dtype.kind in "fi":
            stored[:, 30:60] *= -1

    items = days(tmp_path, dtype, nodata=0, count=2, edit=edit)
    for chunks in (None, {"x": 60}):
        load(items, geobox=box(), dtype=np.dtype(asked).name, chunks=chunks)


def several(folder, count=2):
    items = []
    for at in range(count):
        stored = noise(layers=3, seed=at)
        path = write_tiff(folder / f"m{at}.tif", stored, nodata=0, interleave="pixel" if at else "band")
        bands = {"data": [{"name": each} for each in ("red", "green", "blue")]}
        items.append(
            make_item(f"m{at}", {"data": path}, bands=bands, datetime=f"2020-06-0{at + 1}T10:00:00Z")
        )
    return items


@pytest.mark.parametrize("chunks", [None, {"x": 50, "y": 50}])
def test_files_of_several_layers(tmp_path, pasted, chunks):
    bands = ["data.3", "data.1"]
    found = load(several(tmp_path), bands=bands, geobox=box(), chunks=chunks)
    assert set(found.data_vars) == set(bands)
    assert pasted["ours"]


@pytest.mark.parametrize("chunks", [None, {"x": 40, "y": 40}])
def test_the_same_file_in_strips_or_one_block(tmp_path, chunks):
    for at, options in enumerate(({"tiled": False, "blockysize": 7}, {"blockxsize": 256, "blockysize": 256})):
        if not options.get("tiled", True):
            options["blockxsize"] = SHAPE[1]
        load(days(tmp_path / str(at), **options), geobox=box(), chunks=chunks)


def test_targets_beside_the_files_are_empty(tmp_path):
    for target in (box(5000, 5000, 10, 10), box(-9, -9, 9, 9)):
        assert load(days(tmp_path), geobox=target).red.isnull().all()


def harm(path, how):
    if how == "gone":
        path.unlink()
    elif how == "no raster":
        path.write_bytes(b"nothing")
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:-3000])
    else:
        content = bytearray(path.read_bytes())
        content[-3000:] = b"\xff" * 3000
        path.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["gone", "no raster", "cut short", "harmed blocks"])
@pytest.mark.parametrize("chunks", [None, {}])
def test_what_cannot_be_read(tmp_path, how, chunks):
    items = days(tmp_path)
    harm(Path(items[1]["assets"]["red"]["href"]), how)
    raised = []
    for options in ({}, {"driver": DRIVER}):
        with pytest.raises(RasterioError) as error:
            odc.stac.load(stac(items), bands=["red"], geobox=box(), chunks=chunks, **options).compute()
        raised.append((type(error.value), str(error.value)))
    assert raised[0] == raised[1]
    load(items, geobox=box(), chunks=chunks, fail_on_error=False)


def test_a_layer_that_a_file_lacks(tmp_path):
    (item,) = days(tmp_path, count=1)
    item["assets"]["red"]["bands"] = [{"name": each} for each in ("red", "green")]
    raised = []
    for options in ({}, {"driver": DRIVER}):
        with pytest.raises(Exception) as error:  # noqa: PT011 -- whatever it is, it is the same
            odc.stac.load(stac([item]), bands=["red.2"], geobox=box(), **options)
        raised.append((type(error.value), str(error.value)))
    assert raised[0] == raised[1]


def test_files_without_a_place(tmp_path):
    items = days(tmp_path)
    write_tiff(Path(items[1]["assets"]["red"]["href"]), noise()[0], crs=None)
    answers = []
    for options in ({}, {"driver": DRIVER}):
        try:
            found = odc.stac.load(stac(items), bands=["red"], geobox=box(), **options)
            answers.append(found.red.values.tobytes())
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is the same
            answers.append((type(error), str(error)))
    assert answers[0] == answers[1]
