"""The embedded catalog keeps the contract, and what is written into it."""

from __future__ import annotations

import json
import threading

import pystac
import pytest

from swath.catalog import Catalog, SqliteCatalog, open_catalog
from swath.catalog.intake.prepare import prepare_items
from swath.catalog.searching.plan import Plan
from swath.catalog.searching.query import parse_query
from swath.model import InputError, NotFoundError
from swath.testing.contracts import CatalogContract, contract_items, make_item


@pytest.fixture
def catalog(tmp_path):
    with SqliteCatalog(tmp_path / "catalog.sqlite", create=True) as held:
        report = held.upsert_items(contract_items())
        assert report.rejected == []
        yield held


class TestSqliteCatalog(CatalogContract):
    pass


def test_is_a_catalog(catalog):
    assert isinstance(catalog, Catalog)


def test_same_item_twice_replaces(catalog):
    changed = make_item("a00", corner=(100.0, 10.0), eo__cloud_cover=1.0)
    report = catalog.upsert_items([changed, make_item("fresh")])
    assert (report.added, report.updated) == (1, 1)
    assert catalog.get_item("one", "a00")["properties"]["eo:cloud_cover"] == 1.0
    assert "a00" in [i["id"] for i in catalog.search(bbox=(100, 10, 101, 11)).items_as_dicts()]
    assert "a00" not in [i["id"] for i in catalog.search(bbox=(10, 50, 10.5, 50.5)).items_as_dicts()]


def test_the_last_of_equal_ids_in_one_call_stays(catalog):
    report = catalog.upsert_items([make_item("x", gsd=1), make_item("x", gsd=2)])
    assert report.added == 1
    assert catalog.get_item("one", "x")["properties"]["gsd"] == 2


def test_same_id_in_two_collections_are_two_items(catalog):
    catalog.upsert_items([make_item("a00", collection="two", gsd=7)])
    assert catalog.count() == 16
    assert catalog.get_item("two", "a00")["properties"]["gsd"] == 7
    assert "gsd" not in catalog.get_item("one", "a00")["properties"]


def test_caller_keeps_its_items_as_they_were():
    item = make_item("a")
    del item["bbox"]
    item["assets"]["red"]["href"] = "red.tif"
    before = json.dumps(item)
    assert prepare_items([item])[1] == []
    assert json.dumps(item) == before


def test_one_bad_item_does_not_stop_the_others(catalog):
    bad = make_item("bad")
    del bad["assets"]
    report = catalog.upsert_items([make_item("good"), bad, "no item at all", {"id": 7}])
    assert report.added == 1
    assert report.rejected[0].id == "bad"
    assert "assets" in report.rejected[0].reason
    assert len(report.rejected) == 3


def test_pystac_items_go_in(catalog):
    item = pystac.Item.from_dict(make_item("py"))
    assert catalog.upsert_items([item], collection="other").collections == ["other"]
    assert catalog.get_item("other", "py")["collection"] == "other"


def test_a_made_collection_has_the_extent_of_its_items(catalog):
    extent = catalog.get_collection("one")["extent"]
    assert extent["spatial"]["bbox"] == [[10.0, 39.0, 23.0, 52.0]]
    assert extent["temporal"]["interval"] == [["2010-01-05T10:00:00Z", "2021-12-05T10:00:00Z"]]
    catalog.upsert_items([make_item("late", datetime="2030-01-01T00:00:00Z", corner=(-20, 0))])
    extent = catalog.get_collection("one")["extent"]
    assert extent["spatial"]["bbox"] == [[-20.0, 0.0, 23.0, 52.0]]
    assert extent["temporal"]["interval"][0][1] == "2030-01-01T00:00:00Z"
    pystac.Collection.from_dict(catalog.get_collection("one"))


def test_collections_go_in_and_stay_as_given(catalog):
    body = catalog.get_collection("one") | {"title": "First", "license": "CC-BY-4.0"}
    assert catalog.upsert_collection(body) is False
    catalog.upsert_items([make_item("late", datetime="2030-01-01T00:00:00Z")])
    assert catalog.get_collection("one") == body
    assert catalog.upsert_collection(body | {"id": "third"}) is True
    with pytest.raises(InputError, match="license"):
        catalog.upsert_collection({k: v for k, v in body.items() if k != "license"})


def test_deleting(catalog):
    assert catalog.delete_items("one", ["a00", "a01", "none"]) == 2
    assert catalog.count("one") == 10
    assert catalog.search(bbox=(10, 50, 10.5, 50.5)).matched() == 0
    assert catalog.delete_collection("one") == 10
    assert [each["id"] for each in catalog.collections()] == ["two"]
    assert catalog.search(bbox=(0, 30, 40, 60)).matched() == 0
    with pytest.raises(NotFoundError, match="one"):
        catalog.delete_collection("one")


def test_missing_file_names_the_command(tmp_path):
    with pytest.raises(NotFoundError, match="swath catalog init"):
        open_catalog(tmp_path / "none.sqlite")
    assert not (tmp_path / "none.sqlite").exists()


def test_threads_may_share_a_catalog(catalog):
    counts = []

    def work(number):
        catalog.upsert_items([make_item(f"t{number}")])
        counts.append(catalog.search(collections=["one"]).matched())

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert catalog.count("one") == 20
    assert len(counts) == 8


def test_property_index_is_used_and_changes_nothing(catalog):
    catalog.upsert_items([make_item(f"s{n}", view__sun_elevation=float(n * 7 % 11)) for n in range(30)])
    before = [i["id"] for i in catalog.search(sortby="-view:sun_elevation", limit=4).items_as_dicts()]
    catalog.index_property("view:sun_elevation")
    after = [i["id"] for i in catalog.search(sortby="-view:sun_elevation", limit=4).items_as_dicts()]
    assert before == after
    with catalog._db.reading() as connection:
        plan = Plan(connection, parse_query(sortby="-view:sun_elevation"), 4)
        statement = next(plan.statements(None))
        steps = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.values).fetchall()
    assert "by view:sun_elevation" in " ".join(step[3] for step in steps)


def test_a_token_of_another_search_is_refused(catalog):
    token = catalog.search(limit=2).page().token
    with pytest.raises(InputError, match="another search"):
        catalog.search(limit=2, sortby="id", token=token)
    with pytest.raises(InputError, match="another search"):
        catalog.search(limit=2, collections=["one"], token=token)
    assert catalog.search(limit=5, token=token).page().items


def test_fields_leave_no_pystac_items(catalog):
    with pytest.raises(InputError, match="items_as_dicts"):
        list(catalog.search(fields="id").items())


def test_an_item_is_changed_with_nobody_writing_in_between(catalog):
    def add_one(held):
        properties = held["properties"]
        return {**held, "properties": {**properties, "n": properties.get("n", 0) + 1}}

    def count():
        with SqliteCatalog(catalog.location) as own:
            for _ in range(20):
                own.change_item("one", "a00", add_one)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert catalog.get_item("one", "a00")["properties"]["n"] == 80
    assert catalog.change_item("one", "none", add_one) is None
    with pytest.raises(InputError, match="item 'a00' would not be valid"):
        catalog.change_item("one", "a00", lambda held: {**held, "geometry": {"type": "Cube"}})
    assert catalog.get_item("one", "a00")["properties"]["n"] == 80
