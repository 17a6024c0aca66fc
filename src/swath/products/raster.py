"""Layers on a grid as COGs, a picture and an item."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swath.storage.whole import file_name, write_bytes, write_json

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from swath.products.lineage import Lineage
    from swath.products.quantity import Quantity


@dataclass(frozen=True, eq=False)
class Layer:
    """One quantity on a grid."""

    name: str
    """Key of its asset."""
    array: NDArray[Any]
    """(y, x) float32 in the quantity's unit with NaN where missing, or in the quantity's own integers."""
    quantity: Quantity
    """What the numbers mean, and how they are stored."""
    saturated: int = 0
    """Number of values that the integers of ``array`` could not hold, where it was made of values."""


@dataclass(frozen=True, eq=False)
class Raster:
    """Layers that belong to one interval of time and one grid: what becomes one item."""

    id: str
    """Id of the item."""
    start: dt.datetime
    """First instant that the values stand for, aware."""
    end: dt.datetime
    """Last instant that the values stand for, aware."""
    layers: tuple[Layer, ...]
    """The layers; the first one is drawn, or red, green and blue where they are there."""
    geobox: GeoBox
    """Their grid."""
    properties: dict[str, Any] = field(default_factory=dict)
    """More properties of the item."""
    title: str = ""
    """One phrase for people."""


def write_raster(folder: Path, raster: Raster, lineage: Lineage) -> dict[str, Any]:
    """Write each layer as a COG, a thumbnail, and last of all the item.

    Parameters
    ----------
    folder : Path
        Where the files go: ``<id>_<layer>.tif``, ``<id>.png``, ``<id>.json``.
    raster : Raster
        The layers and what they stand for.
    lineage : Lineage
        How they were made.

    Returns
    -------
    dict
        The item (STAC 1.1), with hrefs relative to itself. ``swath:saturated_pixels`` counts the values that
        their integers cannot hold.

    Raises
    ------
    OutputError
        A file cannot be written; none is left half under its name, and no item is there.

    Notes
    -----
    The same raster and lineage give the same bytes.
    """
    from swath.products.cog import cog_bytes, pack, statistics_of
    from swath.products.footprint import footprint_of
    from swath.products.item import asset, band_of, grid_properties, make_item
    from swath.products.thumbnail import thumbnail

    _check(raster)
    stem = file_name(raster.id)
    assets: dict[str, Any] = {}
    pictures: list[tuple[Quantity, NDArray[Any]]] = []
    saturated = 0
    for layer in raster.layers:
        quantity = layer.quantity
        stored, clipped = pack(layer.array, quantity)
        saturated += clipped + layer.saturated
        statistics = statistics_of(stored, quantity.nodata)
        data = cog_bytes(stored, quantity, raster.geobox, statistics)
        name = f"{stem}_{file_name(layer.name)}.tif"
        write_bytes(folder / name, data)
        assets[layer.name] = asset(
            name, "cog", ["data"], data, title=quantity.description or layer.name,
            bands=[band_of(quantity, statistics)],
        )  # fmt: skip
        if not pictures or layer.name in ("red", "green", "blue"):
            pictures.append((quantity, stored))
    picture = thumbnail(pictures)
    write_bytes(folder / f"{stem}.png", picture)
    assets["thumbnail"] = asset(f"{stem}.png", "png", ["thumbnail"], picture, title="Thumbnail")
    item = make_item(
        raster.id,
        interval=(raster.start, raster.end),
        where=footprint_of(raster.geobox),
        assets=assets,
        properties={
            **grid_properties(raster.geobox),
            "swath:saturated_pixels": saturated,
            **({"title": raster.title} if raster.title else {}),
            **raster.properties,
        },
        lineage=lineage,
        extensions=("proj", "raster"),
    )
    write_json(folder / f"{stem}.json", item)
    return item


def _check(raster: Raster) -> None:
    names = [layer.name for layer in raster.layers]
    if not names or len(set(names)) < len(names) or "thumbnail" in names:
        raise ValueError(f"raster {raster.id}: layers need names of their own, got {names}")
    for layer in raster.layers:
        if layer.array.shape != tuple(raster.geobox.shape):
            raise ValueError(
                f"raster {raster.id}: {layer.name} has the shape {layer.array.shape}, "
                f"its grid {tuple(raster.geobox.shape)}"
            )
