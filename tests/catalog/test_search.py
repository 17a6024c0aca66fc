"""Searches find what a scan of the items in plain Python finds, in the same order."""

from __future__ import annotations

import datetime as dt
import itertools
import random

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import mapping, shape

from swath.catalog import SqliteCatalog
from swath.testing.contracts import make_item

_RNG = random.Random(11)
_T0 = dt.datetime(2019, 1, 1, tzinfo=dt.UTC)


def _stamp(days: float) -> str:
    return (_T0 + dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _made(number: int) -> dict:
    """One of 300 items: some over 180, some in a row of equal times, some without an instant or a place."""
    corner = (float(_RNG.randrange(-180, 180)), float(_RNG.randrange(-89, 88)))
    more: dict = {"platform": _RNG.choice(["Ä", "b", "c%", "d_e"])}
    if _RNG.random() < 0.8:
        more["eo__cloud_cover"] = float(_RNG.choice([0, 0, 5, 12.5, 50, 100]))
    if _RNG.random() < 0.5:
        more["gsd"] = _RNG.choice([10, 20.5, 30])
    if _RNG.random() < 0.3:
        more["created"] = _stamp(_RNG.randrange(400))
    if _RNG.random() < 0.3:
        more["tags"] = _RNG.sample(["x", "y", "z"], _RNG.randrange(4))
    if _RNG.random() < 0.2:
        more["flag"] = _RNG.random() < 0.5
    day = float(_RNG.choice([1, 1, 100, _RNG.randrange(700)]))
    when: str | None = _stamp(day)
    if _RNG.random() < 0.15:
        when = None
        more |= {"start_datetime": _stamp(day), "end_datetime": _stamp(day + _RNG.randrange(100))}
    return make_item(
        f"i{number:03}", collection=_RNG.choice("abc"), corner=None if number % 40 == 7 else corner,
        datetime=when, **more,
    )  # fmt: skip


ITEMS = [_made(number) for number in range(300)]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    with SqliteCatalog(tmp_path_factory.mktemp("search") / "c.sqlite", create=True) as held:
        report = held.upsert_items(ITEMS)
        assert (report.added, report.rejected) == (300, [])
        held.index_property("gsd")
        yield held


def _parts(box):
    west, south, east, north = box
    return [box] if west <= east else [(west, south, 180.0, north), (-180.0, south, east, north)]


def _touch(one, other) -> bool:
    return any(
        a[0] <= b[2] and a[2] >= b[0] and a[1] <= b[3] and a[3] >= b[1]
        for a in _parts(one)
        for b in _parts(other)
    )


def _span(item):
    p = item["properties"]
    return (p["datetime"] or p["start_datetime"], p["datetime"] or p["end_datetime"])


def _by_default(items):
    ordered = sorted(items, key=lambda i: (i["collection"], i["id"]))
    return [i["id"] for i in sorted(ordered, key=lambda i: _span(i)[0], reverse=True)]


def _ids(search):
    return [i["id"] for i in search.items_as_dicts()]


_SORTABLE = ["datetime", "eo:cloud_cover", "gsd", "id", "collection", "created", "platform"]
lon, lat = st.integers(-180, 180), st.integers(-90, 90)


@st.composite
def boxes(draw):
    south, north = sorted((draw(lat), draw(lat)))
    west, width = draw(st.integers(-180, 179)), draw(st.one_of(st.integers(0, 20), st.integers(0, 175)))
    east = west + width
    return (float(west), float(south), float(east if east <= 180 else east - 360), float(north))


intervals = st.tuples(st.integers(-50, 800), st.integers(0, 300), st.sampled_from(["both", "from", "to"]))


@settings(max_examples=120, deadline=None)
@given(boxes(), st.none() | intervals, st.none() | st.sets(st.sampled_from("abc")), st.integers(1, 40))
def test_bbox_datetime_and_collections(catalog, box, when, names, limit):
    search, wanted = {"bbox": box}, [i for i in ITEMS if "bbox" in i and _touch(i["bbox"], box)]
    if when is not None:
        start, end = _stamp(when[0]), _stamp(when[0] + when[1])
        first, last = ("" if when[2] == "to" else start), ("9" if when[2] == "from" else end)
        search["datetime"] = f"{first or '..'}/{'..' if last == '9' else last}"
        wanted = [i for i in wanted if _span(i)[0] <= last and _span(i)[1] >= first]
    if names is not None:
        search["collections"] = sorted(names)
        wanted = [i for i in wanted if i["collection"] in names]
    found = catalog.search(**search, limit=limit)
    assert _ids(found) == _by_default(wanted)
    assert found.matched() == len(wanted)


@settings(max_examples=60, deadline=None)
@given(boxes(), st.floats(0, 360), st.integers(1, 40), st.sampled_from(["-datetime", "eo:cloud_cover", "id"]))
def test_intersects(catalog, box, angle, limit, sortby):
    west, south, east, north = _parts(box)[0]
    outline = shapely.affinity.rotate(
        shapely.box(west, south, max(east, west + 1), max(north, south + 1)), angle
    )
    outline = outline.intersection(shapely.box(-180, -90, 180, 90))
    wanted = {i["id"] for i in ITEMS if i["geometry"] and shape(i["geometry"]).intersects(outline)}
    found = catalog.search(intersects=mapping(outline), limit=limit, sortby=sortby)
    ids = _ids(found)
    assert set(ids) == wanted
    assert len(ids) == len(wanted) == found.matched()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_SORTABLE),
                  st.booleans()),
        min_size=1, max_size=3, unique_by=lambda key: key[0],
    ),
    st.integers(1, 60),
)  # fmt: skip
def test_any_order_is_total_and_pages_cut_it_nowhere(catalog, keys, limit):
    spelled = [("-" if down else "") + name for name, down in keys]
    ids = _ids(catalog.search(sortby=spelled, limit=limit))
    assert sorted(ids) == [i["id"] for i in ITEMS]
    held = {i["id"]: i for i in ITEMS}

    def value(name, item):
        if name == "datetime":
            return _span(item)[0]
        return item[name] if name in ("id", "collection") else item["properties"].get(name)

    for one, other in itertools.pairwise(ids):
        for name, down in keys:
            a, b = value(name, held[one]), value(name, held[other])
            if a == b:
                continue
            assert b is None or (a is not None and (a > b if down else a < b)), (name, a, b)
            break


def test_ties_of_the_default_order_go_by_collection_and_id(catalog):
    assert _ids(catalog.search(limit=7)) == _by_default(ITEMS)


def test_sortby_forms_agree(catalog):
    wanted = _ids(catalog.search(sortby="-properties.eo:cloud_cover,+id"))
    assert wanted == _ids(catalog.search(sortby=["-eo:cloud_cover", "id"]))
    as_dicts = [
        {"field": "properties.eo:cloud_cover", "direction": "desc"},
        {"field": "id", "direction": "asc"},
    ]
    assert wanted == _ids(catalog.search(sortby=as_dicts))


def test_many_collections_and_rare_ones(catalog):
    assert sorted(_ids(catalog.search(collections=["a", "b"], sortby="eo:cloud_cover"))) == sorted(
        i["id"] for i in ITEMS if i["collection"] in "ab"
    )


@pytest.mark.parametrize("limit", [1, 10])
def test_large_boxes_run_along_the_time_index(tmp_path, limit):
    """Enough items that a box over all of them is not gathered: the answer is the same."""
    with SqliteCatalog(tmp_path / "c.sqlite", create=True) as catalog:
        items = [
            make_item(f"n{n:04}", corner=(n % 100, n % 37), datetime=_stamp(n * 13 % 700))
            for n in range(1500)
        ]
        items += [make_item(f"o{n}", corner=(179.5, 10.0), datetime=_stamp(n)) for n in range(5)]
        assert catalog.upsert_items(items).added == 1505
        for box in ((-10.0, -10.0, 90.0, 60.0), (150.0, -80.0, -100.0, 80.0), (170.0, 0.0, -179.9, 20.0)):
            wanted = [i for i in items if _touch(i["bbox"], box)]
            ids = []
            token = None
            for _ in range(8):
                page = catalog.search(bbox=box, limit=limit, token=token).page()
                ids += [i["id"] for i in page.items]
                token = page.token
                if token is None:
                    break
            assert ids == _by_default(wanted)[: len(ids)]
            assert len(ids) == min(8 * limit, len(wanted))


def test_geometry_that_jumps_over_180_is_found_where_it_is(tmp_path):
    item = make_item("jump", corner=(0, 0))
    ring = [[179, 0], [-179, 0], [-179, 2], [179, 2], [179, 0]]
    item |= {"bbox": [179, 0, -179, 2], "geometry": {"type": "Polygon", "coordinates": [ring]}}
    with SqliteCatalog(tmp_path / "c.sqlite", create=True) as catalog:
        catalog.upsert_items([item])
        assert _ids(catalog.search(intersects={"type": "Point", "coordinates": [179.5, 1]})) == ["jump"]
        assert _ids(catalog.search(intersects={"type": "Point", "coordinates": [0, 1]})) == []
        assert _ids(catalog.search(bbox=(-179.5, 0, -179.2, 1))) == ["jump"]
        assert _ids(catalog.search(bbox=(-10, 0, 10, 1))) == []


def test_tile_beyond_180_is_found_on_the_other_side(tmp_path):
    item = make_item("tile", corner=(0, 0))
    ring = [[172.5, -19], [180.5, -19], [180.5, -9], [172.5, -9], [172.5, -19]]
    item |= {"bbox": [172.5, -19, 180.5, -9], "geometry": {"type": "Polygon", "coordinates": [ring]}}
    with SqliteCatalog(tmp_path / "c.sqlite", create=True) as catalog:
        assert catalog.upsert_items([item]).added == 1
        assert _ids(catalog.search(bbox=(-179.8, -15, -179.7, -14))) == ["tile"]
        assert _ids(catalog.search(intersects={"type": "Point", "coordinates": [-179.75, -14]})) == ["tile"]
        assert _ids(catalog.search(intersects={"type": "Point", "coordinates": [-179.25, -14]})) == []
        assert catalog.get_item("one", "tile")["bbox"] == [172.5, -19, 180.5, -9]


def test_missing_bbox_comes_from_the_geometry(tmp_path):
    item = make_item("over", corner=(179.0, 0.0))
    del item["bbox"]
    with SqliteCatalog(tmp_path / "c.sqlite", create=True) as catalog:
        catalog.upsert_items([item])
        assert catalog.get_item("one", "over")["bbox"] == [179.0, 0.0, -179.0, 2.0]
