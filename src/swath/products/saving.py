"""Writes a cube from a notebook as products, and enters them into the catalog."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.catalog.hrefs import absolute_href, collection_link
from swath.model import UTC, InputError
from swath.products.deposit import deposit_raster
from swath.products.lineage import Lineage
from swath.products.place import add_storage, find_place, is_address, item_name, put_item, refuse_present
from swath.products.quantity import quantity_of
from swath.products.raster import Layer, Raster, write_raster
from swath.products.store import common_name, write_zarr
from swath.products.streamed import stream_zarr

if TYPE_CHECKING:
    import xarray as xr

    from swath.products.place import Place


FORMS = ("cog", "zarr", "icechunk")


def save_cube(
    array: xr.Dataset | xr.DataArray,
    folder: str | Path,
    *,
    name: str,
    collection: str | None,
    form: str,
    catalog_path: str,
    overwrite: bool = True,
    message: str = "",
) -> list[dict[str, Any]]:
    """Write a cube as products; see `swath.save`.

    Parameters
    ----------
    array, folder, name, collection, overwrite, message
        As `swath.save` has them.
    form : {"cog", "zarr", "icechunk"}
        File format.
    catalog_path : str
        The catalog that the collection is in; made when it does not exist.
    """
    if form not in FORMS:
        raise InputError(f"format: {form!r} is not known", known=FORMS)
    if message and form != "icechunk":
        raise InputError(f"message: {form!r} has no versions to say it of", fix='use format="icechunk"')
    lineage = Lineage(
        process="save", version="1.0.0", collection=collection or "", collection_href="./collection.json"
    )
    if form == "icechunk":
        if not isinstance(folder, str) or not is_address(folder):
            folder = Path(folder).expanduser().absolute()
        place = find_place(str(folder))
        items = _save_version(place, _rasters(array, name), lineage, name, message, overwrite=overwrite)
    elif isinstance(folder, str) and is_address(folder):
        place = find_place(folder)
        items = _save_in(place, _rasters(array, name), lineage, form, overwrite=overwrite)
    else:
        folder = Path(str(folder).removeprefix("file://")).expanduser()
        items = _save_here(folder, _rasters(array, name), lineage, form, overwrite=overwrite)
    if collection:
        from swath.catalog import open_catalog

        with open_catalog(catalog_path, create=True) as catalog:
            report = catalog.upsert_items(items)
        if report.rejected:
            first = report.rejected[0]
            raise InputError(
                f"save: the catalog refuses the item {first.id!r}: {first.reason}",
                fix="its files are all there",
            )
    return items


def _save_here(
    folder: Path, rasters: list[Raster], lineage: Lineage, form: str, *, overwrite: bool
) -> list[dict[str, Any]]:
    if not overwrite:
        refuse_present(find_place(str(folder.absolute())), _ids(rasters, form))
    if form == "zarr":
        items = [write_zarr(folder, rasters, lineage)]
    else:
        items = [write_raster(folder, each, lineage) for each in rasters]
    for item in items:
        own = str((folder / item_name(item["id"])).absolute())
        for each in item["assets"].values():
            each["href"] = absolute_href(each["href"], own)
        item["links"] = [{"rel": "self", "href": own, "type": "application/geo+json"}]
    return items


def _save_in(
    place: Place, rasters: list[Raster], lineage: Lineage, form: str, *, overwrite: bool
) -> list[dict[str, Any]]:
    """Write products into a store: of each the files first, and then its item."""
    ids = _ids(rasters, form)
    if not overwrite:
        refuse_present(place, ids)
    if form == "zarr":
        return [_entered(place, stream_zarr(place, rasters, lineage, id=ids[0]), overwrite=overwrite)]
    return [_entered(place, deposit_raster(place, each, lineage), overwrite=overwrite) for each in rasters]


def _ids(rasters: list[Raster], form: str) -> list[str]:
    ids = [each.id for each in rasters]
    return [common_name(ids)] if form == "zarr" else ids


def _save_version(
    place: Place, rasters: list[Raster], lineage: Lineage, name: str, message: str, *, overwrite: bool
) -> list[dict[str, Any]]:
    from swath.products.versioned import save_version

    item = save_version(place, rasters, lineage, id=name, message=message, overwrite=overwrite)
    return [_entered(place, item, overwrite=True)]


def _entered(place: Place, item: dict[str, Any], *, overwrite: bool) -> dict[str, Any]:
    """Write the item of files that are all there."""
    own = place.href(item_name(item["id"]))
    item["links"] = [{"rel": "self", "href": own, "type": "application/geo+json"}]
    if "collection" in item:
        item["links"].append(collection_link({}, item["collection"], own))
    add_storage(item, place.store)
    put_item(place, item, overwrite=overwrite)
    return item


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
