"""Our own reader of TIFF files: headers are kept, blocks fetched together and decoded on threads.

It reads what Earth observation archives hold; `Unsupported` says what it does not, and GDAL then reads that.
"""

from swath.cube.tiff.file import Part, TiffFile, open_tiff, read_together
from swath.cube.tiff.header import CorruptError, MalformedError, Unsupported
from swath.cube.tiff.origin import ServerError, is_known_address

__all__ = [
    "CorruptError",
    "MalformedError",
    "Part",
    "ServerError",
    "TiffFile",
    "Unsupported",
    "is_known_address",
    "open_tiff",
    "read_together",
]
