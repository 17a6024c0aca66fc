"""Writes a cube from a notebook as products, and enters them into the catalog."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.catalog.hrefs import absolute_href
from swath.model import UTC, InputError
from swath.products.lineage import Lineage
from swath.products.quantity import quantity_of
from swath.products.raster import Layer, Raster, write_raster
from swath.products.store import write_zarr

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr


def save_cube(
    array: xr.Dataset | xr.DataArray,
    folder: Path,
    *,
    name: str,
    collection: str | None,
    form: str,
    catalog_path: str,
) -> list[dict[str, Any]]:
    """Write a cube as products; see `swath.save`.

    Parameters
    ----------
    array, folder, name, collection
        As `swath.save` has them.
    form : {"cog", "zarr"}
        File format.
    catalog_path : str
        The catalog that the collection is in; made when it does not exist.
    """
    if form not in ("cog", "zarr"):
        raise InputError(f"format: {form!r} is not known", known=("cog", "zarr"))
    rasters = _rasters(array, name)
    lineage = Lineage(
        process="save", version="1.0.0", collection=collection or "", collection_href="./collection.json"
    )
    written = [write_zarr(folder, rasters, lineage)] if form == "zarr" else []
    items = written or [write_raster(folder, each, lineage) for each in rasters]
    for item in items:
        own = str((folder / f"{item['id']}.json").absolute())
        for each in item["assets"].values():
            each["href"] = absolute_href(each["href"], own)
        item["links"] = [{"rel": "self", "href": own, "type": "application/geo+json"}]
    if collection:
        from swath.catalog import open_catalog

        with open_catalog(catalog_path, create=True) as catalog:
            catalog.upsert_items(items)
    return items


def _rasters(array: Any, name: str) -> list[Raster]:
    dataset = array.to_dataset(name=array.name or "value") if hasattr(array, "to_dataset") else array
    geobox = dataset.odc.geobox
    if geobox is None or geobox.crs is None:
        raise InputError(
            "save: the cube has no CRS", fix="load it with swath.load, or add one by odc.geo's assign_crs"
        )
    names = [
        each
        for each in dataset.data_vars
        if each != "valid" and set(dataset[each].dims) >= set(geobox.dimensions)
    ]
    times = np.atleast_1d(dataset["time"].values) if "time" in dataset.coords else [None]
    rasters = []
    for at, time in enumerate(times):
        image = dataset.isel(time=at) if "time" in dataset.dims else dataset
        instant = _instant(time)
        layers = tuple(Layer(str(each), image[each].values, quantity_of(str(each))) for each in names)
        stamp = f"_{instant:%Y%m%dT%H%M%S}" if len(times) > 1 else ""
        rasters.append(Raster(f"{name}{stamp}", instant, instant, layers, geobox))
    return rasters


def _instant(time: Any) -> dt.datetime:
    if time is None:
        return dt.datetime(1970, 1, 1, tzinfo=UTC)
    return dt.datetime.fromtimestamp(float(np.datetime64(time, "us").astype(np.int64)) / 1e6, UTC)
