"""Metadata of Zarr arrays, as it should be and as it should not."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from swath.cube.tiff import MalformedError, Unsupported
from swath.cube.zarrs.header import parse_array

V3 = {
    "zarr_format": 3, "node_type": "array", "shape": [2, 6, 8], "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 4, 4]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": "NaN", "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
    "attributes": {}, "dimension_names": ["time", "y", "x"],
}  # fmt: skip
V2 = {
    "zarr_format": 2, "shape": [2, 6, 8], "chunks": [1, 4, 4], "dtype": ">i2", "compressor": None,
    "fill_value": 7, "order": "C", "filters": None, "attributes": {},
}  # fmt: skip
TURNED = {"name": "transpose", "configuration": {"order": [0, 0, 1]}}
SHARDS = [{
    "name": "sharding_indexed",
    "configuration": {
        "chunk_shape": [1, 2, 2], "codecs": V3["codecs"], "index_location": "end",
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
    },
}]  # fmt: skip


def changed(node, path, value):
    made = copy.deepcopy(node)
    at = made
    *way, last = path.split("/")
    for each in way:
        at = at[int(each) if isinstance(at, list) else each]
    at[int(last) if isinstance(at, list) else last] = value
    return made


def test_both_versions_say_the_same():
    three, two = parse_array(changed(V3, "data_type", "int16") | {"fill_value": 7}), parse_array(V2)
    assert three.shape == two.shape == (2, 6, 8)
    assert three.chunk == two.chunk == (1, 4, 4)
    assert three.dtype == two.dtype == np.int16
    assert (three.fill, two.fill, three.nodata, two.nodata) == (7, 7, 7.0, 7.0)
    assert (three.key((1, 0, 1)), two.key((1, 0, 1))) == ("c/1/0/1", "1.0.1")
    assert (two.packing.dtype.byteorder, two.dims) == (">", (None, None, None))


def test_shards_are_files_of_many_chunks():
    array = parse_array(changed(V3, "codecs", SHARDS))
    assert (array.file, array.chunk, array.per_file) == ((1, 4, 4), (1, 2, 2), (1, 2, 2))
    assert (array.sharded, array.index_checked, array.index_first) == (True, True, False)


@pytest.mark.parametrize(
    ("said", "fill", "nodata"),
    [
        ({"fill_value": "NaN"}, math.nan, math.nan),
        ({"fill_value": "-Infinity"}, -math.inf, -math.inf),
        ({"fill_value": "0x7fc00000"}, math.nan, math.nan),
        ({"fill_value": "0x3f800000"}, 1.0, 1.0),
        ({"fill_value": 0, "attributes": {"_FillValue": -9999.0}}, 0.0, -9999.0),
        ({"fill_value": 0, "attributes": {"_FillValue": [5]}}, 0.0, 5.0),
        ({"fill_value": 0, "attributes": {"_FillValue": "AAAAAAAA+H8="}}, 0.0, math.nan),
        ({"fill_value": 0, "attributes": {"_FillValue": "NaN"}}, 0.0, math.nan),
        ({"fill_value": 0, "attributes": {"missing_value": 3}}, 0.0, 3.0),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_many_ways(said, fill, nodata):
    array = parse_array(V3 | said)
    np.testing.assert_equal((float(array.fill), array.nodata), (fill, nodata))


def test_version_2_without_fill_value_has_no_nodata():
    array = parse_array(V2 | {"fill_value": None})
    assert (array.fill, array.nodata) == (0, None)


@pytest.mark.parametrize(
    ("node", "path", "value", "told"),
    [
        (V3, "data_type", "complex64", "complex64"),
        (V3, "data_type", {"name": "struct"}, "struct"),
        (V3, "data_type", "bool", "bool"),
        (V3, "chunk_grid/name", "rectilinear", "chunk grid"),
        (V3, "storage_transformers", [{"name": "x"}], "transformers"),
        (V3, "news", {"name": "x"}, "news"),
        (V3, "codecs", [*V3["codecs"], {"name": "pcodec"}], "pcodec"),
        (V3, "codecs", [{"name": "cast_value"}, *V3["codecs"]], "cast_value"),
        (V3, "codecs", [TURNED, *V3["codecs"]], "transpose"),
        (V3, "codecs", [*SHARDS, {"name": "zstd"}], "around shards"),
        (V3, "chunk_key_encoding/name", "suffix", "suffix"),
        (changed(V3, "codecs", SHARDS), "codecs/0/configuration/codecs", SHARDS, "sharding_indexed"),
        (changed(V3, "codecs", SHARDS), "codecs/0/configuration/index_codecs", [{"name": "zstd"}], "zstd"),
        (changed(V3, "codecs", SHARDS), "codecs/0/configuration/index_location", "middle", "middle"),
        (V3, "chunk_grid/configuration/chunk_shape", [1, 40000, 40000], "bytes"),
        (V2, "dtype", "<c8", "c8"),
        (V2, "dtype", [["a", "<i2"]], "<i2"),
        (V2, "filters", [{"id": "delta"}], "delta"),
        (V2, "compressor", {"id": "lzma"}, "lzma"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_left_to_gdal(node, path, value, told):
    with pytest.raises(Unsupported, match=told):
        parse_array(changed(node, path, value))


def test_what_need_not_be_understood_is_passed_over():
    assert parse_array(V3 | {"news": {"must_understand": False}}).shape == (2, 6, 8)


@pytest.mark.parametrize(
    ("node", "path", "value"),
    [
        (V3, "shape", [2, 6]), (V3, "shape", [2, -6, 8]), (V3, "shape", None), (V3, "shape", "abc"),
        (V3, "codecs", []), (V3, "codecs", None), (V3, "fill_value", "abc"), (V3, "fill_value", [1]),
        (V3, "chunk_grid", {}), (V3, "chunk_grid/configuration/chunk_shape", [1, 0, 4]),
        (V3, "attributes", {"_FillValue": "abc"}), (V3, "dimension_names", ["y", "x"]),
        (changed(V3, "codecs", SHARDS), "codecs/0/configuration/chunk_shape", [1, 3, 2]),
        (changed(V3, "codecs", SHARDS), "codecs/0/configuration/chunk_shape", [2, 2]),
        (V2, "chunks", [1, 4]), (V2, "fill_value", 10**9), (V2, "attributes", ["a"]),
    ],
)  # fmt: skip
def test_nonsense_is_refused(node, path, value):
    with pytest.raises((MalformedError, Unsupported)):
        parse_array(changed(node, path, value))
