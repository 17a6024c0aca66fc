"""Our own reader of Zarr stores, also in shards: metadata is kept, chunks are decoded on threads.

It reads what Earth observation stores hold; `Unsupported` says what it does not, and GDAL then reads that.
"""

from swath.cube.zarrs.file import ZarrFile, open_zarr
from swath.cube.zarrs.store import ZarrPlace, parse_place

__all__ = ["ZarrFile", "ZarrPlace", "open_zarr", "parse_place"]
