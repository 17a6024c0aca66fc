"""What a catalog gives out comes in again as it was."""

from __future__ import annotations

import json

import pystac
import pytest

from swath.catalog import SqliteCatalog, ingest
from swath.catalog.export import export
from swath.model import InputError, OutputError, SwathWarning
from swath.testing.contracts import contract_items, make_item


@pytest.fixture
def catalog(tmp_path):
    with SqliteCatalog(tmp_path / "catalog.sqlite", create=True) as held:
        items = contract_items()
        items[0]["assets"]["red"]["href"] = str(tmp_path / "data" / "red.tif")
        items[0]["links"].append({"rel": "derived_from", "href": str(tmp_path / "data" / "source.json")})
        held.upsert_items(items)
        yield held


def _plain(item):
    """An item without its links to where its catalog is, which each catalog writes anew."""
    links = [link for link in item["links"] if link["rel"] != "collection"]
    return json.loads(json.dumps({**item, "links": links}))


def test_static_catalog_is_relative_and_readable(catalog, tmp_path):
    folder = tmp_path / "out" / "static"
    assert export(catalog, folder) == 15
    item = json.loads((folder / "collections/one/items/a00.json").read_text())
    assert item["assets"]["red"]["href"] == "../../../../../data/red.tif"
    assert item["links"][-1] == {"rel": "derived_from", "href": "../../../../../data/source.json"}
    assert item["assets"].keys() == {"red"}
    read = pystac.Catalog.from_file(str(folder / "catalog.json"))
    assert sorted(each.id for each in read.get_items(recursive=True)) == sorted(
        i["id"] for i in contract_items()
    )
    assert [each.id for each in read.get_children()] == ["one", "two"]
    one = next(each for each in read.get_items(recursive=True) if each.id == "a00")
    assert one.assets["red"].get_absolute_href() == str(tmp_path / "data" / "red.tif")
    collection = one.get_collection()
    assert collection is not None
    assert collection.id == "one"


def test_moving_folder_and_files_together_keeps_hrefs(catalog, tmp_path):
    export(catalog, tmp_path / "data" / "stac")
    (tmp_path / "data").rename(tmp_path / "moved")
    with SqliteCatalog(tmp_path / "other.sqlite", create=True) as other:
        assert ingest(other, tmp_path / "moved" / "stac").rejected == []
        item = other.get_item("one", "a00")
    assert item["assets"]["red"]["href"] == str(tmp_path / "moved" / "red.tif")


@pytest.mark.parametrize("target", ["static", "items.parquet"])
def test_out_and_in_again(catalog, tmp_path, target):
    catalog.delete_items("two", ["nowhere"])  # see test_items_without_geometry_stay_out_of_parquet
    assert export(catalog, tmp_path / target) == 14
    with SqliteCatalog(tmp_path / "other.sqlite", create=True) as other:
        report = ingest(other, tmp_path / target)
        assert (report.added, report.rejected) == (14, [])
        before = [_plain(each) for each in catalog.search(sortby="id").items_as_dicts()]
        after = [_plain(each) for each in other.search(sortby="id").items_as_dicts()]
        assert after == before
        for mine, theirs in zip(catalog.collections(), other.collections(), strict=True):
            assert mine["extent"] == theirs["extent"]


def test_real_items_survive_parquet(tmp_path, shared_data):
    with SqliteCatalog(tmp_path / "c.sqlite", create=True) as catalog:
        ingest(catalog, shared_data / "10_stac_items" / "items" / "sentinel-2-l2a.ndjson")
        ingest(catalog, shared_data / "10_stac_items" / "items" / "landsat-c2-l2.ndjson")
        export(catalog, tmp_path / "some.parquet")
        with SqliteCatalog(tmp_path / "other.sqlite", create=True) as other:
            report = ingest(other, tmp_path / "some.parquet")
            assert (report.added, report.rejected) == (81, [])
            for mine in catalog.search(limit=1000).items_as_dicts():
                theirs = other.get_item(mine["collection"], mine["id"])
                assert sorted(theirs["assets"]) == sorted(mine["assets"])
                for key, asset in mine["assets"].items():
                    assert theirs["assets"][key]["href"] == asset["href"]
                assert theirs["bbox"] == pytest.approx(mine["bbox"])


def test_items_without_geometry_stay_out_of_parquet(catalog, tmp_path):
    with pytest.warns(SwathWarning, match="1 items without geometry"):
        assert export(catalog, tmp_path / "items.parquet") == 14


def test_only_what_is_asked(catalog, tmp_path):
    assert export(catalog, tmp_path / "two", collections=["two"]) == 3
    assert not (tmp_path / "two/collections/one").exists()
    assert export(catalog, tmp_path / "old.parquet", datetime="../2012") == 3


def test_ids_that_are_no_file_names(catalog, tmp_path):
    items = [make_item("../up/a b"), make_item("../up/a_b")]
    for item in items:
        item["assets"] = {"red": {"href": str(tmp_path / "a folder" / "red.tif")}}
    assert catalog.upsert_items(items, collection="../../x").rejected == []
    export(catalog, tmp_path / "odd", collections=["../../x"])
    assert len(list((tmp_path / "odd").rglob("items/*.json"))) == 2
    read = pystac.Catalog.from_file(str(tmp_path / "odd" / "catalog.json"))
    assert sorted(each.id for each in read.get_items(recursive=True)) == ["../up/a b", "../up/a_b"]


def test_full_folder_is_left_alone(catalog, tmp_path):
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        export(catalog, folder)
    assert [each.name for each in folder.iterdir()] == ["mine.txt"]


def test_nothing_to_write_is_told(catalog, tmp_path):
    with pytest.raises(InputError, match="no items"):
        export(catalog, tmp_path / "none.parquet", datetime="1900")
    assert not (tmp_path / "none.parquet").exists()


def test_all_real_items_go_out_by_collection(tmp_path, shared_data):
    with SqliteCatalog(tmp_path / "c.sqlite", create=True) as catalog:
        ingest(catalog, shared_data / "10_stac_items" / "items")
        names = {body["id"] for body in catalog.collections()} - {"landsat-c2l2-sr"}
        written = sum(
            export(catalog, tmp_path / "out" / f"{name}.parquet", collections=[name]) for name in names
        )
        assert written == 1297 - 13
        with pytest.raises(OutputError, match="one table"):  # its eo:bands are numbers in 0.7, objects in 1.0
            export(catalog, tmp_path / "sr.parquet", collections=["landsat-c2l2-sr"])
        with SqliteCatalog(tmp_path / "other.sqlite", create=True) as other:
            report = ingest(other, tmp_path / "out")
            assert (report.added, report.rejected) == (1297 - 13, [])


def test_items_that_fit_no_table_are_told(catalog, tmp_path):
    catalog.upsert_items([make_item("n", odd=1), make_item("t", odd="text"), make_item("d", odd={"a": 1})])
    with pytest.raises(OutputError, match="--collections"):
        export(catalog, tmp_path / "odd.parquet", ids=["n", "t", "d"])
    assert not (tmp_path / "odd.parquet").exists()
