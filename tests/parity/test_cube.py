"""Real scenes on grids that differ, beside rasterio's warp of the same files."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scenes import make_item

import swath


def warped(path, geobox, resampling, nodata, layer=1):
    """What GDAL makes of a file on a grid, exactly."""
    with rasterio.open(path) as file:
        found = np.full(geobox.shape, nodata, "f8")
        reproject(
            file.read(layer).astype("f8"), found, src_transform=file.transform, src_crs=file.crs,
            src_nodata=nodata, dst_nodata=nodata, dst_transform=geobox.transform, dst_crs=str(geobox.crs),
            resampling=Resampling[resampling], tolerance=0,
        )  # fmt: skip
    return np.where(found == nodata, np.nan, found)


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_three_landsat_paths_come_onto_one_grid(shared_data, resampling):
    """Scenes of one day whose pixels are 3008 and 3012 m: each is warped, the first one wins."""
    folder = shared_data / "04_landsat8_l1_newyork2018"
    items, paths = [], []
    for each in ("014031_20180428", "014032_20180428"):
        (scene,) = folder.glob(f"LC08_L1TP_{each}_*")
        (path,) = scene.glob("*_B5.TIF")
        paths.append(path)
        items.append(
            make_item(
                each,
                {"nir08": path},
                bands={"nir08": [{"name": "nir08", "nodata": 0}]},
                datetime="2018-04-28T15:40:00Z",
            )
        )
    with rasterio.open(paths[0]) as file:
        left, top, crs = file.bounds.left, file.bounds.top, file.crs.to_string()
    geobox = GeoBox((150, 100), rasterio.Affine(2500, 0, left - 20_000, 0, -2500, top + 20_000), crs)
    found = swath.load(items, "nir08", geobox=geobox, resampling=resampling, chunks=None)
    first, second = (warped(each, geobox, resampling, 0) for each in paths)
    expected = np.where(np.isfinite(first), first, second)
    values = found.nir08.values[0]
    assert np.isfinite(first).any()
    assert (np.isnan(first) & np.isfinite(second)).any()
    np.testing.assert_array_equal(np.isfinite(values), np.isfinite(expected))
    # GDAL's weights follow the pixel sizes of the window that it is given: a step of the stored numbers.
    both = np.isfinite(expected)
    different = np.abs(values[both] - expected[both]) > 0.51
    assert different.mean() < (0.001 if resampling == "nearest" else 0.02)


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
def test_a_terrain_model_comes_onto_an_images_grid(shared_data, resampling):
    """28.5 m and 90 m pixels in two spellings of one projection."""
    folder = shared_data / "14_dem_etm_olinda"
    image, terrain = folder / "L7_ETMs.tif", folder / "olinda_dem_utm25s.tif"
    named = {"etm": [{"name": f"b{at}"} for at in range(1, 7)]}
    item = make_item(
        "olinda", {"etm": image, "dem": terrain}, bands={**named, "dem": [{"name": "dem"}]}, says_grid=False
    )
    ds = swath.load(
        [item], ["b3", "dem"], resampling=resampling, like=None, chunks=None, crs=31985, resolution=28.5
    )
    with rasterio.open(image) as file:
        assert ds.b3.shape[1:] >= file.shape
    geobox = ds.odc.geobox
    expected = warped(terrain, geobox, resampling, -99999)
    values = ds.dem.values[0]
    inside = np.isfinite(expected)
    assert inside.mean() > 0.9
    np.testing.assert_array_equal(np.isfinite(values[5:-5, 5:-5]), inside[5:-5, 5:-5])
    close = np.abs(values[inside] - expected[inside])
    assert np.nanmean(close > 0.01) < 0.02
