"""Tiles as one image."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from swath.model import InputError
from swath.products import merge_cog, mosaic, write_mosaic, write_raster


def write_tiles(
    folder, make_raster, make_geobox, lineage, *, whole=(96, 130), tile=40, crs="EPSG:3035", pixel=10.0
):
    """Cut one raster into tiles, each in a folder of its own, as a job leaves them."""
    corner = (20.0, 50.0) if crs == "EPSG:4326" else (5_000_000.0, 3_000_000.0)
    one = make_raster(make_geobox(whole, corner, pixel, crs), names=("NDVI", "slope"))
    items = []
    for row in range(0, whole[0], tile):
        for column in range(0, whole[1], tile):
            part = (slice(row, row + tile), slice(column, column + tile))
            name = f"t{row}-{column}"
            shape = one.layers[0].array[part].shape
            at = (corner[0] + column * pixel, corner[1] - row * pixel)
            raster = make_raster(make_geobox(shape, at, pixel, crs), names=("NDVI", "slope"), id=name)
            for target, source in zip(raster.layers, one.layers, strict=True):
                target.array[:] = source.array[part]
            item = write_raster(folder / "results" / name, raster, lineage)
            item["links"].append({"rel": "self", "href": f"../results/{name}/{name}.json"})
            items.append(item)
    item = write_raster(folder / "whole", one, lineage)
    return items, {name: folder / "whole" / item["assets"][name]["href"] for name in ("NDVI", "slope")}


def assert_same_image(one, two):
    with rasterio.open(one) as a, rasterio.open(two) as b:
        assert a.shape == b.shape
        assert a.crs == b.crs
        assert a.transform.almost_equals(b.transform, 1e-9)
        np.testing.assert_equal(np.array([a.nodata]), np.array([b.nodata]))
        assert (a.dtypes, a.scales, a.offsets, a.units, a.descriptions) == (
            b.dtypes, b.scales, b.offsets, b.units, b.descriptions)  # fmt: skip
        np.testing.assert_array_equal(a.read(1), b.read(1))


@pytest.mark.parametrize(("crs", "pixel"), [("EPSG:3035", 10.0), ("EPSG:4326", 1 / 1200)])
@pytest.mark.parametrize("layer", ["NDVI", "slope"])
def test_a_vrt_of_the_tiles_is_the_whole(tmp_path, lineage, make_raster, make_geobox, layer, crs, pixel):
    here = tmp_path / "here"
    items, whole = write_tiles(here, make_raster, make_geobox, lineage, crs=crs, pixel=pixel)
    path = write_mosaic(here / "mosaic", items, name="all", asset=layer)
    assert path.name == "all.vrt"
    assert_same_image(path, whole[layer])
    assert str(tmp_path) not in path.read_text()
    there = here.rename(tmp_path / "there")
    assert_same_image(there / "mosaic" / "all.vrt", there / whole[layer].relative_to(here))


def test_a_hole_between_tiles_is_missing(tmp_path, lineage, make_raster, make_geobox):
    items, whole = write_tiles(tmp_path, make_raster, make_geobox, lineage)
    path = write_mosaic(tmp_path / "mosaic", [items[0], items[-1]], name="corners")
    with rasterio.open(path) as source, rasterio.open(whole["NDVI"]) as expected:
        assert source.shape == expected.shape
        found = source.read(1)
        np.testing.assert_array_equal(found[:40, :40], expected.read(1)[:40, :40])
        assert (found[40:80] == -32768).all()


def test_missing_pixels_do_not_hide_those_of_another_tile(tmp_path, lineage, make_raster, make_geobox):
    items = []
    for name, gap in (("a", slice(0, 30)), ("b", slice(30, 60))):
        raster = make_raster(names=("NDVI",), id=name)
        raster.layers[0].array[:] = 0.5
        raster.layers[0].array[gap] = np.nan
        items.append(write_raster(tmp_path, raster, lineage))
    with rasterio.open(write_mosaic(tmp_path, items, name="both")) as source:
        assert (source.read(1) == 5000).all()


def test_very_many_tiles_make_an_index(tmp_path, lineage, make_raster, make_geobox, monkeypatch):
    monkeypatch.setattr(mosaic, "MANY", 5)
    items, whole = write_tiles(tmp_path, make_raster, make_geobox, lineage)
    path = write_mosaic(tmp_path / "mosaic", items, name="all")
    assert path.name == "all.gti.gpkg"
    assert_same_image(path, whole["NDVI"])
    assert write_mosaic(tmp_path / "again", items, name="all").read_bytes() == path.read_bytes()


def test_one_cog_of_all_tiles(tmp_path, lineage, make_raster, make_geobox):
    items, whole = write_tiles(tmp_path, make_raster, make_geobox, lineage, whole=(700, 300), tile=256)
    path = merge_cog(tmp_path / "mosaic", items, name="all")
    assert cog_validate(path, strict=True) == (True, [], [])
    assert_same_image(path, whole["NDVI"])
    assert [each.name for each in path.parent.iterdir()] == ["all.tif"]
    with rasterio.open(path) as one, rasterio.open(whole["NDVI"]) as two:
        for key in ("MEAN", "STDDEV", "MINIMUM", "MAXIMUM"):
            name = f"STATISTICS_{key}"
            assert float(one.tags(1)[name]) == pytest.approx(
                float(two.tags(1)[name]), rel=1e-6
            )  # GDAL's and our sums


def test_tiles_that_do_not_fit_are_refused(tmp_path, lineage, make_raster, make_geobox):
    one = write_raster(tmp_path, make_raster(id="one"), lineage)
    for name, geobox in {
        "shifted": make_geobox(corner=(5_000_004.0, 3_000_000.0)),
        "coarse": make_geobox(pixel=20.0),
        "other": make_geobox(crs="EPSG:32634"),
    }.items():
        two = write_raster(tmp_path, make_raster(geobox, id=name), lineage)
        with pytest.raises(InputError, match=name):
            write_mosaic(tmp_path, [one, two], name="both")
    with pytest.raises(InputError, match="no asset 'EVI'"):
        write_mosaic(tmp_path, [one], name="both", asset="EVI")
    with pytest.raises(InputError, match="no items"):
        write_mosaic(tmp_path, [], name="none")
