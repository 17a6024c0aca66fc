from pathlib import Path

import numpy as np
import pytest
from jobs.orders.conftest import CLEAR, COLLECTION
from runs import TWO

import swath
from swath.catalog import open_catalog
from swath.jobs import Request, submit
from swath.jobs.orders import Recipe, order, order_missing
from swath.jobs.orders.asking import missing
from swath.model import InputError, JobFailedError, MissingAssetError, NotFoundError

JUNE = {"collection": COLLECTION, "datetime": "2020-06", "bands": "ndvi", "period": "P1M"}


def test_made_assets_are_loaded_with_the_others(shelf, monkeypatch):
    monkeypatch.setenv("SWATH_HOME", str(shelf.settings.home))
    said = []
    items = swath.order(shelf.items(), "ndvi", watch=said.append)
    assert said == [f"making ndvi of {each}" for each in CLEAR]
    cube = swath.load(items, ["ndvi", "red", "nir"], chunks=None)
    expected = (cube.nir - cube.red) / (cube.nir + cube.red)
    assert np.isfinite(cube.ndvi).sum() > 1000
    assert float(abs(cube.ndvi - expected).max()) < 1e-4
    assert [each["assets"]["ndvi"]["href"] for each in shelf.items()] == [
        each["assets"]["ndvi"]["href"] for each in items
    ]


def test_what_is_no_resource_is_named(shelf, monkeypatch):
    monkeypatch.setenv("SWATH_HOME", str(shelf.settings.home))
    with pytest.raises(InputError, match="order: cpus are for Slurm sites"):
        swath.order(shelf.items(), "ndvi", cpus=2)
    with pytest.raises(InputError, match="order: 'cpu' is no resource") as caught:
        swath.order(shelf.items(), "ndvi", on="bed", cpu=2)
    assert "cpus" in str(caught.value)
    with pytest.raises(NotFoundError, match="no site 'bed'"):
        swath.order(shelf.items(), "ndvi", on="bed")


def test_who_loads_what_can_be_made_is_told_how(shelf, monkeypatch):
    monkeypatch.setenv("SWATH_HOME", str(shelf.settings.home))
    with pytest.raises(InputError, match="has no band 'ndvi'") as caught:
        swath.load(shelf.items(), ["red", "ndvi"])
    assert "have it made: items = swath.order(items, ['ndvi'])" in str(caught.value)
    with pytest.raises(InputError, match="has no band 'ndvy'") as caught:
        swath.load(shelf.items(), ["ndvy"])
    assert "swath.order" not in str(caught.value)


def test_pystac_reads_the_item_and_its_product(shelf):
    import pystac

    (item,) = order(shelf.items(CLEAR[0]), ["ndvi"], shelf.settings)[0]
    asset = pystac.Item.from_dict(item).assets["ndvi"]
    assert asset.extra_fields["order:status"] == "succeeded"
    product = pystac.Item.from_file(asset.extra_fields["swath:product"])
    assert product.assets["NDVI"].extra_fields["file:checksum"] == asset.extra_fields["file:checksum"]


def test_all_that_recipes_make_where_no_band_is_named(shelf):
    shelf.add(Recipe("evi", "index", {"index": "EVI"}, {"evi": "EVI"}))
    (item,), made = order(shelf.items(CLEAR[0]), [], shelf.settings)
    assert made.fresh == 2
    assert {"ndvi", "evi"} <= item["assets"].keys()


def test_a_band_that_nobody_makes_is_named_with_those_that_can_be_made(shelf):
    with pytest.raises(InputError, match=r"has no band 'ndvy'") as caught:
        order(shelf.items(), ["ndvy"], shelf.settings)
    assert "ndvi" in str(caught.value)
    assert missing(shelf.items(), ["ndvi"], shelf.settings) == 3
    assert missing(shelf.items(), ["red"], shelf.settings) == 0


def test_what_is_there_is_not_ordered(shelf):
    items, made = order(shelf.items(), ["red"], shelf.settings)
    assert (made.assets, made.fresh) == ({}, 0)
    assert items == shelf.items()
    assert not shelf.cache.ledger.exists()


def test_a_catalog_that_is_only_read_stays_as_it_is(shelf, tmp_path):
    from swath.catalog.export import export

    with open_catalog(shelf.settings.catalog_path) as catalog:
        export(catalog, str(tmp_path / "static"), datetime="2020-06")
    where = str(tmp_path / "static" / "catalog.json")
    before = {each: each.read_bytes() for each in (tmp_path / "static").rglob("*.json")}
    with open_catalog(where) as catalog:
        items = list(catalog.search(collections=[COLLECTION]).items_as_dicts())
    filled, made = order(items, ["ndvi"], shelf.settings, catalog=where)
    assert (made.fresh, made.failed) == (3, {})
    cube = swath.load(filled, ["ndvi"], chunks=None, valid=False)
    assert np.isfinite(cube.ndvi).any()
    assert {each: each.read_bytes() for each in (tmp_path / "static").rglob("*.json")} == before
    assert Path(filled[0]["assets"]["ndvi"]["href"]).is_relative_to(shelf.settings.home)
    again, made = order(items, ["ndvi"], shelf.settings, catalog=where)
    assert (again, made.fresh) == (filled, 0)


def monthly(shelf, sources, **properties):
    """Add a collection of months that are made from the images."""
    with open_catalog(shelf.settings.catalog_path) as catalog:
        (image,) = shelf.items(CLEAR[0])
        links = [{"rel": "derived_from", "href": f"https://host/items/{each}.json"} for each in CLEAR]
        month = {
            "type": "Feature", "stac_version": "1.1.0", "id": "2020-06 (all)", "collection": "months",
            "geometry": image["geometry"], "bbox": image["bbox"], "assets": {}, "links": links,
            "properties": {
                "datetime": "2020-06-01T00:00:00Z", "start_datetime": "2020-06-01T00:00:00Z",
                "end_datetime": "2020-06-30T23:59:59Z", **properties,
            },
        }  # fmt: skip
        catalog.upsert_items([month])
        recipe = Recipe("median", "composite", {"index": "NDVI", "period": "P1M"}, {"ndvi": "NDVI"}, sources)
        from swath.jobs.orders import with_recipe

        catalog.upsert_collection(with_recipe(catalog.get_collection("months"), recipe))
        return catalog.get_item("months", "2020-06 (all)")


@pytest.mark.parametrize("sources", ["derived_from", COLLECTION])
def test_items_without_anything_are_made_from_others(shelf, sources):
    month = monthly(shelf, sources)
    (filled,), made = order([month], ["ndvi"], shelf.settings)
    assert made.failed == {}
    cube = swath.load([filled], ["ndvi"], chunks=None, valid=False)
    images = swath.load(shelf.items(), ["red", "nir"], chunks=None, like=cube)
    series = (images.nir - images.red) / (images.nir + images.red)
    expected = series.median("time", skipna=True)
    difference = abs(cube.ndvi[0] - expected)
    assert float(difference.max()) < 1e-3
    assert np.isfinite(cube.ndvi).sum() > 5000


def test_what_it_is_made_from_must_be_there(shelf):
    month = monthly(shelf, "derived_from")
    with open_catalog(shelf.settings.catalog_path) as catalog:
        catalog.delete_items(COLLECTION, [CLEAR[1]])
    with pytest.raises(MissingAssetError, match=f"the catalog lacks '{CLEAR[1]}', which it is derived from"):
        order([month], ["ndvi"], shelf.settings)


def test_a_recipe_that_makes_several_images_is_named(shelf):
    month = monthly(shelf, COLLECTION, end_datetime="2020-07-30T00:00:00Z")
    _, made = order([month], ["ndvi"], shelf.settings)
    assert "composite makes 2 images of an item, not one" in next(iter(made.failed.values()))
    shelf.add(Recipe("other", "index", {"index": "EVI"}, {"evi": "EVY"}))
    _, made = order(shelf.items(CLEAR[0]), ["evi"], shelf.settings)
    assert "index makes no 'EVY'" in next(iter(made.failed.values()))


def test_a_process_has_what_it_reads_made_first(shelf):
    request, count = order_missing(Request("composite", JUNE), shelf.settings)
    assert count == 3
    job = submit(request, shelf.settings)
    assert job.run(TWO).state == "successful"
    assert {each["collection"] for each in job.folder.items} == {COLLECTION}
    (product,) = job.results()
    assert product["assets"]["ndvi"]["file:size"] > 0
    held = shelf.cache.ledger.holds()
    assert held == {each.key.id: {str(job.folder.path)} for each in shelf.cache.rows()}
    again, count = order_missing(Request("composite", JUNE), shelf.settings)
    assert (again.orders, count) == (request.orders, 3)


def test_what_a_process_has_already_is_not_ordered(shelf):
    plain = Request("composite", {**JUNE, "bands": "red"})
    assert order_missing(plain, shelf.settings) == (plain, 0)
    given = Request("index", {"items": shelf.items(), "index": "NDVI"})
    assert order_missing(given, shelf.settings) == (given, 0)
    counted, count = order_missing(Request("composite", JUNE), shelf.settings, dry_run=True)
    assert (counted.orders, count) == (None, 3)
    assert shelf.folders() == []


def test_given_items_get_what_is_made(shelf):
    inputs = {"items": shelf.items(), "bands": "ndvi", "period": "P1M"}
    request, count = order_missing(Request("composite", inputs), shelf.settings)
    assert count == 3
    assert all(Path(each["assets"]["ndvi"]["href"]).is_file() for each in request.inputs["items"])
    assert submit(request, shelf.settings).run(TWO).state == "successful"


def test_a_failed_order_fails_the_process_unless_bad_files_are_left_out(shelf):
    with open_catalog(shelf.settings.catalog_path) as catalog:

        def lose(item):
            assets = {key: {**each, "href": "/nowhere.tif"} for key, each in item["assets"].items()}
            return {**item, "assets": assets}

        catalog.change_item(COLLECTION, CLEAR[1], lose)
    with pytest.raises(JobFailedError, match=r"orders: 1 of 3 could not be made: .*nowhere\.tif"):
        order_missing(Request("composite", JUNE), shelf.settings)
    _, count = order_missing(Request("composite", JUNE, skip_bad=True), shelf.settings)
    assert count == 2


def test_a_catalog_that_is_not_there_is_no_matter_here(settings, demo):
    given = Request("index", {"items": demo[:1], "index": "NDVI"})
    assert order_missing(given, settings) == (given, 0)
    with pytest.raises(NotFoundError, match="catalog: there is none"):
        order(demo[:1], ["ndvi"], settings)
