"""Plain rasters become items by the pattern of their names."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pystac
import pytest
import rasterio
from rasterio.transform import from_origin

from swath.catalog import SqliteCatalog, ingest
from swath.catalog.intake.patterns import parse_pattern
from swath.model import InputError


@pytest.fixture
def catalog(tmp_path):
    with SqliteCatalog(tmp_path / "catalog.sqlite", create=True) as held:
        yield held


def _write(
    path, *, crs="EPSG:32631", origin=(500_000, 5_600_000), size=10.0, nodata=0, count=1, dtype="int16"
):
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", width=20, height=10, count=count, dtype=dtype, crs=crs,
        transform=from_origin(*origin, size, size), nodata=nodata,
    ) as out:  # fmt: skip
        for band in range(1, count + 1):
            out.write(np.full((10, 20), band, dtype), band)
        out.scales, out.offsets = (0.0001,) * count, (-0.1,) * count


def test_bands_of_one_time_are_one_item(catalog, tmp_path):
    folder = tmp_path / "s2"
    for band in ("red", "nir"):
        for day in ("20200105", "20200110"):
            _write(folder / f"T31_{day}_{band}.tif")
    report = ingest(catalog, folder, pattern="{tile}_{datetime:%Y%m%d}_{band}.tif")
    assert (report.added, report.rejected, report.collections) == (2, [], ["s2"])
    item = catalog.get_item("s2", "T31_20200105")
    assert item["stac_version"] == "1.1.0"
    properties = item["properties"]
    assert properties["datetime"] == "2020-01-05T00:00:00Z"
    assert properties["tile"] == "T31"
    assert properties["proj:code"] == "EPSG:32631"
    assert properties["proj:shape"] == [10, 20]
    assert properties["proj:transform"] == [10.0, 0.0, 500_000.0, 0.0, -10.0, 5_600_000.0]
    assert sorted(item["assets"]) == ["nir", "red"]
    red = item["assets"]["red"]
    assert red["href"] == str(folder / "T31_20200105_red.tif")
    assert red["bands"] == [
        {"name": "red", "data_type": "int16", "nodata": 0, "raster:scale": 0.0001, "raster:offset": -0.1}
    ]
    west, south, east, north = item["bbox"]
    assert west == pytest.approx(3.0, abs=1e-6)
    assert east == pytest.approx(3.0028, abs=2e-4)
    assert 50.55 < south < north < 50.56
    pystac.Item.from_dict(item)


def test_grids_that_differ_are_said_on_the_assets(catalog, tmp_path):
    folder = tmp_path / "mixed"
    _write(folder / "a_2020_red.tif")
    _write(folder / "a_2020_swir.tif", size=20.0, nodata=float("nan"), dtype="float32")
    assert ingest(catalog, folder, pattern="{id}_{datetime:%Y}_{band}.tif").added == 1
    item = catalog.get_item("mixed", "a")
    assert "proj:transform" not in item["properties"]
    assert item["assets"]["swir"]["proj:transform"][0] == 20.0
    assert item["assets"]["swir"]["bands"][0]["nodata"] == "nan"
    assert item["properties"]["datetime"] is None
    assert item["properties"]["start_datetime"] == "2020-01-01T00:00:00Z"
    assert item["properties"]["end_datetime"] == "2020-12-31T23:59:59Z"


def test_files_that_are_no_rasters_or_do_not_fit_are_told(catalog, tmp_path):
    folder = tmp_path / "some"
    _write(folder / "x_20200101_red.tif")
    (folder / "x_20200102_red.tif").write_text("no raster")
    (folder / "x_20201301_red.tif").write_text("no month 13")
    (folder / "notes.txt").write_text("mine")
    (folder / ".hidden").write_text("not looked at")
    (folder / "twice").mkdir()
    with rasterio.open(
        folder / "twice" / "x_20200101_red.tif", "w", driver="GTiff", width=2, height=2, count=1,
        dtype="uint8", crs="EPSG:4326", transform=from_origin(5, 5, 1, 1),
    ) as out:  # fmt: skip
        out.write(np.zeros((1, 2, 2), "uint8"))
    report = ingest(catalog, folder, pattern="{tile}_{datetime:%Y%m%d}_{band}.tif")
    told = {each.id: each.reason for each in report.rejected}
    assert set(told) == {"x_20200102_red.tif", "x_20201301_red.tif", "notes.txt", "x_20200101_red.tif"}
    assert "no raster" in told["x_20200102_red.tif"]
    assert "does not exist" in told["x_20201301_red.tif"]
    assert "pattern" in told["notes.txt"]
    assert "already" in told["x_20200101_red.tif"]
    assert report.added == 1


def test_collections_and_folders_from_the_pattern(catalog, tmp_path):
    for name in ("alpha", "beta"):
        for day in ("2020001", "2020032"):
            _write(tmp_path / "tree" / name / day / "B1.tif")
    report = ingest(catalog, tmp_path / "tree", pattern="{collection}/{datetime:%Y%j}/{band}.tif")
    assert (report.added, report.collections) == (4, ["alpha", "beta"])
    found = [i["properties"]["datetime"] for i in catalog.search(collections=["beta"]).items_as_dicts()]
    assert found == ["2020-02-01T00:00:00Z", "2020-01-01T00:00:00Z"]


def test_raster_over_the_antimeridian(catalog, tmp_path):
    _write(
        tmp_path / "fiji" / "f_20200101_red.tif", crs="EPSG:32701", origin=(150_000, 8_000_000), size=5000.0
    )
    assert ingest(catalog, tmp_path / "fiji", pattern="{id}_{datetime:%Y%m%d}_{band}.tif").added == 1
    west, _, east, _ = catalog.get_item("fiji", "f")["bbox"]
    assert west > 176
    assert east < -178
    assert catalog.search(bbox=(-179.9, -20, -179.8, -17)).matched() == 1
    assert catalog.search(bbox=(0, -20, 10, -17)).matched() == 0


def test_bands_of_one_file_keep_their_order(catalog, tmp_path):
    _write(tmp_path / "multi" / "m_20200101.tif", count=3)
    ingest(catalog, tmp_path / "multi", pattern="{sensor}_{datetime:%Y%m%d}.tif", collection="c")
    item = catalog.get_item("c", "m_20200101")
    assert [band["name"] for band in item["assets"]["data"]["bands"]] == ["data_1", "data_2", "data_3"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{band}.tif", "no {datetime"),
        ("{datetime}_{band}.tif", "how the time is written"),
        ("{datetime:%Q}.tif", "%Q"),
        ("{band:%Y}_{datetime:%Y}.tif", "only 'datetime'"),
        ("{datetime:%Y}_{band.tif", "brace"),
    ],
)
def test_wrong_patterns_are_told(text, told):
    with pytest.raises(InputError, match=told):
        parse_pattern(text)


def test_a_field_twice_must_say_the_same():
    pattern = parse_pattern("{tile}/{tile}_{datetime:%Y}.tif")
    assert pattern.regex.fullmatch("a/a_2020.tif")
    assert not pattern.regex.fullmatch("a/b_2020.tif")


def test_real_modis_folder(catalog, shared_data):
    folder = shared_data / "06_modis_mod13a2_gabon"
    report = ingest(catalog, folder, pattern="{product}_{datetime:%Y%m%d}_{band}.tif", collection="modis")
    assert report.added == 15
    assert [each.id for each in report.rejected] == ["MOD13A2.A2025001.h18v09.061.2025022080611.hdf"]
    item = catalog.get_item("modis", "MOD13A2_20250101")
    assert len(item["assets"]) == 9
    assert item["properties"]["product"] == "MOD13A2"
    with rasterio.open(folder / "MOD13A2_20250101_NDVI.tif") as raster:
        assert item["assets"]["NDVI"]["bands"][0]["data_type"] == raster.dtypes[0]
        assert item["properties"]["proj:shape"] == list(raster.shape)
        bounds = rasterio.warp.transform_bounds(raster.crs, "EPSG:4326", *raster.bounds, densify_pts=50)
    assert item["bbox"] == pytest.approx(list(bounds), abs=1e-3)
    last = next(catalog.search(collections=["modis"], limit=1).items_as_dicts())
    assert last["properties"]["datetime"] == "2025-04-23T00:00:00Z"
    assert dt.datetime.fromisoformat(last["properties"]["datetime"]).tzinfo is not None
