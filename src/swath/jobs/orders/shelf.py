"""What recipes can make of a catalog's items, and from what."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from swath.cube.sources import band_sources, find_band, unknown_band
from swath.jobs.orders.ledger import OrderKey
from swath.jobs.orders.making import Order
from swath.jobs.orders.recipes import (
    DERIVED_FROM,
    ITSELF,
    PLACEHOLDER,
    read_recipes,
    with_placeholders,
    without_assets,
)
from swath.model import MissingAssetError, NotFoundError
from swath.processes import get_process
from swath.storage.whole import file_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from swath.catalog import Catalog
    from swath.jobs.orders.cache import OrderCache
    from swath.jobs.orders.recipes import Recipe

    Item = dict[str, Any]


def find_collection(catalog: Catalog, name: str) -> Mapping[str, Any]:
    """Give a collection; an empty one where items are of none that the catalog knows."""
    try:
        return catalog.get_collection(name)
    except NotFoundError:
        return {"id": name}


class Shelf:
    """A catalog with what its recipes can make.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    cache : OrderCache
        Its orders.
    """

    def __init__(self, catalog: Catalog, cache: OrderCache) -> None:
        self.catalog, self.cache = catalog, cache
        self._collections: dict[str, tuple[Mapping[str, Any], dict[str, Recipe]]] = {}

    def _of(self, item: Item) -> tuple[Mapping[str, Any], dict[str, Recipe]]:
        name = str(item.get("collection"))
        if name not in self._collections:
            collection = find_collection(self.catalog, name)
            self._collections[name] = collection, {each.name: each for each in read_recipes(collection)}
        return self._collections[name]

    def shown(self, item: Item) -> Item:
        """Give an item with the assets that could be made for it."""
        return with_placeholders(without_assets(item), self._of(item)[0])

    def orders_for(self, item: Item, bands: Sequence[str], *, strict: bool) -> list[Order]:
        """List what is to be made so that an item has some bands; what was made before is among it."""
        _, recipes = self._of(item)
        shown = self.shown(item)
        if not bands:
            hrefs = [str(each["href"]) for each in shown["assets"].values()]
        else:
            sources = band_sources(shown)
            found = [find_band(sources, each) for each in bands]
            if strict and (
                lacking := [name for name, each in zip(bands, found, strict=True) if each is None]
            ):
                raise unknown_band(lacking[0], [shown])
            hrefs = [each.href for each in found if each is not None]
        names = dict.fromkeys(
            each.removeprefix(PLACEHOLDER) for each in hrefs if each.startswith(PLACEHOLDER)
        )
        return [self._order(item, recipes[each]) for each in names]

    def _order(self, item: Item, recipe: Recipe) -> Order:
        plain = without_assets(item)
        sources = self._sources(plain, recipe)
        digest = recipe.digest(sources)
        collection, name = str(item.get("collection")), str(item["id"])
        told = "\n".join((self.cache.name, collection, name, recipe.name, digest))
        id = hashlib.sha256(told.encode()).hexdigest()[:16]
        stem = f"{file_name(name)}-{file_name(recipe.name)}-{id[:8]}"
        folder = self.cache.folder / file_name(collection) / stem
        key = OrderKey(id, self.cache.name, collection, name, recipe.name, str(folder))
        held = {name: each for name in recipe.assets if (each := item["assets"].get(name))}
        is_whole = len(held) == len(recipe.assets) and all(
            each.get("order:id") == id for each in held.values()
        )
        return Order(key, recipe, _inputs(plain, recipe, sources), held if is_whole else {})

    def _sources(self, item: Item, recipe: Recipe) -> list[Item]:
        """Find the items that a recipe reads.

        Raises
        ------
        MissingAssetError
            There are none.
        """
        if recipe.sources == ITSELF:
            return [item]
        if recipe.sources == DERIVED_FROM:
            found = self._linked(item)
        else:
            found = list(
                self.catalog.search(
                    collections=[recipe.sources], intersects=item.get("geometry"), datetime=_interval(item),
                    sortby="datetime,id", limit=1000,
                ).items_as_dicts()
            )  # fmt: skip
        if not found:
            raise MissingAssetError(
                f"recipe {recipe.name!r}: item {item['id']!r} has nothing to be made from "
                f"({recipe.sources} gives no item)"
            )
        return [without_assets(each) for each in found]

    def _linked(self, item: Item) -> list[Item]:
        """Find the items that an item says it is derived from: by titles of links, or ends of addresses."""
        links = [each for each in item.get("links", ()) if each.get("rel") == DERIVED_FROM]
        names = [str(each.get("title") or _stem(str(each["href"]))) for each in links]
        found = {str(each["id"]): each for each in self._by_id(names)}
        if lacking := [each for each in names if each not in found]:
            raise MissingAssetError(
                f"item {item['id']!r}: the catalog lacks {lacking[0]!r}, which it is derived from",
                fix="ingest it",
            )
        return [found[each] for each in names]

    def _by_id(self, names: Iterable[str]) -> Iterable[Item]:
        wanted = list(names)
        return self.catalog.search(ids=wanted, limit=1000).items_as_dicts() if wanted else ()


def _stem(href: str) -> str:
    """Give the id that an address ends with.

    Examples
    --------
    >>> _stem("https://host/collections/a/items/S2_1"), _stem("../items/S2_2.json")
    ('S2_1', 'S2_2')
    """
    name = os.path.basename(href.rstrip("/").split("?")[0])  # noqa: PTH119 -- an address
    return name.removesuffix(".json").removesuffix(".geojson")


def _interval(item: Mapping[str, Any]) -> str:
    properties = item["properties"]
    start = properties.get("start_datetime") or properties.get("datetime")
    end = properties.get("end_datetime") or properties.get("datetime")
    return f"{start}/{end}"


def _inputs(item: Item, recipe: Recipe, sources: Sequence[Item]) -> dict[str, Any]:
    """Put the inputs of the process together: the recipe's, the items, and the area where others are read."""
    fields = get_process(recipe.process).inputs.model_fields
    inputs: dict[str, Any] = {**recipe.inputs, "items": [dict(each) for each in sources]}
    if "output_collection" in fields:
        inputs["output_collection"] = f"{_word(str(item['id']))}-{_word(recipe.name)}"
    if "mosaic" in fields:
        inputs["mosaic"] = "cog"
    if recipe.sources != ITSELF:
        if "bbox" in fields and not {"bbox", "geometry", "grid"} & inputs.keys() and item.get("bbox"):
            box = item["bbox"]
            inputs["bbox"] = box if len(box) == 4 else [box[0], box[1], box[3], box[4]]
        if "datetime" in fields:
            inputs.setdefault("datetime", _interval(item))
    return inputs


def _word(text: str) -> str:
    """Make a word that may begin the name of a collection."""
    return (
        "".join(
            each if each.isascii() and (each.isalnum() or each in "._-") else "_" for each in text
        ).lstrip("._-")
        or "item"
    )
