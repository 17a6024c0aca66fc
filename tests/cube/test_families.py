"""Scale, offset and good pixels of the large product families, as their guides have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from scenes import make_item, write_tiff

import swath
from swath.catalog import open_catalog
from swath.cube import rule_for
from swath.cube.families import family_of
from swath.cube.sources import band_sources, find_band

STORED = np.array([[1000, 2000], [3000, 0]], "u2")


def sentinel(tmp_path, *, bands=None, **properties):
    path = write_tiff(tmp_path / "B04.tif", STORED, nodata=0)
    named = {"B04": [{"name": "B04", "eo:common_name": "red", **(bands or {})}]}
    properties = {key.replace("__", ":"): value for key, value in properties.items()}
    return make_item(
        "S2B_MSIL2A_T35TLK", {"B04": path}, bands=named, collection="sentinel-2-l2a",
        platform="sentinel-2b", **properties,
    )  # fmt: skip


def red(item):
    return swath.load([item], "red", valid=False, chunks=None).red.values[0]


@pytest.mark.parametrize(
    ("said", "properties", "offset"),
    [
        ({}, {"s2__processing_baseline": "03.01"}, 0.0),
        ({}, {"s2__processing_baseline": "04.00"}, -0.1),
        ({}, {"s2__processing_baseline": "05.10"}, -0.1),
        ({}, {"s2__processing_baseline": "04.00", "earthsearch__boa_offset_applied": True}, 0.0),
        ({}, {"s2__processing_baseline": "04.00", "earthsearch__boa_offset_applied": False}, -0.1),
        ({"scale": 1e-4, "offset": 0}, {"s2__processing_baseline": "03.01"}, 0.0),
        ({"scale": 1e-4, "offset": -0.1}, {"s2__processing_baseline": "04.00"}, -0.1),
        (
            {"scale": 1e-4, "offset": -0.1},
            {"s2__processing_baseline": "04.00", "earthsearch__boa_offset_applied": True},
            0.0,
        ),
        ({"raster:scale": 1e-4, "raster:offset": -0.1}, {"s2__processing_baseline": "04.00"}, -0.1),
        ({"scale": 1e-4}, {"s2__processing_baseline": "03.01"}, 0.0),
        ({}, {}, 0.0),
    ],
)
def test_sentinel2_reflectance_is_scaled_once(tmp_path, said, properties, offset):
    """Reflectance of 2000 is 0.2 up to baseline 03.01, and 0.1 from 04.00 on."""
    found = red(sentinel(tmp_path, bands=said, **properties))
    expected = np.where(STORED == 0, np.nan, STORED * 1e-4 + offset)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_older_stac_says_its_scale_in_raster_bands(tmp_path):
    item = sentinel(tmp_path, s2__processing_baseline="05.09")
    asset = item["assets"]["B04"]
    del asset["bands"]
    asset["eo:bands"] = [{"name": "B04", "common_name": "red"}]
    asset["raster:bands"] = [{"scale": 0.5, "offset": 3, "nodata": 1000}]
    np.testing.assert_allclose(red(item), [[np.nan, 1003], [1503, 3]])


def test_quality_bands_are_not_scaled(tmp_path):
    path = write_tiff(tmp_path / "SCL.tif", np.array([[4, 8]], "u1"))
    item = make_item("S2A", {"SCL": path}, platform="Sentinel-2A", **{"s2:processing_baseline": "05.09"})
    assert swath.load([item], "SCL", valid=False, chunks=None).SCL.values.tolist() == [[[4, 8]]]


def test_sentinel2_scene_classes_and_the_older_cloud_mask(tmp_path):
    stored = np.arange(12, dtype="u2").reshape(1, 12)
    files = {
        "red": write_tiff(tmp_path / "red.tif", stored + 1),
        "SCL": write_tiff(tmp_path / "scl.tif", stored.astype("u1")),
    }
    item = make_item("S2A", files, platform="sentinel-2a")
    ds = swath.load([item], "red", chunks=None)
    assert np.flatnonzero(ds.valid.values[0, 0]).tolist() == [4, 5, 6, 7, 11]

    clouds = np.array([[0, 1 << 10, 1 << 11, 3 << 10, 1 << 3]], "u2")
    files = {
        "red": write_tiff(tmp_path / "red2.tif", np.full((1, 5), 9, "u2")),
        "QA60": write_tiff(tmp_path / "qa60.tif", clouds),
    }
    ds = swath.load([make_item("S2A", files, platform="sentinel-2a")], "red", chunks=None)
    assert ds.valid.values[0, 0].tolist() == [True, False, False, False, True]


LANDSAT = "05_landsat_c2l2_scene"


@pytest.fixture
def landsat(shared_data):
    """The scene's own item of STAC 0.7, written anew as 1.0, with the files that are here."""
    folder = shared_data / LANDSAT
    item = json.loads(next(folder.glob("*_SR_stac.json")).read_text())
    item["properties"]["datetime"] = "2019-12-01T15:13:24Z"
    item["assets"] = {
        key: {**each, "href": str(folder / Path(each["href"]).name)}
        for key, each in item["assets"].items()
        if key.endswith(".TIF")
    }
    thermal = next(folder.glob("*_ST_B10.TIF"))
    item["assets"]["ST_B10.TIF"] = {
        "href": str(thermal),
        "eo:bands": [{"name": "ST_B10", "common_name": "lwir11"}],
    }
    item["stac_version"] = "1.0.0"
    named = item["properties"].pop("eo:bands")
    for each in item["assets"].values():
        if each.get("eo:bands") and isinstance(each["eo:bands"][0], int):
            each["eo:bands"] = [named[each["eo:bands"][0]]]
        each["roles"] = ["data"]
        each["type"] = "image/vnd.stac.geotiff"
    item["assets"]["QA_PIXEL.TIF"]["eo:bands"] = [{"name": "QA_PIXEL"}]
    return item


def raw(landsat, asset):
    with rasterio.open(landsat["assets"][asset]["href"]) as file:
        return file.read(1)


def geobox_of(landsat):
    """The files' own grid, whose pixels are not square."""
    with rasterio.open(landsat["assets"]["SR_B4.TIF"]["href"]) as file:
        return GeoBox(file.shape, file.transform, "EPSG:32618")


def test_landsat_collection_2_is_scaled_as_its_guide_says(landsat):
    assert family_of(landsat).name == "Landsat Collection 2 Level 2"
    ds = swath.load(
        [landsat], ["red", "nir08", "lwir11"], geobox=geobox_of(landsat), valid=False, chunks=None
    )
    for name, asset, scale, offset in (
        ("red", "SR_B4.TIF", 2.75e-5, -0.2),
        ("nir08", "SR_B5.TIF", 2.75e-5, -0.2),
        ("lwir11", "ST_B10.TIF", 0.00341802, 149.0),
    ):
        stored = raw(landsat, asset).astype("f8")
        expected = np.where(stored == 0, np.nan, stored * scale + offset).astype("f4")
        np.testing.assert_array_equal(ds[name].values[0], expected)
    assert 250 < float(ds.lwir11.median()) < 320  # kelvin, over Colombia


def test_landsat_pixels_are_good_where_five_bits_are_clear(landsat):
    ds = swath.load([landsat], "red", geobox=geobox_of(landsat), chunks=None)
    quality = raw(landsat, "QA_PIXEL.TIF")
    good = np.ones(quality.shape, bool)
    for bit in range(5):  # fill, dilated cloud, cirrus, cloud, shadow
        good &= (quality >> bit) % 2 == 0
    good &= raw(landsat, "SR_B4.TIF") != 0
    np.testing.assert_array_equal(ds.valid.values[0], good)
    assert 0.02 < good.mean() < 0.5


MODIS = "06_modis_mod13a2_gabon"


def modis(folder, date, names):
    files = {each: folder / f"MOD13A2_{date}_{each}.tif" for each in names}
    return make_item(f"MOD13A2.A{date}", files, collection="modis-13A2-061", datetime="2025-01-01T00:00:00Z")


def modis_raw(shared_data, name):
    with rasterio.open(shared_data / MODIS / f"MOD13A2_20250101_{name}.tif") as file:
        return file.read(1)


def test_modis_vegetation_index_with_reliability(shared_data):
    item = modis(shared_data / MODIS, "20250101", ("NDVI", "RELIABILITY", "VIQ"))
    ds = swath.load([item], "NDVI", chunks=None)
    ndvi, reliability = modis_raw(shared_data, "NDVI"), modis_raw(shared_data, "RELIABILITY")
    expected = np.where(np.isin(reliability, (0, 1)) & (ndvi != -3000), ndvi * 1e-4, np.nan).astype("f4")
    np.testing.assert_array_equal(ds.NDVI.values[0], expected)
    assert np.isfinite(expected).any()
    assert (reliability == 3).any()


def test_modis_vegetation_index_with_the_quality_bits(shared_data):
    item = modis(shared_data / MODIS, "20250101", ("NDVI", "VIQ"))
    ds = swath.load([item], "NDVI", chunks=None)
    ndvi, quality = modis_raw(shared_data, "NDVI"), modis_raw(shared_data, "VIQ")
    good = np.isin(quality & 0b11, (0, 1)) & (quality != 65535) & (ndvi != -3000)
    np.testing.assert_array_equal(ds.valid.values[0], good)
    assert 0 < good.sum() < good.size


def test_a_rule_of_the_users_own_wins(demo):
    own = {"sentinel-2-l2a-romania": {"band": "SCL", "values": [4]}}
    assert rule_for(demo[0], own).values == (4.0,)
    assert rule_for(demo[0], {"other": own["sentinel-2-l2a-romania"]}).values == (4, 5, 6, 7, 11)


def test_an_unknown_product_is_taken_as_it_stands(tmp_path):
    path = write_tiff(tmp_path / "red.tif", STORED)
    item = make_item("one", {"red": path})
    assert rule_for(item) is None
    np.testing.assert_array_equal(red(item), STORED)


def test_old_items_keep_their_bands_through_the_catalog(shared_data, tmp_path):
    source = next((shared_data / LANDSAT).glob("*_SR_stac.json"))
    assert json.loads(source.read_text())["stac_version"] == "0.7.0"
    with open_catalog(str(tmp_path / "catalog.sqlite"), create=True) as catalog:
        report = swath.ingest(catalog, str(source), collection="landsat-c2l2-sr")
        assert report.accepted == 1, report.rejected
        (item,) = catalog.search().items_as_dicts()
    found = find_band(band_sources(item), "red")
    assert found is not None
    assert found.href.endswith("SR_B4.TIF")
    assert (found.scale, found.offset) == (2.75e-5, -0.2)
