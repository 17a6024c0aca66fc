"""The STAC item of a product: what every kind of product says of itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from swath.model import InputError, format_instant
from swath.products.footprint import crs_of
from swath.storage.checksum import bytes_checksum

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from odc.geo.geobox import GeoBox

    from swath.products.cog import Statistics
    from swath.products.lineage import Lineage
    from swath.products.quantity import Quantity

_SCHEMAS = "https://stac-extensions.github.io"
EXTENSIONS = {
    "proj": f"{_SCHEMAS}/projection/v2.0.0/schema.json",
    "raster": f"{_SCHEMAS}/raster/v2.0.0/schema.json",
    "processing": f"{_SCHEMAS}/processing/v1.2.0/schema.json",
    "file": f"{_SCHEMAS}/file/v2.1.0/schema.json",
    "cube": f"{_SCHEMAS}/datacube/v2.2.0/schema.json",
    "table": f"{_SCHEMAS}/table/v1.2.0/schema.json",
}
"""Schemas of the extensions that products use, by the prefix of their fields."""

MEDIA_TYPES = {
    "cog": "image/tiff; application=geotiff; profile=cloud-optimized",
    "png": "image/png",
    "zarr": "application/vnd.zarr; version=3",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
"""Media types of the assets that products have."""


def make_item(
    name: str,
    *,
    interval: tuple[dt.datetime, dt.datetime],
    where: tuple[Mapping[str, Any], list[float]] | None,
    assets: Mapping[str, Any],
    properties: Mapping[str, Any],
    lineage: Lineage,
    extensions: Iterable[str],
) -> dict[str, Any]:
    """Put an item together.

    Parameters
    ----------
    name : str
        Id of the item.
    interval : pair of aware datetime
        What the product stands for; its start is the item's ``datetime``.
    where : pair of GeoJSON geometry and bbox, or None
        In WGS 84, degrees; None where the product is nowhere, as an empty table is.
    assets, properties : mapping
        As STAC writes them.
    lineage : Lineage
        Gives the processing fields and the links.
    extensions : iterable of str
        Keys of ``EXTENSIONS`` besides ``processing`` and ``file``.
    """
    start, end = interval
    if end < start:
        raise InputError(f"product {name}: its end {end} is before its start {start}")
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": sorted(EXTENSIONS[each] for each in {"processing", "file", *extensions}),
        "id": name,
        "geometry": None,
        "properties": {
            "datetime": format_instant(start),
            "start_datetime": format_instant(start),
            "end_datetime": format_instant(end),
            **lineage.properties(),
            **properties,
        },
        "links": lineage.links(),
        "assets": dict(assets),
    }
    if where is not None:
        item["geometry"], item["bbox"] = where
    if lineage.collection:
        item["collection"] = lineage.collection
    return item


def asset(name: str, media: str, roles: list[str], data: bytes, **fields: Any) -> dict[str, Any]:
    """Describe a file that lies beside the item: its address, type, role, checksum and size."""
    return {
        "href": f"./{name}",
        "type": MEDIA_TYPES[media],
        "roles": roles,
        "file:checksum": bytes_checksum(data),
        "file:size": len(data),
        **fields,
    }


def band_of(quantity: Quantity, statistics: Statistics | None) -> dict[str, Any]:
    """Describe a layer as STAC 1.1's ``bands`` do, with scale and offset of the raster extension."""
    band: dict[str, Any] = {
        "name": quantity.name,
        "description": quantity.description,
        "data_type": quantity.dtype,
        "nodata": "nan" if math.isnan(quantity.nodata) else int(quantity.nodata),
        "unit": quantity.unit,
    }
    if not quantity.is_float:
        band |= {"raster:scale": quantity.scale, "raster:offset": quantity.offset}
    if statistics is not None:
        band["statistics"] = {
            "minimum": statistics.minimum,
            "maximum": statistics.maximum,
            "mean": statistics.mean,
            "stddev": statistics.stddev,
            "valid_percent": statistics.valid_percent,
        }
    return band


def grid_properties(geobox: GeoBox) -> dict[str, Any]:
    """Describe a grid as the projection extension does."""
    box = geobox.boundingbox
    code = crs_of(geobox).to_epsg()
    transform = [float(each) for each in tuple(geobox.transform)[:6]]
    properties: dict[str, Any] = {
        "proj:code": f"EPSG:{code}" if code else None,
        "proj:shape": [int(each) for each in geobox.shape],
        "proj:transform": transform,
        "proj:bbox": [float(each) for each in (box.left, box.bottom, box.right, box.top)],
    }
    if not code:
        properties["proj:wkt2"] = crs_of(geobox).to_wkt()
    return properties
