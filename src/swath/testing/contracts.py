"""What every implementation of a Protocol must do: inherit the class, give the fixture, and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from swath.model import InputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swath.catalog import Catalog

SQUARE = 2.0
"""Side of the squares that the contract's items cover, degrees."""


def square(west: float, south: float, *, side: float = SQUARE) -> tuple[list[float], dict[str, Any]]:
    """Give the bbox and the geometry of a square; one that goes over 180 degrees is cut there."""
    east, north = west + side, south + side

    def ring(left: float, right: float) -> list[list[list[float]]]:
        return [[[left, south], [right, south], [right, north], [left, north], [left, south]]]

    if east <= 180:
        return [west, south, east, north], {"type": "Polygon", "coordinates": ring(west, east)}
    parts = [ring(west, 180.0), ring(-180.0, east - 360)]
    return [west, south, east - 360, north], {"type": "MultiPolygon", "coordinates": parts}


def make_item(
    name: str,
    /,
    *,
    collection: str = "one",
    corner: tuple[float, float] | None = (10.0, 50.0),
    datetime: str | None = "2020-06-01T10:00:00Z",
    **properties: Any,
) -> dict[str, Any]:
    """Make a small valid STAC item.

    Parameters
    ----------
    name : str
        Its id.
    collection : str
        Its collection.
    corner : tuple of float, optional
        West and south of its square, degrees; None: no geometry.
    datetime : str, optional
        RFC 3339; None needs ``start_datetime`` and ``end_datetime`` among the properties.
    **properties
        What else it says; two underscores stand for a colon (``eo__cloud_cover``).
    """
    placed: dict[str, Any] = {"geometry": None}
    if corner is not None:
        bbox, geometry = square(*corner)
        placed = {"bbox": bbox, "geometry": geometry}
    named = {key.replace("__", ":"): value for key, value in properties.items()}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": collection,
        **placed,
        "properties": {"datetime": datetime, **named},
        "links": [{"rel": "collection", "href": f"https://example.com/{collection}.json"}],
        "assets": {"red": {"href": f"https://example.com/{name}/red.tif", "roles": ["data"]}},
    }


def contract_items() -> list[dict[str, Any]]:
    """Give the items that a catalog under test holds: two collections, odd places, odd times."""
    items = [
        make_item(
            f"a{at:02}",
            corner=(10.0 + at, 50.0 - at),
            datetime=f"20{10 + at:02}-{1 + at % 12:02}-05T10:00:00Z",
            eo__cloud_cover=float((at * 37) % 100),
            platform="sentinel-2a" if at % 2 else "sentinel-2b",
        )
        for at in range(12)
    ]
    span = {"start_datetime": "2015-01-01T00:00:00Z", "end_datetime": "2015-12-31T23:59:59Z"}
    return [
        *items,
        make_item("over-180", collection="two", corner=(179.0, 0.0), datetime="2018-01-01T00:00:00Z"),
        make_item("year", collection="two", corner=(-60.0, -10.0), datetime=None, **span),
        make_item("nowhere", collection="two", corner=None, datetime="2019-01-01T00:00:00Z", gsd=30),
    ]


def _ids(items: Iterable[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


class CatalogContract:
    """What a catalog must do; the fixture ``catalog`` gives one that holds ``contract_items()``."""

    def found(self, catalog: Catalog, **search: Any) -> list[str]:
        """Give the ids that a search finds, in its order."""
        return _ids(catalog.search(**search).items_as_dicts())

    def test_lists_collections_by_id(self, catalog: Catalog) -> None:
        """All collections come, in order."""
        assert _ids(catalog.collections()) == ["one", "two"]
        assert catalog.get_collection("two")["type"] == "Collection"

    def test_unknown_collection_names_the_nearest(self, catalog: Catalog) -> None:
        """A mistaken name is told with the one that was meant."""
        with pytest.raises(NotFoundError, match="'tow'") as told:
            catalog.search(collections=["tow"]).page()
        assert told.value.known[0] == "two"
        with pytest.raises(NotFoundError, match="'oen'"):
            catalog.get_collection("oen")

    def test_gives_the_item_that_went_in(self, catalog: Catalog) -> None:
        """Properties, assets, geometry and bbox come out as they went in."""
        wanted = next(item for item in contract_items() if item["id"] == "over-180")
        given = catalog.get_item("two", "over-180")
        for key in ("id", "collection", "bbox", "properties", "assets"):
            assert given[key] == wanted[key], key
        with pytest.raises(NotFoundError, match="'none'"):
            catalog.get_item("two", "none")

    def test_finds_by_id_and_collection(self, catalog: Catalog) -> None:
        """Ids and collections must both hold; an empty list finds nothing."""
        assert sorted(self.found(catalog, ids=["a01", "year"])) == ["a01", "year"]
        assert self.found(catalog, ids=["a01", "year"], collections=["two"]) == ["year"]
        assert self.found(catalog, ids=[]) == []

    def test_bbox_finds_what_touches(self, catalog: Catalog) -> None:
        """A box finds its items, those across the antimeridian from both sides."""
        assert self.found(catalog, bbox=(11.5, 50.5, 11.6, 50.6)) == ["a01", "a00"]
        for box in ((179.5, 0, 180, 1), (-180, 0, -179.5, 1), (178, 0, -178, 1), (170, -5, 179, 5)):
            assert self.found(catalog, bbox=box) == ["over-180"], box
        assert self.found(catalog, bbox=(0, 0, 5, 1)) == []

    def test_intersects_is_exact(self, catalog: Catalog) -> None:
        """A triangle whose box touches an item, but not its sides, does not find it."""
        triangle = {"type": "Polygon", "coordinates": [[[8, 48], [9.9, 48], [8, 52.5], [8, 48]]]}
        assert self.found(catalog, bbox=(8, 48, 10, 52.5), collections=["one"]) != []
        assert self.found(catalog, intersects=triangle) == []
        assert self.found(catalog, intersects={"type": "Point", "coordinates": [-179.5, 1]}) == ["over-180"]

    def test_datetime_overlaps(self, catalog: Catalog) -> None:
        """An item without an instant is found by any part of its time."""
        assert self.found(catalog, datetime="2015-05-01/2015-05-02") == ["year"]
        assert self.found(catalog, datetime="2018/..", collections=["two"]) == ["nowhere", "over-180"]
        assert self.found(catalog, datetime="../2010-12-31") == ["a00"]

    def test_filter_text_and_json_agree(self, catalog: Catalog) -> None:
        """CQL2 is understood in both its forms."""
        wanted = [i["id"] for i in contract_items() if i["properties"].get("eo:cloud_cover", 100) < 30]
        as_json = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 30]}
        for spelled in ("eo:cloud_cover < 30", as_json):
            assert sorted(self.found(catalog, filter=spelled)) == sorted(wanted)

    def test_sorts(self, catalog: Catalog) -> None:
        """The smallest first, or the largest; those without the property last."""
        clouds = {i["id"]: i["properties"].get("eo:cloud_cover") for i in contract_items()}
        for spelled, backwards in (("eo:cloud_cover", False), ("-eo:cloud_cover", True)):
            found = self.found(catalog, sortby=spelled)
            known = [clouds[each] for each in found if clouds[each] is not None]
            assert known == sorted(known, reverse=backwards)
            assert set(found[len(known) :]) == {"over-180", "year", "nowhere"}

    def test_pages_give_each_item_once(self, catalog: Catalog) -> None:
        """Pages of any length hold all items in one order; a token begins where a page ended."""
        whole = self.found(catalog, sortby="id")
        assert whole == sorted(i["id"] for i in contract_items())
        for limit in (1, 4, 15):
            assert self.found(catalog, sortby="id", limit=limit) == whole
        first = catalog.search(sortby="id", limit=4).page()
        assert first.token is not None
        rest = catalog.search(sortby="id", limit=4, token=first.token)
        assert _ids(first.items) + _ids(rest.items_as_dicts()) == whole

    def test_max_items_ends_the_search(self, catalog: Catalog) -> None:
        """No more than asked come, whatever the page's length."""
        assert len(self.found(catalog, max_items=5, limit=2)) == 5
        assert [len(p["features"]) for p in catalog.search(max_items=5, limit=2).pages_as_dicts()] == [
            2,
            2,
            1,
        ]

    def test_matched_counts_all(self, catalog: Catalog) -> None:
        """The count does not depend on the page."""
        assert catalog.search(collections=["one"], limit=3).matched() == 12
        assert catalog.count("two") == 3

    def test_fields_cut_items_down(self, catalog: Catalog) -> None:
        """Only the asked parts come."""
        (item,) = catalog.search(ids=["a03"], fields="properties.platform").items_as_dicts()
        assert item["properties"] == {"platform": "sentinel-2a"}
        assert "assets" not in item
        assert item["id"] == "a03"

    def test_gives_pystac_items(self, catalog: Catalog) -> None:
        """A search iterates over pystac items."""
        (item,) = catalog.search(ids=["a03"])
        assert item.id == "a03"
        assert item.assets["red"].href == "https://example.com/a03/red.tif"

    def test_wrong_input_is_told_at_once(self, catalog: Catalog) -> None:
        """What cannot be meant is refused before anything is searched."""
        for search in (
            {"bbox": (1, 2)},
            {"bbox": (0, 50, 1, 40)},
            {"datetime": "yesterday"},
            {"filter": "a <"},
            {"limit": 0},
            {"intersects": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}},
        ):
            with pytest.raises(InputError):
                catalog.search(**search)
        with pytest.raises(InputError, match="token"):
            catalog.search(token="nonsense!").page()  # noqa: S106 -- a paging token
