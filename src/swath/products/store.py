"""A series of rasters as one Zarr store with CF attributes, and its item."""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.model import format_instant
from swath.storage.whole import file_name, write_bytes, write_json, writing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import xarray as xr

    from swath.products.lineage import Lineage
    from swath.products.raster import Raster

_SIDE = 256
"""Side of a chunk in space, pixels."""
_TIMES = 32
"""Times in a chunk: with 256 x 256 int16 pixels 4 MB before compression."""
_IN_SHARD = 8
"""Chunks along a side of a shard: one file instead of 64, where file systems count files."""


def write_zarr(
    folder: Path, rasters: Sequence[Raster], lineage: Lineage, *, id: str | None = None
) -> dict[str, Any]:
    """Write rasters of one grid as a Zarr v3 group (time, y, x), a thumbnail, and last of all the item.

    Chunks are 32 dates by 256 x 256 pixels. Of grids with a side above 2048 pixels, 8 x 8 of them go into
    one file, a shard.

    Parameters
    ----------
    folder : Path
        Where the files go: ``<id>.zarr``, ``<id>.png``, ``<id>.json``.
    rasters : sequence of Raster
        The same layers on the same grid, one for each time.
    lineage : Lineage
        How they were made.
    id : str, optional
        Id of the item; what the ids of the rasters have in common unless given.

    Returns
    -------
    dict
        The item for the whole interval, with ``cube:dimensions`` and ``cube:variables``.
        ``swath:checksum`` of its asset is that of the folder (`swath.products.folder_checksum`).

    Notes
    -----
    Memory: one more copy of the stored numbers, and a shard. The same rasters and lineage give the same
    bytes.
    """
    from swath.products.item import asset
    from swath.storage.checksum import folder_checksum

    rasters = in_order(rasters)
    name = id or common_name([each.id for each in rasters])
    stem = file_name(name)
    dataset, saturated = stack(rasters)
    store = folder / f"{stem}.zarr"
    _write_store(store, dataset)
    picture = picture_of(rasters)
    write_bytes(folder / f"{stem}.png", picture)
    checksum, size = folder_checksum(store)
    assets = {
        "data": {**store_asset(store.name, rasters), "file:size": size, "swath:checksum": checksum},
        "thumbnail": asset(f"{stem}.png", "png", ["thumbnail"], picture, title="Thumbnail"),
    }
    item = store_item(name, rasters, lineage, assets, saturated)
    write_json(folder / f"{stem}.json", item)
    return item


def picture_of(rasters: Sequence[Raster]) -> bytes:
    """Draw the first of some rasters."""
    from swath.products.thumbnail import thumbnail

    return thumbnail([(each.quantity, _values(each)) for each in rasters[0].layers])


def store_item(
    name: str, rasters: Sequence[Raster], lineage: Lineage, assets: dict[str, Any], saturated: int
) -> dict[str, Any]:
    """Describe a store as an item, with ``cube:dimensions`` and ``cube:variables``.

    Parameters
    ----------
    name : str
        Its id.
    rasters, lineage
        As `write_zarr` has them, in order.
    assets : dict
        Its assets.
    saturated : int
        Number of values that could not be stored as they are.
    """
    from swath.products.footprint import footprint_of
    from swath.products.item import grid_properties, make_item

    first = rasters[0]
    return make_item(
        name,
        interval=(first.start, max(each.end for each in rasters)),
        where=footprint_of(first.geobox),
        assets=assets,
        properties={
            **grid_properties(first.geobox),
            **_cube_properties(rasters),
            "swath:saturated_pixels": saturated,
            **_shared_properties(rasters),
        },
        lineage=lineage,
        extensions=("proj", "cube"),
    )


def in_order(rasters: Sequence[Raster]) -> list[Raster]:
    """Give the rasters by their time, and check that they are of one grid."""
    if not rasters:
        raise ValueError("zarr: there are no rasters to write")
    first = rasters[0]
    for each in rasters:
        if each.geobox != first.geobox:
            raise ValueError(f"zarr: {each.id} and {first.id} are on different grids")
        if [layer.quantity for layer in each.layers] != [layer.quantity for layer in first.layers]:
            raise ValueError(f"zarr: {each.id} and {first.id} have different layers")
    return sorted(rasters, key=lambda each: each.start)


def common_name(ids: Sequence[str]) -> str:
    """Give what ids have in common, without a cut word at its end.

    Examples
    --------
    >>> common_name(["ndvi-t1-202001", "ndvi-t1-202002"])
    'ndvi-t1'
    """
    if len(ids) == 1:
        return ids[0]
    low, high = min(ids), max(ids)
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    cut = max(low.rfind("-", 0, same), low.rfind("_", 0, same))
    return low[:cut] if cut > 0 else ids[0]


def _values(layer: Any) -> Any:
    from swath.products.cog import pack, unpack

    return unpack(pack(layer.array, layer.quantity)[0], layer.quantity)


def stack(rasters: Sequence[Raster]) -> tuple[xr.Dataset, int]:
    """Stack the stored numbers, with what CF needs to read them."""
    import odc.geo.xr  # noqa: F401 - gives datasets their .odc accessor
    import xarray as xr
    from odc.geo.xr import xr_coords

    from swath.products.cog import pack

    first = rasters[0]
    saturated = 0
    variables = {}
    rows, columns = first.geobox.dimensions
    coords = xr_coords(first.geobox)
    starts = np.array([each.start.replace(tzinfo=None) for each in rasters], "datetime64[s]")
    ends = np.array([each.end.replace(tzinfo=None) for each in rasters], "datetime64[s]")
    for at, layer in enumerate(first.layers):
        quantity = layer.quantity
        stack = np.empty((len(rasters), *first.geobox.shape), quantity.dtype)
        for time, raster in enumerate(rasters):
            stack[time], clipped = pack(raster.layers[at].array, quantity)
            saturated += clipped + raster.layers[at].saturated
        attrs: dict[str, Any] = {
            "long_name": quantity.description,
            "units": quantity.unit,
            "grid_mapping": "spatial_ref",
        }
        if not quantity.is_float:
            attrs |= {"scale_factor": quantity.scale, "add_offset": quantity.offset}
        variable = xr.Variable(("time", rows, columns), stack, attrs)
        variable.encoding = {
            "_FillValue": np.dtype(quantity.dtype).type(quantity.nodata),
            **chunks_of(stack.shape),
        }
        variables[layer.name] = variable
    time_encoding = {"units": "seconds since 1970-01-01", "calendar": "standard", "dtype": "int64"}
    variables["time_bnds"] = xr.Variable(("time", "bnds"), np.stack([starts, ends], axis=1))
    dataset = xr.Dataset(variables, coords={**coords, "time": ("time", starts, {"bounds": "time_bnds"})})
    dataset["time"].encoding = dict(time_encoding)
    dataset.attrs = {"Conventions": "CF-1.11", "title": first.title or common_name([e.id for e in rasters])}
    return dataset, saturated


def chunks_of(shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Choose chunks, and shards for what would need more than one of them.

    Smaller stores stay without, so that readers that know no shards (GDAL before 3.13) read these.

    Examples
    --------
    >>> chunks_of((12, 1000, 2000))
    {'chunks': (12, 256, 256)}
    >>> chunks_of((12, 1000, 3000))
    {'chunks': (12, 256, 256), 'shards': (12, 1024, 2048)}
    """
    times, height, width = (min(pair) for pair in zip(shape, (_TIMES, _SIDE, _SIDE), strict=True))
    if max(shape[1:]) <= _IN_SHARD * _SIDE:
        return {"chunks": (times, height, width)}
    tall, wide = (
        min(_IN_SHARD, -(-whole // side)) * side
        for whole, side in zip(shape[1:], (height, width), strict=True)
    )
    return {"chunks": (times, height, width), "shards": (times, tall, wide)}


def _write_store(store: Path, dataset: xr.Dataset) -> None:
    with writing(store) as part, one_by_one(dataset):
        shutil.rmtree(part, ignore_errors=True)
        dataset.to_zarr(part, mode="w", zarr_format=3, consolidated=False)
        root = part / "zarr.json"
        arrays = {each.parent.name: each.read_bytes() for each in part.glob("*/zarr.json")}
        root.write_bytes(consolidated(root.read_bytes(), arrays))
        shutil.rmtree(store, ignore_errors=True)


def one_by_one(dataset: xr.Dataset) -> AbstractContextManager[Any]:
    """Write shards one at a time: each is put together in memory, and that also costs less than many."""
    import zarr

    sharded = any(each.encoding.get("shards") for each in dataset.variables.values())
    return zarr.config.set({"async.concurrency": 1}) if sharded else contextlib.nullcontext()


def consolidated(group: bytes, arrays: Mapping[str, bytes]) -> bytes:
    """Repeat the metadata of all arrays in the group's own, so that opening it takes one request.

    As zarr does it, but without its warning that other readers may pass over this: they may.
    """
    tree = json.loads(group)
    tree["consolidated_metadata"] = {
        "kind": "inline",
        "must_understand": False,
        "metadata": {name: json.loads(arrays[name]) for name in sorted(arrays)},
    }
    return json.dumps(tree, indent=1, sort_keys=True).encode()


def _shared_properties(rasters: Sequence[Raster]) -> dict[str, Any]:
    """Keep what all periods have in common: one share of clear pixels says nothing of all of them."""
    return {
        key: value
        for key, value in rasters[0].properties.items()
        if all(each.properties.get(key) == value for each in rasters)
    }


def store_asset(name: str, rasters: Sequence[Raster]) -> dict[str, Any]:
    """Describe a store that lies beside its item."""
    from swath.products.item import MEDIA_TYPES, band_of

    return {
        "href": f"./{name}",
        "type": MEDIA_TYPES["zarr"],
        "roles": ["data"],
        "title": "Zarr store",
        "bands": [{**band_of(each.quantity, None), "name": each.name} for each in rasters[0].layers],
    }


def _cube_properties(rasters: Sequence[Raster]) -> dict[str, Any]:
    """Describe the axes and variables as the datacube extension does."""
    from swath.products.footprint import crs_of

    first = rasters[0]
    box = first.geobox.boundingbox
    crs = crs_of(first.geobox)
    system = crs.to_epsg() or crs.to_wkt()
    rows, columns = first.geobox.dimensions
    values = [format_instant(each.start) for each in rasters]
    spaces = {
        axis: {
            "type": "spatial",
            "axis": short,
            "extent": [float(low), float(high)],
            "reference_system": system,
        }
        for axis, short, low, high in (
            (rows, "y", box.bottom, box.top),
            (columns, "x", box.left, box.right),
        )
    }
    return {
        "cube:dimensions": {
            "time": {"type": "temporal", "extent": [values[0], values[-1]], "values": values},
            **spaces,
        },
        "cube:variables": {
            layer.name: {
                "type": "data",
                "dimensions": ["time", rows, columns],
                "description": layer.quantity.description or layer.name,
                "unit": layer.quantity.unit,
            }
            for layer in first.layers
        },
    }
