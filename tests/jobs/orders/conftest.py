"""A catalog of a few real images, with a recipe for their NDVI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from swath.catalog import open_catalog
from swath.jobs.orders import OrderCache, Recipe, with_recipe

if TYPE_CHECKING:
    from pathlib import Path

COLLECTION = "sentinel-2-l2a-romania"
NDVI = Recipe("ndvi", "index", {"index": "NDVI"}, {"ndvi": "NDVI"})
CLEAR = ("S2_L2A_RO_20200620", "S2_L2A_RO_20200625", "S2_L2A_RO_20200630")


class Shelf:
    """The catalog of a test, its settings, and its orders."""

    def __init__(self, settings) -> None:
        self.settings = settings
        self.cache = OrderCache(settings, settings.catalog_path)

    def items(self, *ids: str) -> list[dict[str, Any]]:
        """Read items as they are now."""
        with open_catalog(self.settings.catalog_path) as catalog:
            return [catalog.get_item(COLLECTION, each) for each in ids or CLEAR]

    def add(self, recipe: Recipe) -> None:
        """Add a recipe to the collection."""
        with open_catalog(self.settings.catalog_path) as catalog:
            catalog.upsert_collection(with_recipe(catalog.get_collection(COLLECTION), recipe))

    def states(self) -> dict[tuple[str, str], str]:
        """Tell where the orders stand, by item and recipe."""
        return {(each.key.item, each.key.recipe): str(each.state) for each in self.cache.rows()}

    def folders(self) -> list[Path]:
        """List what lies in the cache."""
        return sorted(each.parent for each in self.cache.folder.rglob("job.json"))


@pytest.fixture
def shelf(demo_catalog):
    made = Shelf(demo_catalog)
    made.add(NDVI)
    return made
