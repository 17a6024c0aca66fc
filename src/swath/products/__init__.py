"""What a unit of work leaves: files, STAC items, provenance, and how to cite them."""

from swath.products.cite import cite
from swath.products.crate import write_crate
from swath.products.lineage import Lineage
from swath.products.mosaic import merge_cog, write_mosaic
from swath.products.quantity import Quantity, quantity_of
from swath.products.raster import Layer, Raster, write_raster
from swath.products.store import write_zarr
from swath.products.table import write_table
from swath.storage.checksum import file_checksum, folder_checksum

__all__ = [
    "Layer",
    "Lineage",
    "Quantity",
    "Raster",
    "cite",
    "file_checksum",
    "folder_checksum",
    "merge_cog",
    "quantity_of",
    "write_crate",
    "write_mosaic",
    "write_raster",
    "write_table",
    "write_zarr",
]
