"""COGs, pictures and items of a raster."""

from __future__ import annotations

import datetime as dt
import io
import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rio_cogeo import cog_validate

from swath.model import InputError, OutputError
from swath.products import Layer, file_checksum, quantity_of, write_raster
from swath.products.cog import pack, unpack
from swath.products.thumbnail import thumbnail


def written(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    ("shape", "block"), [((60, 90), 256), ((513, 20), 512), ((700, 1100), 512), ((1, 1), 256)]
)
def test_files_are_valid_cogs_with_the_values_in_them(
    tmp_path, lineage, shape, block, make_raster, make_geobox
):
    raster = make_raster(make_geobox(shape))
    item = write_raster(tmp_path, raster, lineage)
    for layer in raster.layers:
        path = tmp_path / item["assets"][layer.name]["href"]
        assert cog_validate(path, strict=True) == (True, [], [])
        with rasterio.open(path) as source:
            quantity = layer.quantity
            assert (source.dtypes[0], source.nodata) == (quantity.dtype, quantity.nodata)
            assert (source.scales, source.offsets) == ((quantity.scale,), (0.0,))
            assert (source.units, source.descriptions) == ((quantity.unit,), (layer.name,))
            assert source.crs.to_epsg() == 3035
            assert source.transform == raster.geobox.transform
            assert source.profile["blockxsize"] == block
            assert source.profile["compress"] == "deflate"
            assert source.tags(ns="IMAGE_STRUCTURE", bidx=0)["PREDICTOR"] == "2"
            stored = source.read(1, masked=True)
        missing = np.isnan(layer.array)
        assert (np.ma.getmaskarray(stored) == missing).all()
        values = stored.astype("f8") * quantity.scale
        assert np.abs(values - layer.array).max() <= quantity.scale / 2 * 1.001
    assert cog_overviews(tmp_path / item["assets"]["NDVI"]["href"]) == (max(shape) > 512)


def cog_overviews(path):
    with rasterio.open(path) as source:
        return bool(source.overviews(1))


def test_statistics_are_those_of_the_stored_numbers_in_file_and_item(tmp_path, lineage, make_raster):
    item = write_raster(tmp_path, make_raster(), lineage)
    asset = item["assets"]["NDVI"]
    with rasterio.open(tmp_path / asset["href"]) as source:
        tags = source.tags(1)
        stored = source.read(1, masked=True).compressed().astype("f8")
        # GDAL's own, from the pixels.
        found = source.stats(indexes=1, approx=False)[0]
    expected = {
        "minimum": stored.min(),
        "maximum": stored.max(),
        "mean": stored.mean(),
        "stddev": stored.std(),
    }
    for key, value in expected.items():
        assert asset["bands"][0]["statistics"][key] == pytest.approx(value, rel=1e-12)
        assert float(tags[f"STATISTICS_{key.upper()}"]) == pytest.approx(value, rel=1e-12)
    assert (found.min, found.max) == (expected["minimum"], expected["maximum"])
    assert found.mean == pytest.approx(expected["mean"])
    assert asset["bands"][0]["statistics"]["valid_percent"] == pytest.approx(100 * stored.size / (60 * 90))


def test_the_same_input_gives_the_same_bytes_on_any_thread(tmp_path, lineage, make_raster, make_geobox):
    folders = [tmp_path / str(each) for each in range(4)]
    threads = [
        threading.Thread(target=write_raster, args=(folder, make_raster(make_geobox((600, 300))), lineage))
        for folder in folders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = written(folders[0])
    assert len(first) == 4
    assert all(written(folder) == first for folder in folders)


def test_the_item_is_stac_and_says_what_the_files_are(tmp_path, lineage, item_schema, make_raster):
    item = write_raster(tmp_path, make_raster(), lineage)
    assert [error.message for error in item_schema.iter_errors(item)] == []
    assert json.loads((tmp_path / "ndvi-202003.json").read_text()) == item
    assert item["properties"]["datetime"] == item["properties"]["start_datetime"] == "2020-03-01T00:00:00Z"
    assert item["properties"]["proj:code"] == "EPSG:3035"
    assert item["properties"]["proj:transform"] == [10.0, 0.0, 5e6, 0.0, -10.0, 3e6]
    assert item["properties"]["processing:expression"]["expression"]["inputs"] == lineage.expression
    assert [each["href"] for each in item["links"] if each["rel"] == "derived_from"] == [
        "../in/a.json",
        "../in/b.json",
    ]
    for asset in item["assets"].values():
        path = tmp_path / asset["href"]
        assert asset["href"].startswith("./")
        assert asset["file:size"] == path.stat().st_size
        assert asset["file:checksum"] == file_checksum(path)
    band = item["assets"]["NDVI"]["bands"][0]
    assert (band["data_type"], band["nodata"], band["raster:scale"]) == ("int16", -32768, 1e-4)


def test_pystac_reads_the_item(tmp_path, lineage, make_raster):
    import pystac

    write_raster(tmp_path, make_raster(), lineage)
    item = pystac.Item.from_file(str(tmp_path / "ndvi-202003.json"))
    assert item.datetime == dt.datetime(2020, 3, 1, tzinfo=dt.UTC)
    assert Path(item.assets["NDVI"].get_absolute_href()).is_file()


def test_values_that_do_not_fit_are_clipped_and_counted(tmp_path, lineage, make_raster):
    raster = make_raster(names=("NDVI",))
    raster.layers[0].array[0, :3] = [5, -5, np.inf]
    item = write_raster(tmp_path, raster, lineage)
    assert item["properties"]["swath:saturated_pixels"] == 3
    with rasterio.open(tmp_path / item["assets"]["NDVI"]["href"]) as source:
        assert source.read(1)[0, :3].tolist() == [32767, -32767, 32767]


@pytest.mark.parametrize("name", ["NDVI", "quality", "slope"])
def test_numbers_that_were_stored_before_make_the_same_product(tmp_path, lineage, make_raster, name):
    raster = make_raster(names=(name,))
    raster.layers[0].array[0, :2] = [5e9, -5e9]
    stored, clipped = pack(raster.layers[0].array, raster.layers[0].quantity)
    write_raster(tmp_path / "values", raster, lineage)
    layers = (Layer(name, stored, raster.layers[0].quantity, saturated=clipped),)
    write_raster(tmp_path / "numbers", replace(raster, layers=layers), lineage)
    assert written(tmp_path / "numbers") == written(tmp_path / "values")
    assert clipped == (0 if name == "slope" else 2)


def test_a_thumbnail_of_numbers_is_that_of_their_values(make_raster, make_geobox):
    (layer,) = make_raster(make_geobox((700, 530)), names=("NDVI",)).layers
    stored, _ = pack(layer.array, layer.quantity)
    values = unpack(stored, layer.quantity)
    pictures = [
        np.asarray(Image.open(io.BytesIO(thumbnail([(layer.quantity, each)])))).astype(int)
        for each in (stored, values)
    ]
    assert pictures[0].shape == (234, 177)
    assert (
        np.abs(pictures[0] - pictures[1]).max() <= 1
    )  # means of float32 may fall to the other side of a half
    assert (pictures[0] != pictures[1]).mean() < 1e-3


def test_a_layer_without_a_value_has_no_statistics(tmp_path, lineage, item_schema, make_raster):
    raster = make_raster(names=("NDVI", "slope"))
    for layer in raster.layers:
        layer.array[:] = np.nan
    item = write_raster(tmp_path, raster, lineage)
    assert item_schema.is_valid(item)
    assert "statistics" not in item["assets"]["NDVI"]["bands"][0]
    assert item["assets"]["slope"]["bands"][0]["nodata"] == "nan"
    with Image.open(tmp_path / "ndvi-202003.png") as picture:
        assert np.asarray(picture.convert("RGBA"))[..., 3].max() == 0


def test_integers_of_the_quantity_are_stored_as_they_are(tmp_path, lineage, make_raster):
    counts = np.arange(5400, dtype="u2").reshape(60, 90)
    raster = make_raster(names=("NDVI",))
    layers = (Layer("count", counts, quantity_of("count")),)
    object.__setattr__(raster, "layers", layers)
    item = write_raster(tmp_path, raster, lineage)
    with rasterio.open(tmp_path / item["assets"]["count"]["href"]) as source:
        np.testing.assert_array_equal(source.read(1), counts)


def test_the_thumbnail_is_small_and_transparent_in_gaps(tmp_path, lineage, make_raster, make_geobox):
    raster = make_raster(make_geobox((300, 600)), names=("NDVI",))
    raster.layers[0].array[:150] = np.nan
    write_raster(tmp_path, raster, lineage)
    with Image.open(tmp_path / "ndvi-202003.png") as picture:
        assert picture.size == (200, 100)
        alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    assert (alpha[:50] == 0).all()
    assert (alpha[50:] == 255).all()


def test_red_green_and_blue_give_a_picture_in_true_colours(tmp_path, lineage, make_raster):
    raster = make_raster(names=("blue", "green", "red", "nir"))
    for layer, value in zip(raster.layers, (0.0, 0.2, 0.4, 0.9), strict=True):
        layer.array[:] = value
    write_raster(tmp_path, raster, lineage)
    with Image.open(tmp_path / "ndvi-202003.png") as picture:
        red, green, blue, alpha = picture.convert("RGBA").getpixel((5, 5))
    assert (red, blue, alpha) == (255, 0, 255)
    assert abs(green - 128) <= 1


def test_colours_are_matplotlibs():
    import matplotlib as mpl

    from swath.products._colormaps import NAMES, colours

    for name in NAMES:
        expected = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3].astype(int)
        assert np.abs(colours(name).astype(int) - expected).max() <= 8, name


def test_no_permission_is_said_and_leaves_nothing(tmp_path, lineage, make_raster):
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="taken"):
        write_raster(tmp_path / "taken", make_raster(), lineage)


def test_wrong_layers_are_named(tmp_path, lineage, make_raster, make_geobox):
    with pytest.raises(ValueError, match="names of their own"):
        write_raster(tmp_path, make_raster(names=("NDVI", "NDVI")), lineage)
    raster = make_raster(names=("NDVI",))
    object.__setattr__(raster, "geobox", make_geobox((3, 4)))
    with pytest.raises(ValueError, match=r"\(60, 90\)"):
        write_raster(tmp_path, raster, lineage)
    with pytest.raises(InputError, match="before its start"):
        write_raster(tmp_path, make_raster(end=dt.datetime(2019, 1, 1, tzinfo=dt.UTC)), lineage)
