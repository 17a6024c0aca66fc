"""Which layer of which file a name means."""

from __future__ import annotations

import pytest

from swath.cube.sources import band_names, band_sources, find_band, unknown_band


def item(assets, **properties):
    return {
        "id": "one",
        "collection": "c",
        "properties": {"datetime": "2020-01-01T00:00:00Z", **properties},
        "assets": assets,
    }


def raster(*bands, pixel=10.0, **more):
    return {
        "href": "/x.tif", "type": "image/tiff", "bands": list(bands), "proj:code": "EPSG:32635",
        "proj:transform": [pixel, 0, 0, 0, -pixel, 0], **more,
    }  # fmt: skip


def test_layers_of_a_file_are_counted_from_one():
    sources = band_sources(item({"data": raster({"name": "B2", "eo:common_name": "blue"}, {"name": "B4"})}))
    assert [(each.index, each.names) for each in sources] == [
        (1, ("B2", "blue", "data:B2")),
        (2, ("B4", "data:B4")),
    ]
    assert find_band(sources, "data") is None  # of two layers the asset's key names neither
    assert find_band(sources, "BLUE").index == 1
    assert find_band(sources, "data:b4").index == 2
    assert find_band(sources, "red|B4|blue").index == 2
    assert find_band(sources, "red") is None


def test_the_finest_wins_and_a_picture_comes_last():
    tree = item(
        {
            "visual": raster({"name": "red"}, {"name": "green"}, pixel=5),
            "b20m": raster({"name": "red"}, pixel=20),
            "b10m": raster({"name": "red"}, pixel=10),
        }
    )
    sources = band_sources(tree)
    assert find_band(sources, "red").asset == "b10m"
    assert find_band(sources, "b20m:red").asset == "b20m"
    assert find_band(sources, "green").asset == "visual"
    assert band_names([tree]) == ("b20m", "red", "b10m")


def test_case_counts_only_where_both_exist():
    sources = band_sources(
        item({"NIR": raster({"name": "NIR"}, pixel=20), "nir": raster({"name": "nir"}, pixel=10)})
    )
    assert find_band(sources, "NIR").asset == "NIR"
    assert find_band(sources, "nir").asset == "nir"
    assert find_band(sources, "Nir").asset == "nir"  # neither fits: the finest


def test_three_ways_to_describe_bands_say_the_same():
    new = raster(
        {"name": "B4", "eo:common_name": "red", "nodata": 0, "raster:scale": 0.1, "raster:offset": 5}
    )
    old = {
        **raster(), "eo:bands": [{"name": "B4", "common_name": "red"}],
        "raster:bands": [{"nodata": 0, "scale": 0.1, "offset": 5}],
    }  # fmt: skip
    inherited = {
        **raster({"name": "B4", "eo:common_name": "red"}),
        "nodata": 0,
        "raster:scale": 0.1,
        "raster:offset": 5,
    }
    found = {band_sources(item({"B4": each})) for each in (new, old, inherited)}
    assert len(found) == 1
    ((source,),) = found
    assert (source.scale, source.offset, source.nodata) == (0.1, 5.0, 0.0)
    assert source.names == ("B4", "red", "B4:B4")


@pytest.mark.parametrize(
    ("asset", "taken"),
    [
        ({"href": "a.tif"}, True),
        ({"href": "a.TIF?token=x"}, True),
        ({"href": "a.jp2", "type": "image/jp2"}, True),
        ({"href": "a.png", "type": "image/png", "roles": ["data"]}, False),
        ({"href": "a.tif", "type": "image/tiff", "roles": ["thumbnail"]}, False),
        ({"href": "a.tif", "type": "image/tiff", "roles": ["overview", "data"]}, True),
        ({"href": "a.xml", "type": "application/xml"}, False),
        ({"href": "a.json"}, False),
        ({"href": "a", "roles": ["data"]}, True),
    ],
)
def test_only_rasters_have_bands(asset, taken):
    assert bool(band_sources(item({"a": asset}))) is taken


def test_the_items_grid_holds_where_the_asset_says_none():
    (source,) = band_sources(
        item(
            {"a": {"href": "a.tif"}},
            **{"proj:epsg": 32635, "proj:shape": [2, 3], "proj:transform": [10, 0, 1, 0, -10, 2, 0, 0, 1]},
        )
    )
    assert (source.crs, source.shape, source.gsd) == ("EPSG:32635", (2, 3), 10)
    assert source.transform == (10, 0, 1, 0, -10, 2)
    (silent,) = band_sources(item({"a": {"href": "a.tif"}}))
    assert (silent.crs, silent.transform, silent.gsd) == (None, None, float("inf"))


def test_an_unknown_band_names_the_nearest():
    error = unknown_band("rde", [item({"red": raster({"name": "red"}), "nir": raster({"name": "nir"})})])
    assert "c has no band 'rde'" in error.what
    assert error.known[0] == "red"
