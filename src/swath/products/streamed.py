"""A Zarr store written straight into a store, chunk by chunk; it is one only when it is whole."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from swath.products.store import (
    consolidated,
    in_order,
    one_by_one,
    picture_of,
    stack,
    store_asset,
    store_item,
)
from swath.storage import file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from swath.products.lineage import Lineage
    from swath.products.place import Place
    from swath.products.raster import Raster


def stream_zarr(place: Place, rasters: Sequence[Raster], lineage: Lineage, *, id: str) -> dict[str, Any]:
    """Write rasters as `write_zarr` does, but into a store; the item is given, and not written.

    The group's ``zarr.json`` is written last of all: what was broken off before is no Zarr store for anybody.

    Parameters
    ----------
    place : Place
        Where it goes, as ``<id>-<beginning of a checksum of the numbers>.zarr``.
    rasters, lineage
        As `write_zarr` has them.
    id : str
        Id of the item.

    Returns
    -------
    dict
        The item; its asset has the same bytes and checksum as that of `write_zarr`.
    """
    from swath.products.item import asset
    from swath.products.place import stamped

    rasters = in_order(rasters)
    stem = file_name(id)
    dataset, saturated = stack(rasters)
    name = stamped(f"{stem}.zarr", "1220" + _digest(dataset))
    checksum, size = _write(place, name, dataset)
    picture = picture_of(rasters)
    thumbnail = asset(f"{stem}.png", "png", ["thumbnail"], picture, title="Thumbnail")
    drawn = stamped(f"{stem}.png", thumbnail["file:checksum"])
    place.store.put(place.key(drawn), picture)
    data = {**store_asset(name, rasters), "file:size": size, "swath:checksum": checksum}
    assets = {
        "data": data | {"href": place.href(name)},
        "thumbnail": thumbnail | {"href": place.href(drawn)},
    }
    return store_item(id, rasters, lineage, assets, saturated)


def _digest(dataset: xr.Dataset) -> str:
    """Give what tells the numbers of a dataset from others."""
    whole = hashlib.sha256()
    for name, each in sorted(dataset.variables.items(), key=lambda pair: str(pair[0])):
        whole.update(f"{name} {each.dtype} {each.shape} {sorted(each.attrs.items())}".encode())
        whole.update(
            each.values.tobytes() if each.values.dtype.kind == "M" else memoryview(each.values).cast("B")
        )
    return whole.hexdigest()


def _write(place: Place, name: str, dataset: xr.Dataset) -> tuple[str, int]:
    """Write a dataset; gives what `folder_checksum` would of the same files."""
    from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
    from zarr.storage import FsspecStore

    from swath.products._withheld import WithheldStore
    from swath.storage.filesystem import filesystem

    files = AsyncFileSystemWrapper(filesystem(f"{place.address}/{name}"), asynchronous=True)
    withheld = WithheldStore(FsspecStore(files, path=""))
    with one_by_one(dataset):
        dataset.to_zarr(withheld, mode="w-", zarr_format=3, consolidated=False)
    root = consolidated(withheld.said.root, withheld.said.arrays)
    place.store.put(place.key(f"{name}/zarr.json"), root)
    digests = {**withheld.said.digests, "zarr.json": hashlib.sha256(root).hexdigest()}
    lines = "".join(f"{digests[key]}  {key}\n" for key in sorted(digests))
    size = len(root) + sum(withheld.said.sizes.values())
    return "1220" + hashlib.sha256(lines.encode()).hexdigest(), size
