"""Tables as CSV and Parquet."""

from __future__ import annotations

import datetime as dt

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import Point, mapping

from swath.model import InputError
from swath.products import file_checksum, write_table

START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def write(folder, table, lineage, **options):
    fields = {"id": "points", "start": START, "end": START, "geometry": Point(5, 52).buffer(1), **options}
    return write_table(folder, table, lineage=lineage, **fields)


def test_a_plain_table_comes_back_from_both_formats(tmp_path, lineage, item_schema):
    table = pd.DataFrame({"name": ["é", 'a,"b'], "ndvi": [0.25, None], "count": [1, 2]})
    item = write(tmp_path, table, lineage)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "points.csv"), table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "points.parquet"), table)
    assert [error.message for error in item_schema.iter_errors(item)] == []
    assert item["properties"]["table:row_count"] == 2
    assert item["assets"]["csv"]["file:checksum"] == file_checksum(tmp_path / "points.csv")
    assert item["bbox"] == pytest.approx([4, 51, 6, 53])


def test_geometries_become_geoparquet_and_wkt(tmp_path, lineage):
    table = gpd.GeoDataFrame({"a": [1, 2]}, geometry=[Point(1, 2), Point(3, 4)], crs=4326)
    item = write(tmp_path, table, lineage, geometry=mapping(table.union_all().envelope))
    assert gpd.read_parquet(tmp_path / "points.parquet").equals(table)
    assert pd.read_csv(tmp_path / "points.csv")["geometry"].tolist() == ["POINT (1 2)", "POINT (3 4)"]
    assert item["properties"]["table:primary_geometry"] == "geometry"


def test_one_point_has_a_place(tmp_path, lineage, item_schema):
    item = write(tmp_path, pd.DataFrame({"a": [1]}), lineage, geometry=Point(5, 52), formats=["csv"])
    assert item["geometry"] == {"type": "Point", "coordinates": [5.0, 52.0]}
    assert item["bbox"] == [5, 52, 5, 52]
    assert item_schema.is_valid(item)
    assert sorted(item["assets"]) == ["csv"]


def test_an_empty_table_is_nowhere(tmp_path, lineage, item_schema):
    item = write(tmp_path, pd.DataFrame({"a": []}), lineage, geometry=None)
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item_schema.is_valid(item)


def test_the_same_table_gives_the_same_bytes(tmp_path, lineage):
    table = pd.DataFrame({"a": range(100)})
    one, two = (write(tmp_path / name, table, lineage) for name in "ab")
    assert one == two


def test_an_unknown_format_is_named(tmp_path, lineage):
    with pytest.raises(InputError, match="xlsx"):
        write(tmp_path, pd.DataFrame(), lineage, formats=["xlsx"])
