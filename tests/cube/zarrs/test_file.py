"""Images of Zarr stores beside GDAL, zarr and xarray; and what is said of stores that are damaged."""

from __future__ import annotations

import itertools
import shutil

import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr
from odc.geo.geobox import GeoBox
from scenes import CORNER, CRS, grid
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr_stores import consolidate, noise, write_store, zarr_item

import swath
from swath.cube import plan_cube
from swath.cube.placing import RESAMPLING
from swath.cube.reader import open_raster
from swath.cube.tiff import CorruptError, Unsupported
from swath.cube.zarrs import boxes, open_zarr
from swath.cube.zarrs import file as file_module
from swath.model import MissingAssetError, UnreadableAssetError

SHAPE = (3, 50, 70)


def href(path, name="red", step=0):
    return f'ZARR:"{path}":/{name}:{step}'


def whole(path, name="red", *, steps=SHAPE[0], threads=1):
    """Read all images by our own reader."""
    found = []
    for step in range(steps):
        file = open_zarr(href(path, name, step))
        found.append(file.read([0], (0, file.height, 0, file.width), threads=threads)[0])
    return np.stack(found)


def gdal(path, name="red"):
    found = []
    for step in range(SHAPE[0]):
        with rasterio.open(href(path, name, step)) as file:
            found.append(file.read(1))
            assert file.crs.to_epsg() == 32635
            assert file.transform.almost_equals(grid())
    return np.stack(found)


V3 = {
    "none": {"compressors": None},
    "zstd": {"compressors": ZstdCodec(level=3)},
    "zstd checked": {"compressors": ZstdCodec(level=1, checksum=True)},
    "gzip": {"compressors": GzipCodec(level=5)},
    "blosc": {"compressors": BloscCodec(cname="lz4", shuffle="shuffle", typesize=2)},
    "blosc bits": {"compressors": BloscCodec(cname="zstd", shuffle="bitshuffle", typesize=2)},
    "crc32c": {"compressors": [ZstdCodec(), Crc32cCodec()]},
    "crc32c first": {"compressors": [Crc32cCodec(), GzipCodec()]},
    "transposed": {"filters": TransposeCodec(order=(0, 2, 1))},
    "turned": {"filters": TransposeCodec(order=(2, 0, 1))},
    "big endian": {"serializer": BytesCodec(endian="big")},
    "other names": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "dots": {"chunk_key_encoding": {"name": "default", "separator": "."}},
    "deep": {"chunks": (2, 16, 32)},
    "one chunk": {"chunks": SHAPE},
    "uneven": {"chunks": (1, 17, 23)},
}


NOT_GDAL = {"crc32c", "crc32c first", "turned"}
"""It knows no crc32c; and 3.12 turns three axes the other way round than zarr, which wrote them."""


@pytest.mark.parametrize("case", V3)
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_version_3_is_read_as_gdal_and_zarr_do(tmp_path, case, dtype):
    numbers = noise(SHAPE, dtype)
    path = write_store(tmp_path / "a.zarr", numbers, **V3[case])
    np.testing.assert_array_equal(whole(path), numbers)
    if case not in NOT_GDAL:
        np.testing.assert_array_equal(gdal(path), numbers)


def v2(name):
    import numcodecs

    return {
        "none": None, "zlib": numcodecs.Zlib(4), "gzip": numcodecs.GZip(5), "zstd": numcodecs.Zstd(3),
        "blosc": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE), "lz4": numcodecs.LZ4(),
        "bz2": numcodecs.BZ2(),
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", ["none", "zlib", "gzip", "zstd", "blosc", "lz4", "bz2"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("separator", [".", "/"])
def test_version_2_is_read_as_gdal_and_zarr_do(tmp_path, name, order, separator):
    numbers = noise(SHAPE, ">i4" if name == "zlib" else "u2")
    path = write_store(
        tmp_path / "a.zarr", numbers, zarr_format=2, compressors=v2(name), order=order,
        chunks=(2, 20, 33), chunk_key_encoding={"name": "v2", "separator": separator},
    )  # fmt: skip
    np.testing.assert_array_equal(whole(path), numbers)
    if name not in ("bz2", "lz4"):  # which rasterio's GDAL lacks
        np.testing.assert_array_equal(gdal(path), numbers)
    consolidate(path, zarr_format=2)
    np.testing.assert_array_equal(whole(path), numbers)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_all_types_are_read_as_gdal_does(tmp_path, dtype):
    numbers = noise(SHAPE, dtype)
    path = write_store(tmp_path / "a.zarr", numbers)
    found = whole(path)
    assert found.dtype == numbers.dtype
    np.testing.assert_array_equal(found, numbers)
    with rasterio.open(href(path)) as file, open_raster(href(path)) as ours:
        assert file.dtypes[0] == ours.dtype_of(1).name
        assert file.nodata == ours.nodata_of(1)


SHARDS = {
    "flat": {"chunks": (1, 8, 16), "shards": (1, 32, 32)},
    "deep shards": {"chunks": (1, 16, 16), "shards": (3, 64, 80)},
    "deep chunks": {"chunks": (3, 8, 8), "shards": (3, 24, 40)},
    "one chunk each": {"chunks": (1, 25, 35), "shards": (1, 25, 35)},
    "blosc": {
        "chunks": (1, 8, 16), "shards": (1, 32, 32),
        "compressors": BloscCodec(cname="zstd", shuffle="shuffle", typesize=2),
    },
    "raw": {"chunks": (1, 8, 16), "shards": (1, 32, 32), "compressors": None},
    "transposed": {
        "chunks": (2, 8, 16), "shards": (2, 32, 32), "filters": TransposeCodec(order=(1, 2, 0)),
    },
    "index first": {
        "chunks": (1, 32, 32),
        "serializer": ShardingCodec(chunk_shape=(1, 8, 16), index_location="start"), "compressors": None,
    },
    "index unchecked": {
        "chunks": (1, 32, 32),
        "serializer": ShardingCodec(chunk_shape=(1, 8, 16), index_codecs=[BytesCodec()]), "compressors": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("case", SHARDS)
@pytest.mark.parametrize("dtype", ["i2", "f8"])
@pytest.mark.parametrize("threads", [1, 3])
def test_shards_are_read_as_zarr_does(tmp_path, case, dtype, threads, monkeypatch):
    monkeypatch.setattr(boxes, "_IN_FLIGHT", 600)  # several tasks for each shard
    numbers = noise(SHAPE, dtype)
    path = write_store(tmp_path / "a.zarr", numbers, **SHARDS[case])
    np.testing.assert_array_equal(whole(path, threads=threads), numbers)
    rng = np.random.default_rng(7)
    file = open_zarr(href(path, step=1))
    for _ in range(20):
        top, bottom = sorted(rng.choice(SHAPE[1] + 1, 2, replace=False).tolist())
        left, right = sorted(rng.choice(SHAPE[2] + 1, 2, replace=False).tolist())
        np.testing.assert_array_equal(
            file.read([0], (top, bottom, left, right), threads=threads)[0], numbers[1, top:bottom, left:right]
        )
    inner = SHARDS[case]["chunks"] if "serializer" not in SHARDS[case] else (1, 8, 16)
    assert (file.image.block_height, file.image.block_width) == inner[-2:]


@pytest.mark.parametrize(("zarr_format", "sharded"), [(2, False), (3, False), (3, True)])
def test_what_xarray_writes_is_read_with_its_gaps(tmp_path, sharded, zarr_format):
    """Floats as scaled integers, NaN as ``_FillValue``; chunks that are all fill value are left out."""
    values = noise(SHAPE, "f4") / 10
    values[:, 10:40, 20:60] = np.nan
    box = GeoBox(SHAPE[1:], grid(), CRS)
    from odc.geo.xr import xr_coords

    dataset = xr.Dataset({"red": (("time", "y", "x"), values)}, coords=xr_coords(box))
    dataset.red.attrs["grid_mapping"] = "spatial_ref"
    dataset.red.encoding = {"dtype": "i2", "scale_factor": 0.1, "_FillValue": -32768, "chunks": (1, 10, 20)}
    if sharded:
        dataset.red.encoding["shards"] = (1, 30, 40)
    path = tmp_path / "a.zarr"
    dataset.to_zarr(path, zarr_format=zarr_format, consolidated=zarr_format == 2)
    item = zarr_item(path, values, **{"raster:scale": 0.1, "raster:offset": 0})
    found = swath.load([item], "red", chunks=None)
    np.testing.assert_allclose(found.red.values, values, rtol=0, atol=1e-5)
    assert found.valid.values.sum() == np.isfinite(values).sum()
    with open_raster(href(path)) as file:
        assert not file.by_gdal
        assert file.nodata_of(1) == -32768


def test_what_gdal_writes_is_read(tmp_path):
    numbers = noise(SHAPE[1:])
    for form in ("ZARR_V2", "ZARR_V3"):
        path = tmp_path / f"{form}.zarr"
        with rasterio.open(
            path, "w", driver="Zarr", height=50, width=70, count=1, dtype="int16", crs=CRS, transform=grid(),
            nodata=-100, format=form,
        ) as file:  # fmt: skip
            file.write(numbers, 1)
        with open_raster(href(path, form)) as file:
            assert not file.by_gdal
            assert (file.crs.to_epsg(), file.nodata_of(1)) == (32635, -100)
            assert file.transform.almost_equals(grid())
            np.testing.assert_array_equal(file.read([1], (0, 50, 0, 70))[0], numbers)


def test_an_array_without_time_and_an_asset_that_is_an_array(tmp_path):
    numbers = noise(SHAPE[1:])
    for zarr_format in (2, 3):
        path = write_store(tmp_path / f"{zarr_format}.zarr", numbers, zarr_format=zarr_format)
        for place in (href(path), href(path / "red", "red"), href(path / "red", ""), href(f"{path}/")):
            file = open_zarr(place)
            np.testing.assert_array_equal(file.read([0], (0, 50, 0, 70))[0], numbers)
        item = zarr_item(path / "red", numbers)
        np.testing.assert_array_equal(swath.load([item], "red", chunks=None).red.values[0], numbers)


def test_arrays_in_groups_find_coordinates_above_them(tmp_path):
    numbers = noise(SHAPE)
    path = write_store(tmp_path / "a.zarr", numbers)
    (path / "r10m").mkdir()
    shutil.move(path / "red", path / "r10m" / "red")
    np.testing.assert_array_equal(whole(path, "r10m/red"), numbers)


def test_metadata_is_kept_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    parsed = []
    monkeypatch.setattr(file_module, "parse_array", lambda node: parsed.append(1) or parse(node))
    from swath.cube.zarrs.header import parse_array as parse

    for consolidated, shape in itertools.product([False, True], [(3, 50, 70), (3, 40, 60)]):
        numbers = noise(shape)
        shutil.rmtree(path, ignore_errors=True)
        write_store(path, numbers)
        if consolidated:
            consolidate(path)
        np.testing.assert_array_equal(whole(path), numbers)
        once = len(parsed)
        np.testing.assert_array_equal(whole(path), numbers)
        assert len(parsed) == once
        group = zarr.open_group(path, mode="r+", use_consolidated=False)
        group["red"][:] = numbers + 1  # chunks are written anew, metadata stays
        np.testing.assert_array_equal(whole(path), numbers + 1)
        if not consolidated:  # metadata of one array is written anew
            attributes = dict(group["red"].attrs)
            del group["red"]
            group.create_array(
                "red", shape=shape, dtype="i2", chunks=(3, 20, 20), shards=(3, 40, 40), attributes=attributes,
                dimension_names=("time", "y", "x"),
            )[:] = numbers + 2  # fmt: skip
            np.testing.assert_array_equal(whole(path), numbers + 2)


def test_chunks_of_many_dates_are_decoded_once(tmp_path, monkeypatch):
    from swath.cube.zarrs.codecs import Packing

    numbers = noise(SHAPE)
    path = write_store(tmp_path / "a.zarr", numbers, chunks=(3, 25, 35))
    decoded = []
    unpack = Packing.unpack
    monkeypatch.setattr(
        Packing, "unpack", lambda self, *given: decoded.append(given[1]) or unpack(self, *given)
    )
    np.testing.assert_array_equal(whole(path, threads=2), numbers)
    assert decoded.count((3, 25, 35)) == 4


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 8, 16), "shards": (1, 32, 32)}])
def test_chunks_that_are_left_out_are_fill_value(tmp_path, options):
    numbers = noise(SHAPE)
    numbers[:, :32, 32:64] = -100
    path = write_store(tmp_path / "a.zarr", numbers, **options)
    assert len(list((path / "red" / "c" / "0").rglob("*"))) < len(list((path / "red" / "c").rglob("*")))
    np.testing.assert_array_equal(whole(path), numbers)
    with open_raster(href(path)) as file:
        place = file.place(
            plan_cube([zarr_item(path, numbers)], ["red"]).groups[0].items[0].bands, file_box()
        )
    assert not place.present(0)[:32, 32:64].any()


def file_box():
    return GeoBox(SHAPE[1:], grid(), CRS)


def cut(path, length):
    content = path.read_bytes()
    path.write_bytes(content[:length])


def flipped(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(bytes(content))


BAD, GONE = UnreadableAssetError, MissingAssetError
PLAIN = {"chunks": (1, 32, 32), "compressors": [ZstdCodec(), Crc32cCodec()]}
RAW, ZSTD = {**PLAIN, "compressors": None}, {**PLAIN, "compressors": ZstdCodec()}
SHARDED = {"chunks": (1, 8, 16), "shards": (1, 32, 32), "compressors": [ZstdCodec(), Crc32cCodec()]}
FIRST = "red/c/0/0/0"


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize(
    ("options", "harm", "kind", "told"),
    [
        (PLAIN, lambda path: cut(path / FIRST, 30), BAD, "checksum is wrong"),
        (PLAIN, lambda path: cut(path / FIRST, 0), BAD, "checksum is wrong"),
        (PLAIN, lambda path: flipped(path / FIRST, 99), BAD, "checksum is wrong"),
        (RAW, lambda path: cut(path / FIRST, 30), BAD, "30 bytes of|Decompressed tile"),
        (ZSTD, lambda path: cut(path / FIRST, 30), BAD, "unpacked|Decompression of"),
        (SHARDED, lambda path: cut(path / FIRST, 500), BAD, "its index is wrong"),
        (SHARDED, lambda path: cut(path / FIRST, 5), BAD, "fewer than its index"),
        (SHARDED, lambda path: flipped(path / FIRST, -7), BAD, "its index is wrong"),
        (SHARDED, lambda path: flipped(path / FIRST, 50), BAD, r"chunk .*0.* checksum is wrong"),
        (PLAIN, shutil.rmtree, GONE, "there is no file"),
        (SHARDED, shutil.rmtree, GONE, "there is no file"),
        (SHARDED, lambda path: shutil.rmtree(path / "red"), BAD, "no array 'red'"),
        (SHARDED, lambda path: cut(path / "red" / "zarr.json", 50), BAD, "no JSON|not"),
    ],
)  # fmt: skip
def test_damage_is_told_in_one_sentence_that_names_the_asset(tmp_path, options, harm, kind, told, resampling):
    numbers = noise(SHAPE)
    path = write_store(tmp_path / "a.zarr", numbers, **options)
    harm(path)
    plan = plan_cube(
        [zarr_item(path, numbers)], ["red"], resampling=resampling,
        **({} if resampling == "nearest" else {"crs": CRS, "resolution": 13}),
    )  # fmt: skip
    with pytest.raises(kind, match=told) as error:
        plan.read(0)
    assert str(path) in error.value.what
    assert "\n" not in error.value.what
    assert "--skip-bad" in error.value.fix


def test_an_index_that_points_beyond_its_shard(tmp_path):
    options = {
        "chunks": (1, 32, 32), "compressors": None,
        "serializer": ShardingCodec(chunk_shape=(1, 8, 16), index_codecs=[BytesCodec()]),
    }  # fmt: skip
    path = write_store(tmp_path / "a.zarr", noise(SHAPE), **options)
    flipped(path / FIRST, -14)
    with pytest.raises(CorruptError, match=r"ends at .* before the end of a chunk"):
        whole(path)


def test_a_step_or_an_array_that_is_not_there(tmp_path):
    numbers = noise(SHAPE)
    path = write_store(tmp_path / "a.zarr", numbers)
    with pytest.raises(UnreadableAssetError, match="has 3 images, its item asks for number 6"):
        open_raster(href(path, step=5)).__enter__()
    with pytest.raises(UnreadableAssetError, match="no array 'blue'"):
        open_raster(href(path, "blue")).__enter__()
    with pytest.raises(UnreadableAssetError, match="has 1 axes"):
        open_raster(href(path, "x")).__enter__()
    with pytest.raises(MissingAssetError, match="no file"):
        open_raster(href(tmp_path / "b.zarr")).__enter__()


def test_a_store_that_goes_while_it_is_read_is_not_taken_for_empty(tmp_path):
    path = write_store(tmp_path / "a.zarr", noise(SHAPE))
    with open_raster(href(path)) as file:
        shutil.rmtree(path)
        (source,) = plan_cube([zarr_item(path, noise(SHAPE))], ["red"]).groups[0].items[0].bands
        with pytest.raises(MissingAssetError, match="no file"):
            file.place([source], file_box())


def test_what_is_not_known_here_is_left_to_gdal(tmp_path):
    import numcodecs

    numbers = noise(SHAPE)
    cases = {
        "filter": {"zarr_format": 2, "filters": [numcodecs.Delta("i2")]},
        "lzma": {"zarr_format": 2, "compressors": numcodecs.LZMA()},
    }
    for name, options in cases.items():
        path = write_store(tmp_path / f"{name}.zarr", numbers, **options)
        with pytest.raises(Unsupported, match=name):
            open_zarr(href(path))
        with open_raster(href(path, step=1)) as file:
            assert file.by_gdal
            np.testing.assert_array_equal(file.read([1], (0, 50, 0, 70))[0], numbers[1])
    with pytest.raises(Unsupported):
        open_zarr(str(tmp_path / "a.tif"))


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Two stores of the same numbers: one that GDAL opens, and one that it does not."""
    numbers = noise((2, 700, 900))
    folder = tmp_path_factory.mktemp("large")
    options = {"chunks": (1, 128, 128)}
    write_store(folder / "plain.zarr", numbers, **options)
    write_store(folder / "shards.zarr", numbers, **options, shards=(1, 512, 512))
    return folder, zarr_item("", numbers)


@pytest.mark.parametrize("resampling", RESAMPLING)
@pytest.mark.parametrize("target", ["13 m", "45 m", "other crs"])
def test_shards_are_warped_as_chunks_are(large, resampling, target):
    """GDAL opens no shards: it warps a copy of what it needs, as it would the store."""
    box = {
        "13 m": GeoBox((50, 60), grid(13, (CORNER[0] + 4003, CORNER[1] - 2707)), CRS),
        "45 m": GeoBox((40, 60), grid(45, (CORNER[0] + 3003, CORNER[1] - 1707)), CRS),
        "other crs": file_box().to_crs("EPSG:3035"),
    }[target]
    folder, item = large
    found = []
    for name in ("plain", "shards"):
        item["assets"]["data"]["href"] = str(folder / f"{name}.zarr")
        plan = plan_cube([item], ["red"], geobox=box, resampling=resampling)
        found.append(plan.read(1))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    assert found[0][1].any()
    part = plan.read(1, (slice(5, 20), slice(11, 40)))
    np.testing.assert_array_equal(part[0], found[1][0][:, 5:20, 11:40])
