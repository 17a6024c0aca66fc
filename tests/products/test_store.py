"""Zarr stores of several rasters."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import xarray as xr

from swath.products import folder_checksum, write_zarr


def series(make_raster, count=3):
    made = []
    for month in range(1, count + 1):
        start = dt.datetime(2020, month, 1, tzinfo=dt.UTC)
        end = dt.datetime(2020, month + 1, 1, tzinfo=dt.UTC) - dt.timedelta(seconds=1)
        names = ("NDVI", "quality", "slope")
        made.append(make_raster(names=names, seed=month, id=f"ndvi-t1-2020{month:02}", start=start, end=end))
    return made


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # odc-geo with affine 3
def test_xarray_reads_the_values_times_and_grid(tmp_path, lineage, make_raster):
    rasters = series(make_raster)
    write_zarr(tmp_path, rasters[::-1], lineage)
    with xr.open_zarr(tmp_path / "ndvi-t1.zarr", decode_coords="all") as found:
        for at, raster in enumerate(rasters):
            for layer in raster.layers:
                half = layer.quantity.scale / 2 * 1.001 if layer.quantity.dtype != "float32" else 0
                np.testing.assert_allclose(found[layer.name][at], layer.array, rtol=0, atol=half)
        assert found.time.dt.month.values.tolist() == [1, 2, 3]
        assert str(found.time_bnds.values[0, 1])[:19] == "2020-01-31T23:59:59"
        assert found.NDVI.encoding["dtype"] == np.int16
        assert found.odc.geobox == rasters[0].geobox


def test_the_item_describes_the_cube(tmp_path, lineage, make_raster, item_schema):
    item = write_zarr(tmp_path, series(make_raster), lineage)
    assert [error.message for error in item_schema.iter_errors(item)] == []
    assert item["id"] == "ndvi-t1"
    assert item["properties"]["end_datetime"] == "2020-03-31T23:59:59Z"
    assert item["properties"]["cube:dimensions"]["time"]["values"][1] == "2020-02-01T00:00:00Z"
    assert item["properties"]["cube:variables"]["NDVI"]["dimensions"] == ["time", "y", "x"]
    asset = item["assets"]["data"]
    assert (asset["swath:checksum"], asset["file:size"]) == folder_checksum(tmp_path / "ndvi-t1.zarr")


def test_the_same_rasters_give_the_same_bytes(tmp_path, lineage, make_raster):
    for name in ("one", "two"):
        write_zarr(tmp_path / name, series(make_raster), lineage, id="cube")
    write_zarr(tmp_path / "two", series(make_raster), lineage, id="cube")  # over what is there
    one, two = (folder_checksum(tmp_path / name) for name in ("one", "two"))
    assert one == two


def test_rasters_of_different_grids_or_layers_are_refused(tmp_path, lineage, make_raster, make_geobox):
    with pytest.raises(ValueError, match="different grids"):
        write_zarr(tmp_path, [make_raster(), make_raster(make_geobox((5, 5)))], lineage)
    with pytest.raises(ValueError, match="different layers"):
        write_zarr(tmp_path, [make_raster(), make_raster(names=("NDVI",))], lineage)
    with pytest.raises(ValueError, match="no rasters"):
        write_zarr(tmp_path, [], lineage)
