"""Recipes on collections: which process makes the assets that an item has not yet, and from what.

A collection's ``swath:recipes`` holds them by name; its ``item_assets`` describe what they make, with the
``order:status`` of STAC's order extension: ``orderable``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swath.cube.orderable import RECIPES
from swath.model import InputError, unknown
from swath.processes import get_process, parse_inputs
from swath.products.item import MEDIA_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ORDER = "https://stac-extensions.github.io/order/v1.0.0/schema.json"
ITSELF = "item"
"""Sources of a recipe: the item whose asset is missing."""
DERIVED_FROM = "derived_from"
"""Sources of a recipe: the items that the item's links of this relation name."""
PLACEHOLDER = "order:"
"""How the href of an asset begins that is not there yet."""
_KEYS = ("process", "inputs", "assets", "sources")
_NOT_READ = {"links", "stac_extensions", "stac_version"}
"""What no process reads of an item."""
_OWN_INPUTS = ("items", "collection", "catalog", "output_collection", "filter")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How assets of an item are made."""

    name: str
    """Its name in the collection."""
    process: str
    """The process that makes them."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Its inputs, but for the items."""
    assets: Mapping[str, str] = field(default_factory=dict)
    """Key of each asset to the layer of the product that it is."""
    sources: str = ITSELF
    """What the process reads: ``item``, ``derived_from``, or the id of a collection, whose items meet the
    item's geometry and time."""

    def to_dict(self) -> dict[str, Any]:
        """Write it as a collection holds it."""
        return {
            "process": self.process,
            "inputs": dict(self.inputs),
            "assets": dict(self.assets),
            "sources": self.sources,
        }

    @classmethod
    def from_dict(cls, name: str, tree: Any) -> Recipe:
        """Read it.

        Raises
        ------
        InputError
            It is written in another way.
        """
        where = f"recipe {name!r}"
        if not isinstance(tree, dict) or not isinstance(tree.get("process"), str):
            raise InputError(f"{where}: it names no process", fix='{"process": "index", "assets": {...}}')
        for key in tree:
            if key not in ("process", "inputs", "assets", "sources"):
                raise unknown(
                    f"{where}: there is no {key!r}", key, ("process", "inputs", "assets", "sources")
                )
        inputs, assets = tree.get("inputs") or {}, tree.get("assets") or {}
        if not isinstance(inputs, dict):
            raise InputError(f"{where}: its inputs are no JSON object, but {str(inputs)[:60]!r}")
        if not isinstance(assets, dict) or not assets or not all(isinstance(v, str) for v in assets.values()):
            raise InputError(f"{where}: it names no assets", fix='such as "assets": {"ndvi": "NDVI"}')
        return cls(name, tree["process"], inputs, assets, str(tree.get("sources") or ITSELF))

    def digest(self, items: Sequence[Mapping[str, Any]]) -> str:
        """Sum up all that decides what is made: process and its version, inputs, and the items it reads."""
        read = [{key: each[key] for key in sorted(each.keys() - _NOT_READ)} for each in items]
        told = [self.process, get_process(self.process).version, dict(self.inputs), dict(self.assets), read]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def check_recipe(recipe: Recipe) -> None:
    """Check a recipe as far as that goes without an item.

    Raises
    ------
    InputError, NotFoundError
        The process is not known, or takes other inputs.
    """
    process = get_process(recipe.process)
    for name in recipe.inputs:
        if name in _OWN_INPUTS:
            raise InputError(
                f"recipe {recipe.name!r}: {name!r} is not for a recipe to say",
                fix="what it reads follows from the item and the recipe's sources",
            )
    if recipe.inputs.get("format", "cog") != "cog":
        raise InputError(f"recipe {recipe.name!r}: assets that are made by asking are COGs", fix="format=cog")
    if "items" not in process.inputs.model_fields:
        raise InputError(f"recipe {recipe.name!r}: {recipe.process} reads no items")
    parse_inputs(process, {**recipe.inputs, "items": []})


def read_recipes(collection: Mapping[str, Any]) -> tuple[Recipe, ...]:
    """Give the recipes of a collection.

    Raises
    ------
    InputError
        One cannot be understood.
    """
    held = collection.get(RECIPES) or {}
    if not isinstance(held, dict):
        raise InputError(f"collection {collection.get('id')!r}: its {RECIPES} are no JSON object")
    return tuple(Recipe.from_dict(name, tree) for name, tree in held.items())


def with_recipe(collection: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Give a collection with one recipe more, or one that was there replaced."""
    changed = without_recipe(collection, recipe.name)
    for other in read_recipes(changed):
        if both := sorted(other.assets.keys() & recipe.assets.keys()):
            raise InputError(
                f"recipe {recipe.name!r}: {', '.join(both)} is made by the recipe {other.name!r} already",
                fix=f"choose another key, or remove {other.name!r}",
            )
    described = dict(changed.get("item_assets") or {})
    for key, layer in recipe.assets.items():
        described[key] = {**_describe(key, layer), **described.get(key, {}), "order:status": "orderable"}
    return {
        **changed,
        RECIPES: {**(changed.get(RECIPES) or {}), recipe.name: recipe.to_dict()},
        "item_assets": described,
        "stac_extensions": sorted({*changed.get("stac_extensions", ()), ORDER}),
    }


def without_recipe(collection: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Give a collection without a recipe; what it made stays."""
    held = dict(collection.get(RECIPES) or {})
    changed = dict(collection)
    if name not in held:
        return changed
    recipe = Recipe.from_dict(name, held.pop(name))
    described = dict(changed.get("item_assets") or {})
    for key in recipe.assets:
        if described.get(key, {}).get("order:status") == "orderable":
            del described[key]
    changed |= {RECIPES: held, "item_assets": described}
    if not held:
        del changed[RECIPES]
        changed["stac_extensions"] = [each for each in changed.get("stac_extensions", ()) if each != ORDER]
    if not described:
        del changed["item_assets"]
    return changed


def _describe(key: str, layer: str) -> dict[str, Any]:
    title = key if key == layer else f"{layer} ({key})"
    return {"type": MEDIA_TYPES["cog"], "roles": ["data"], "title": title, "bands": [{"name": layer}]}


def with_placeholders(item: Mapping[str, Any], collection: Mapping[str, Any]) -> dict[str, Any]:
    """Give an item with the assets besides that can be made for it; their hrefs name the recipes.

    So the same rules find a band in what there is and in what there could be.
    """
    assets = dict(item.get("assets", {}))
    described = collection.get("item_assets") or {}
    for recipe in read_recipes(collection):
        for key, layer in recipe.assets.items():
            if key not in assets:
                said = {**_describe(key, layer), **described.get(key, {})}
                assets[key] = {**said, "href": f"{PLACEHOLDER}{recipe.name}"}
    return {**item, "assets": assets}


def with_assets(
    item: Mapping[str, Any], assets: Mapping[str, Mapping[str, Any]], order: str, made: str
) -> dict[str, Any]:
    """Give an item with assets that were made for it."""
    told = {"order:status": "succeeded", "order:id": order, "order:date": made}
    return {
        **item,
        "assets": {**item.get("assets", {}), **{key: {**each, **told} for key, each in assets.items()}},
        "stac_extensions": list(dict.fromkeys((*item.get("stac_extensions", ()), ORDER))),
    }


def without_assets(item: Mapping[str, Any], order: str = "") -> dict[str, Any]:
    """Give an item without what was made for it, by one order or by all."""
    kept = {
        key: each
        for key, each in item.get("assets", {}).items()
        if not each.get("order:id") or (order and each["order:id"] != order)
    }
    changed = {**item, "assets": kept}
    if not any("order:id" in each for each in kept.values()):
        changed["stac_extensions"] = [each for each in item.get("stac_extensions", ()) if each != ORDER]
    return changed
