"""What is wrong with an item is told; what is only misspelled is mended."""

from __future__ import annotations

import functools
import json
import re

import pytest
import shapely

from swath.catalog.intake.prepare import prepare_items
from swath.catalog.intake.validation import VERSIONS, _validators, fault_in
from swath.testing.contracts import make_item


def _reason(item) -> str:
    rows, rejected = prepare_items([item])
    return "" if rows else rejected[0].reason


def test_every_reference_of_the_schemas_ships_inside():
    assert {version for version, _ in _validators()} == set(VERSIONS)
    assert len(_validators()) == 6


@pytest.mark.parametrize("version", VERSIONS)
def test_good_items_of_both_versions_pass(version):
    item = make_item("a", start_datetime="2020-01-01T00:00:00Z", end_datetime="2020-01-02T00:00:00Z")
    assert _reason(item | {"stac_version": version}) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"collection": None}, "--collection"),
        ({"assets": {"red": {"title": "x"}}}, 'assets.red: "href"'),
        ({"links": [{"rel": "via"}]}, "href"),
        ({"bbox": [1, 2, 3]}, "bbox"),
        ({"bbox": [10, 50, 11, 49]}, "south is above north"),
        ({"bbox": [10, 50, 190, 52]}, "outside the world"),
        ({"bbox": [10, 89, 11, 91]}, "outside the world"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}}, "geometry|bbox"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}}, "geometry"),
        ({"geometry": {"type": "Blob"}}, "geometry"),
        ({"geometry": None}, "bbox"),
        ({"properties": {}}, "datetime"),
        ({"properties": {"datetime": None}}, "datetime"),
        ({"properties": {"datetime": "last week"}}, "datetime"),
        ({"properties": {"datetime": "2020-02-30T00:00:00Z"}}, "datetime"),
        (
            {"properties": {"datetime": None, "start_datetime": "2020-01-02T00:00:00Z",
                            "end_datetime": "2020-01-01T00:00:00Z"}},
            "before start",
        ),
        ({"stac_version": "7.0.0"}, "7.0.0|upgraded"),
        ({"type": "Thing"}, "type|Thing"),
        ({"properties": [1]}, "propert"),
        ({"assets": [1]}, "assets"),
        ({"links": "x"}, "links"),
    ],
)  # fmt: skip
def test_bad_items_are_told(change, told):
    reason = _reason(make_item("bad") | change)
    assert reason
    assert re.search(told, reason), reason
    assert "\n" not in reason
    assert len(reason) < 300


@pytest.mark.parametrize(
    "odd",
    [
        make_item("half \ud800 surrogate"),
        make_item("big", number=2**70),
        make_item("deep", nest=functools.reduce(lambda inner, _: [inner], range(3000), 1)),
        make_item("nan") | {"bbox": [float("nan"), 0, 1, 1]},
        make_item("inf") | {"geometry": {"type": "Point", "coordinates": [float("inf"), 0]}},
        None,
        [],
        {"id": "x", "properties": None, "stac_version": "1.1.0", "collection": "c"},
    ],
    ids=range(8),
)
def test_what_no_catalog_can_hold_stops_nothing_else(odd):
    rows, rejected = prepare_items([make_item("before"), odd, make_item("after")])
    assert [row.id for row in rows] == ["before", "after"]
    assert len(rejected) == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2015-01-29 08:19:38.070774+00:00", "2015-01-29T08:19:38.070774Z"),
        ("2020-06-01T12:00:00+02:00", "2020-06-01T10:00:00Z"),
        ("2020-06-01T12:00:00.5Z", "2020-06-01T12:00:00.5Z"),
    ],
)
def test_misspelled_times_are_mended(written, meant):
    rows, rejected = prepare_items([make_item("a", datetime=written)])
    assert rejected == []
    assert json.loads(rows[0].properties)["datetime"] == meant


def test_old_items_are_upgraded_and_valid():
    old = make_item("old", dtr__start_datetime="2015-01-01T00:00:00Z")
    old |= {"stac_version": "0.7.0"}
    del old["type"]
    old["type"] = "Feature"
    rows, rejected = prepare_items([old])
    assert rejected == []
    assert rows[0].id == "old"


def test_bow_tie_is_mended_for_searching_only():
    ring = [[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]
    item = make_item("tie", corner=(0, 0)) | {"geometry": {"type": "Polygon", "coordinates": [ring]}}
    rows, rejected = prepare_items([item])
    assert rejected == []
    assert shapely.from_wkb(rows[0].geometry).is_valid


def test_fault_in_says_nothing_of_good_documents():
    assert fault_in(make_item("a")) == ""


def test_paths_may_have_blanks_and_quotes_and_addresses_may_not(demo):
    def faulty(href):
        return fault_in({**demo[0], "links": [{"rel": "collection", "href": href}]})

    for path in ('/data/my folder/it\'s "a" `b`.json', "./a b.json", "../ä.json", "https://a.b/ä/c.json"):
        assert faulty(path) == ""
    for address in ("https://a.b/my folder", "s3://a/{b}", 'x"y'):
        assert "iri-reference" in faulty(address)
