"""Zarr stores that are large enough for shards."""

from __future__ import annotations

import datetime as dt
import json

import numpy as np
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox
from runs import TWO
from scenes import CRS, grid

import swath
from swath.cube.reader import RasterFile, open_raster
from swath.jobs import Request, submit
from swath.products import Layer, Lineage, Raster, folder_checksum, quantity_of, write_zarr
from swath.products import store as store_module

SHAPE = (100, 150)


@pytest.fixture
def rasters(monkeypatch):
    """Two months of a grid that needs several shards of 8 x 8 chunks of 8 x 8 pixels."""
    monkeypatch.setattr(store_module, "_SIDE", 8)
    rng = np.random.default_rng(4)
    made = []
    for month in (1, 2):
        values = rng.uniform(-0.2, 0.9, SHAPE).astype("f4")
        values[30:50, 60:90] = np.nan
        made.append(
            Raster(
                id=f"ndvi-{month}", layers=(Layer("NDVI", values, quantity_of("NDVI")),), title="NDVI",
                geobox=GeoBox(SHAPE, grid(), CRS), start=dt.datetime(2020, month, 1, tzinfo=dt.UTC),
                end=dt.datetime(2020, month, 28, tzinfo=dt.UTC),
            )
        )  # fmt: skip
    return made


LINEAGE = Lineage("composite", "1.0", {}, (), "../x.json", "ndvi")


def test_xarray_and_our_reader_find_the_values_in_few_files(tmp_path, rasters):
    item = write_zarr(tmp_path, rasters, LINEAGE)
    store = tmp_path / "ndvi.zarr"
    files = [each for each in (store / "NDVI" / "c").rglob("*") if each.is_file()]
    assert len(files) == 2 * 3  # and not 13 * 19
    assert json.loads((store / "NDVI" / "zarr.json").read_text())["codecs"][0]["name"] == "sharding_indexed"
    with xr.open_zarr(store, decode_coords="all") as found:
        assert found.odc.geobox == rasters[0].geobox
        assert found.NDVI.encoding["shards"] == (2, 64, 64)
        for at, raster in enumerate(rasters):
            np.testing.assert_allclose(found.NDVI[at], raster.layers[0].array, rtol=0, atol=5.1e-5)
        item["assets"]["data"]["href"] = str(store)
        loaded = swath.load([item], "NDVI", chunks=None)
        np.testing.assert_allclose(loaded.NDVI.values, found.NDVI.values, rtol=0, atol=1e-6)
    for step in (0, 1):
        with open_raster(f'ZARR:"{store}":/NDVI:{step}') as file:
            assert not file.by_gdal


def test_the_same_rasters_give_the_same_bytes(tmp_path, rasters):
    for name in ("one", "two", "two"):
        write_zarr(tmp_path / name, rasters, LINEAGE)
    assert folder_checksum(tmp_path / "one") == folder_checksum(tmp_path / "two")


def test_a_long_grid_has_shards_along_its_length_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "_SIDE", 8)
    assert store_module.chunks_of((40, 20, 300)) == {"chunks": (32, 8, 8), "shards": (32, 24, 64)}
    assert store_module.chunks_of((40, 5, 300)) == {"chunks": (32, 5, 8), "shards": (32, 5, 64)}
    assert store_module.chunks_of((40, 64, 64)) == {"chunks": (32, 8, 8)}


@pytest.mark.parametrize("form", ["shards", "chunks"])
@pytest.mark.parametrize("tile_size", [40, 512])
def test_a_composite_of_a_store_in_shards_reads_no_file_by_gdal(
    tmp_path, settings, rasters, form, tile_size, monkeypatch
):
    """And its own results, as a store, are read the same way."""
    if form == "chunks":
        monkeypatch.setattr(store_module, "_SIDE", 256)
    item = write_zarr(tmp_path, rasters, LINEAGE)
    item["assets"]["data"]["href"] = str(tmp_path / "ndvi.zarr")
    opened = []
    place = RasterFile.place

    def seen(self, *given, **options):
        opened.append((self.href, self.by_gdal))
        return place(self, *given, **options)

    monkeypatch.setattr(RasterFile, "place", seen)
    given = {
        "items": [item], "bands": ["NDVI"], "valid": False, "period": "P1Y", "reducer": "mean",
        "format": "zarr", "tile_size": tile_size,
    }  # fmt: skip
    job = submit(Request("composite", given, tmp_path / "job"), settings)
    status = job.run(TWO)
    assert status.state == "successful", status.message
    assert opened
    assert not any(by_gdal for _, by_gdal in opened)
    expected = np.mean([each.layers[0].array for each in rasters], axis=0)  # gaps are the same
    loaded = swath.load(list(job.results()), "NDVI", geobox=rasters[0].geobox, chunks=None)
    np.testing.assert_allclose(loaded.NDVI.values[0], expected, rtol=0, atol=2e-4)
    assert not any(by_gdal for _, by_gdal in opened)
    assert {href.split('"')[1] for href, _ in opened} > {str(tmp_path / "ndvi.zarr")}
