"""Statistics of polygons beside rasterio.features and numpy."""

from __future__ import annotations

import json

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from pyproj import Transformer
from rasterio.features import geometry_mask
from runs import TWO

from swath.jobs import Request, submit
from swath.model import InputError, NotFoundError

LEFT, TOP = 5271982.576551932, 2533004.2149151857
"""Upper left corner of the demonstration's files, EPSG:3035."""
BACK = Transformer.from_crs("EPSG:3035", "OGC:CRS84", always_xy=True)


def in_degrees(shape):
    return shapely.transform(shape, lambda xy: np.column_stack(BACK.transform(xy[:, 0], xy[:, 1])))


def at(column, row):
    """A place in the files' CRS from pixels."""
    return LEFT + 10 * column, TOP - 10 * row


SHAPES = {
    "field": shapely.Polygon([at(10.3, 10.2), at(40.1, 15.7), at(35.6, 44.9), at(12.2, 39.3)]),
    "ring": shapely.Point(*at(70, 60)).buffer(180).difference(shapely.Point(*at(70, 60)).buffer(80)),
    "two": shapely.MultiPolygon(
        [shapely.box(*at(5.1, 92.2), *at(9.1, 88.2)), shapely.box(*at(90.2, 8.4), *at(95.3, 3.4))]
    ),
    "tiny": shapely.box(*at(50.61, 50.69), *at(50.69, 50.61)),
    "point": shapely.Point(*at(33.4, 77.7)),
}


@pytest.fixture
def features(tmp_path):
    frame = geopandas.GeoDataFrame(
        {"name": list(SHAPES)}, geometry=[in_degrees(each) for each in SHAPES.values()], crs="OGC:CRS84"
    )
    path = tmp_path / "fields.gpkg"
    frame.to_file(path, driver="GPKG")
    return path


def mask_of(shape):
    transform = rasterio.Affine(10, 0, LEFT, 0, -10, TOP)
    inside = geometry_mask([shape], (100, 100), transform, invert=True)
    return (
        inside
        if inside.any()
        else geometry_mask([shape], (100, 100), transform, invert=True, all_touched=True)
    )


def run(settings, folder, items, **inputs):
    job = submit(Request("statistics", {"items": items, "index": "NDVI", **inputs}, folder), settings)
    status = job.run(TWO)
    assert status.state == "successful", status.message
    (item,) = job.results()
    (asset,) = [each for each in item["assets"].values() if each["href"].endswith(".parquet")]
    return geopandas.read_parquet(asset["href"]), item


def test_each_feature_is_numpys(demo, settings, tmp_path, features):
    items = demo[58:66]
    statistics = "count,mean,std,min,max,median,p10,p90"
    table, _ = run(
        settings, tmp_path / "job", items, features=str(features), id_field="name", statistics=statistics
    )
    rows = 0
    for item in items:
        with rasterio.open(item["assets"]["b10m"]["href"]) as file:
            _, _, red, nir, scl = file.read().astype("f8")
        good = np.isin(scl, (4, 5, 6, 7, 11)) & (red > 0) & (nir > 0)
        with np.errstate(all="ignore"):
            ndvi = (nir - red) / (nir + red)
        for name, shape in SHAPES.items():
            inside = mask_of(shape)
            values = ndvi[inside & good]
            day = pd.Timestamp(item["properties"]["datetime"][:10])
            found = table[(table.feature == name) & (table.time.dt.tz_localize(None) == day)]
            assert len(found) == (1 if values.size else 0), (name, day)
            if not values.size:
                continue
            rows += 1
            row = found.iloc[0]
            assert row["count"] == values.size
            assert row.clear_percent == round(100 * values.size / inside.sum(), 2)
            expected = {
                "mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max(),
                "median": np.median(values),
                "p10": np.percentile(values, 10), "p90": np.percentile(values, 90),
            }  # fmt: skip
            for key, value in expected.items():
                assert row[key] == pytest.approx(value, abs=1e-6), (name, key)
    assert rows == len(table)
    assert set(table.feature) == set(SHAPES)
    assert (table[table.feature == "tiny"]["count"] == 1).all()
    assert (table[table.feature == "point"]["count"] == 1).all()


def test_every_form_of_features_gives_the_same(demo, settings, tmp_path, features):
    frame = geopandas.read_file(features)
    frame.to_crs("EPSG:3035").to_parquet(tmp_path / "fields.parquet")
    (tmp_path / "fields.geojson").write_text(frame.to_json())
    tree = json.loads(frame.to_json())
    expected, _ = run(settings, tmp_path / "a", demo[58:62], features=str(features), valid=False)
    assert set(expected.feature) == set(range(5))
    for number, given in enumerate(
        (str(tmp_path / "fields.parquet"), str(tmp_path / "fields.geojson"), tree)
    ):
        found, _ = run(settings, tmp_path / f"b{number}", demo[58:62], features=given, valid=False)
        pd.testing.assert_frame_equal(found.drop(columns="geometry"), expected.drop(columns="geometry"))


def test_many_features_are_cut_into_units_and_come_back_in_order(demo, settings, tmp_path):
    shapes = [
        in_degrees(shapely.Point(*at(1.5 + column * 7, 1.5 + row * 7)))
        for row in range(14)
        for column in range(10)
    ]
    tree = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(each)}
            for each in shapes
        ],
    }
    table, item = run(settings, tmp_path / "job", demo[60:63], features=tree, valid=False, statistics="mean")
    units = json.loads((tmp_path / "job" / "units.json").read_text())["units"]
    assert len(units) == 3
    assert sorted(number for each in units for number in each["features"]) == list(range(140))
    assert table.feature.tolist() == sorted(table.feature)
    assert len(table) == 3 * 140
    assert item["properties"]["start_datetime"].startswith(demo[60]["properties"]["datetime"][:10])


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ({"features": "none.gpkg"}, NotFoundError, "there is no file 'none.gpkg'"),
        ({"features": "{tmp}/text.gpkg"}, InputError, "cannot be read as vector data"),
        (
            {"features": {"type": "Point"}},
            InputError,
            "a vector file or a GeoJSON FeatureCollection is needed",
        ),
        (
            {"features": {"type": "FeatureCollection", "features": []}},
            InputError,
            "there is no feature in it",
        ),
        ({"features": {"type": "Feature", "geometry": None}}, InputError, "number 0 has no geometry"),
        ({"statistics": "maen"}, InputError, "'maen' is not known"),
        ({"id_field": "nam"}, InputError, "no attribute 'nam'"),
        ({"features": None}, InputError, "features"),
    ],
)
def test_a_wrong_input_is_told(demo, settings, tmp_path, features, change, kind, told):
    (tmp_path / "text.gpkg").write_text("hello")
    change = {
        key: each.format(tmp=tmp_path) if isinstance(each, str) else each for key, each in change.items()
    }
    inputs = {"items": demo[:1], "index": "NDVI", "features": str(features), **change}
    with pytest.raises(kind, match=told):
        submit(Request("statistics", inputs, tmp_path / "job"), settings)
    assert not (tmp_path / "job").exists()


def test_a_feature_beside_the_images_has_no_rows(demo, settings, tmp_path):
    far = in_degrees(shapely.Point(*at(500, 500)))
    near = in_degrees(SHAPES["field"])
    features = [
        {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(each)}
        for each in (far, near)
    ]
    table, _ = run(
        settings, tmp_path / "job", demo[60:64], features={"type": "FeatureCollection", "features": features}
    )
    assert set(table.feature) == {1}
