import pytest

from swath.catalog.intake.validation import fault_in
from swath.jobs.orders import (
    Recipe,
    check_recipe,
    read_recipes,
    with_placeholders,
    with_recipe,
    without_recipe,
)
from swath.jobs.orders.recipes import with_assets, without_assets
from swath.model import InputError, NotFoundError

NDVI = Recipe("ndvi", "index", {"index": "NDVI"}, {"ndvi": "NDVI"})
COLLECTION = {
    "type": "Collection", "id": "c", "stac_version": "1.1.0", "description": "d", "license": "other",
    "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[None, None]]}}, "links": [],
}  # fmt: skip
ITEM = {"id": "i", "collection": "c", "assets": {"red": {"href": "/r.tif"}}, "stac_extensions": ["b", "a"]}


def test_a_recipe_comes_back_from_its_collection():
    held = with_recipe(COLLECTION, NDVI)
    assert read_recipes(held) == (NDVI,)
    assert held["item_assets"]["ndvi"]["order:status"] == "orderable"
    assert not fault_in(held)
    assert without_recipe(held, "ndvi") == {**COLLECTION, "stac_extensions": []}
    assert without_recipe(COLLECTION, "other") == COLLECTION


def test_two_recipes_make_different_assets():
    held = with_recipe(COLLECTION, NDVI)
    assert read_recipes(with_recipe(held, NDVI)) == (NDVI,)
    with pytest.raises(InputError, match="ndvi is made by the recipe 'ndvi' already"):
        with_recipe(held, Recipe("other", "index", {"index": "NDVI"}, {"ndvi": "NDVI"}))


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ("index", "names no process"),
        ({"process": "index"}, "names no assets"),
        ({"process": "index", "assets": {"a": 1}}, "names no assets"),
        ({"process": "index", "assets": {"a": "A"}, "inputs": []}, "inputs"),
        ({"process": "index", "assets": {"a": "A"}, "source": "x"}, "no 'source'"),
        ({"process": "index", "assets": {"a": "A"}, "inputs": ["x"]}, "no JSON object"),
    ],
)
def test_a_recipe_that_somebody_else_wrote_wrongly_is_named(tree, said):
    if tree == {"process": "index", "assets": {"a": "A"}, "inputs": []}:
        assert read_recipes({"swath:recipes": {"r": tree}})[0].inputs == {}
        return
    with pytest.raises(InputError, match=said):
        read_recipes({"swath:recipes": {"r": tree}})


@pytest.mark.parametrize(
    ("recipe", "kind", "said"),
    [
        (Recipe("r", "indx", {}, {"a": "A"}), NotFoundError, "index"),
        (Recipe("r", "index", {"indx": "NDVI"}, {"a": "A"}), InputError, "no input 'indx'"),
        (Recipe("r", "index", {"index": "NDVY"}, {"a": "A"}), InputError, "NDVY"),
        (Recipe("r", "index", {"items": []}, {"a": "A"}), InputError, "not for a recipe to say"),
        (Recipe("r", "index", {"format": "zarr"}, {"a": "A"}), InputError, "COGs"),
    ],
)
def test_what_cannot_be_made_is_refused_when_it_is_written(recipe, kind, said):
    with pytest.raises(kind, match=said):
        check_recipe(recipe)


def test_what_could_be_made_is_shown_with_what_there_is():
    shown = with_placeholders(ITEM, with_recipe(COLLECTION, NDVI))
    assert shown["assets"]["ndvi"]["href"] == "order:ndvi"
    assert shown["assets"]["red"] == ITEM["assets"]["red"]
    assert "ndvi" not in ITEM["assets"]


def test_an_item_without_what_was_made_is_what_it_was():
    once = with_assets(ITEM, {"ndvi": {"href": "/n.tif"}}, "1", "2020-01-01T00:00:00Z")
    twice = with_assets(once, {"evi": {"href": "/e.tif"}}, "2", "2020-01-01T00:00:00Z")
    assert twice["assets"]["evi"]["order:status"] == "succeeded"
    assert without_assets(twice) == ITEM
    assert without_assets(twice, "2") == once
    assert NDVI.digest([without_assets(twice)]) == NDVI.digest([ITEM])


def test_what_is_read_decides_what_is_made():
    other = {**ITEM, "assets": {"red": {"href": "/other.tif"}}}
    assert NDVI.digest([other]) != NDVI.digest([ITEM])
    assert Recipe("ndvi", "index", {"index": "EVI"}, NDVI.assets).digest([ITEM]) != NDVI.digest([ITEM])
    assert NDVI.digest([{**ITEM, "links": [{"rel": "x"}]}]) == NDVI.digest([ITEM])
