"""Chunks packed by hand and by other libraries."""

from __future__ import annotations

import numcodecs
import numpy as np
import pytest

from swath.cube.tiff import CorruptError
from swath.cube.zarrs.codecs import Packing

NUMBERS = np.arange(60, dtype="<i2").reshape(3, 4, 5)


def test_a_frame_of_zstd_that_does_not_say_its_length():
    """As writers of streams make it: magic, no length, a window of 1 MB, and one last block as it is."""
    content = NUMBERS.tobytes()
    frame = bytes.fromhex("28b52ffd 00 50") + (len(content) << 3 | 1).to_bytes(3, "little") + content
    np.testing.assert_array_equal(Packing(np.dtype("<i2"), None, ("zstd",)).unpack(frame, (3, 4, 5)), NUMBERS)


@pytest.mark.parametrize("name", ["zstd", "gzip", "zlib", "blosc", "lz4", "bz2"])
def test_more_or_fewer_bytes_than_said_are_refused(name):
    packed = numcodecs.get_codec({"id": name}).encode(NUMBERS)
    packing = Packing(np.dtype("<i2"), None, (name,))
    np.testing.assert_array_equal(packing.unpack(packed, (3, 4, 5)), NUMBERS)
    for shape in ((3, 4, 4), (3, 4, 6)):
        with pytest.raises(CorruptError, match=r"unpacked|bytes of|length|cut short"):
            packing.unpack(packed, shape)
    for harmed in (b"", packed[:-3], b"\xff" * 40):
        with pytest.raises(CorruptError, match=r"unpacked|bytes of|length|cut short"):
            packing.unpack(harmed, (3, 4, 5))


def test_axes_are_turned_back():
    stored = np.ascontiguousarray(NUMBERS.transpose(2, 0, 1))
    np.testing.assert_array_equal(
        Packing(np.dtype("<i2"), (2, 0, 1), ()).unpack(stored.tobytes(), (3, 4, 5)), NUMBERS
    )
