"""What the job of an order has made, as assets of the item that it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swath.catalog.intake.rasters import read_asset
from swath.jobs.finish import read_results
from swath.model import JobFailedError
from swath.products import file_checksum
from swath.storage.whole import file_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.jobs.folder import JobFolder
    from swath.jobs.orders.recipes import Recipe


def made_assets(folder: JobFolder, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Give what a job has made as assets of the item that it was made for.

    Raises
    ------
    JobFailedError
        It has made another number of images, or not the layers that the recipe names.
    """
    items = read_results(folder)[1]
    times = {each["properties"]["datetime"] for each in items}
    if len(times) != 1 or (len(items) > 1 and len(items) > len(folder.units)):
        raise JobFailedError(
            f"recipe {recipe.name!r}: {recipe.process} makes {len(times)} images of an item, not one",
            fix="give the recipe inputs that make one, such as a period as long as the item's",
        )
    first = items[0]
    known = [key for key, each in first["assets"].items() if "data" in each.get("roles", ())]
    assets = {}
    for key, layer in recipe.assets.items():
        if layer not in known:
            raise JobFailedError(
                f"recipe {recipe.name!r}: {recipe.process} makes no {layer!r}", fix="name one that it makes",
                known=tuple(known),
            )  # fmt: skip
        grid = {name: value for name, value in first["properties"].items() if name.startswith("proj:")}
        about = {**grid, **first["assets"][layer]}
        if len(items) > 1:
            about |= _mosaic(folder, key, layer, about)
        assets[key] = {**about, "swath:product": _self(first)}
    return assets


def _mosaic(folder: JobFolder, key: str, layer: str, tile: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the one file that the tiles of a layer have become."""
    found = sorted((folder.results / "mosaic").glob(f"*_{file_name(layer)}.tif"))
    if len(found) != 1:
        raise JobFailedError(f"job {folder.job['id']}: its tiles have become {len(found)} images of {layer}")
    whole = read_asset(found[0], key)[0]
    bands = [{name: value for name, value in each.items() if name != "statistics"} for each in tile["bands"]]
    size = found[0].stat().st_size
    return {**whole, "bands": bands, "file:checksum": file_checksum(found[0]), "file:size": size}


def _self(item: Mapping[str, Any]) -> str:
    return next(str(each["href"]) for each in item["links"] if each["rel"] == "self")
