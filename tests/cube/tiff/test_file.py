"""Harmed files, corrupt blocks, and files that change while they are read."""

from __future__ import annotations

import importlib.util
import itertools
import struct
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from scenes import CRS, grid, make_item, ramp, write_tiff

import swath
from swath.cube.reader import open_raster
from swath.cube.sources import band_sources
from swath.cube.tiff import MalformedError, Part, TiffFile, Unsupported, open_tiff, read_together
from swath.cube.tiff import file as file_module
from swath.cube.tiff.header import parse_header
from swath.model import MissingAssetError, UnreadableAssetError

CODECS = ("deflate", "lzw", "zstd", "packbits", "lzma", "lerc", "lerc_deflate", "lerc_zstd")


@pytest.fixture(scope="module")
def fuzz():
    """The fuzzer in tools/."""
    path = Path(__file__).resolve().parents[3] / "tools" / "fuzz_tiff.py"
    if not path.exists():
        pytest.skip("needs tools/fuzz_tiff.py of a checkout")
    spec = importlib.util.spec_from_file_location("fuzz_tiff", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_tiff"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def valid(fuzz):
    return fuzz.valid_files()


def test_what_the_fuzzer_harms_is_valid(fuzz, valid):
    assert len(valid) > 80
    assert [each for each in map(fuzz.check, valid) if each != "read"] == []


def test_harmed_files_are_read_or_refused(fuzz, valid):
    came = [fuzz.try_case(valid, 4, number) for number in range(6000)]
    assert [(at, each) for at, each in enumerate(came) if each.startswith("FOUND")] == []
    assert came.count("read") > 600


def test_the_fuzzer_finds_what_it_looks_for(fuzz, valid, monkeypatch):
    monkeypatch.setattr(fuzz, "parse_header", lambda *_: 1 / 0)
    assert fuzz.check(valid[0]).startswith("FOUND ZeroDivisionError")
    monkeypatch.setattr(fuzz, "read_all", lambda *_, fill=0, **__: [np.full(3, fill, "u1")])
    assert fuzz.check(valid[0], twice=True).startswith("FOUND pixels that depend")


def in_memory(fuzz, content, *, remote=False):
    origin = fuzz.MemoryOrigin(bytes(content), remote=remote)
    return TiffFile("memory", origin, parse_header(origin.read, origin.size))


def picture(fuzz, compress, count):
    photometric = "MINISBLACK" if count == 1 else "RGB"
    plan = {"compress": compress, "count": count, "photometric": photometric, "interleave": "pixel"}
    content = fuzz.written({"dtype": "uint8", **plan, **fuzz.TILES, "blockxsize": 32})
    if not content:
        pytest.skip(f"this GDAL does not write {compress}")
    return bytearray(content)


def spans(content):
    """Give first byte and length of each block of the main image."""
    image = parse_header(lambda offset, count: bytes(content[offset : offset + count]), len(content)).main
    return image, [(int(a), int(b)) for a, b in zip(image.offsets, image.counts, strict=True)]


def read_whole(file):
    return file.read(range(file.count), (0, file.height, 0, file.width))


@pytest.mark.parametrize("side", [65000, 16, 33])
def test_a_jpeg_block_that_claims_another_size_is_refused(fuzz, side):
    """65000 x 65000 pixels in 400 bytes took 4 GB and 14 seconds."""
    content = picture(fuzz, "jpeg", 1)
    _, places = spans(content)
    at = content.index(b"\xff\xc0", places[0][0])
    content[at + 5 : at + 9] = struct.pack(">HH", side, side)
    with pytest.raises(MalformedError, match="shape"):
        read_whole(in_memory(fuzz, content))


def test_a_jpeg_block_that_is_cut_short_is_refused(fuzz):
    """Its rest came back grey."""
    content = picture(fuzz, "jpeg", 3)
    _, places = spans(content)
    first, length = places[0]
    content[first + length // 2 : first + length] = bytes(length - length // 2)
    with pytest.raises(MalformedError, match="cut short"):
        read_whole(in_memory(fuzz, content))


def test_a_webp_block_that_claims_another_size_is_refused(fuzz):
    content = picture(fuzz, "webp", 3)
    _, places = spans(content)
    other = imagecodecs.webp_encode(np.zeros((8, 8, 3), "u1"), lossless=True)
    assert len(other) <= places[0][1]
    content[places[0][0] : places[0][0] + len(other)] = other
    with pytest.raises(MalformedError, match=r"shape|cannot be unpacked"):
        read_whole(in_memory(fuzz, content))


def test_a_lerc_block_that_claims_another_size_is_refused(fuzz):
    """Of a hundred bytes that claim 16 million lines, 1.3 GB were to be made."""
    content = bytearray(fuzz.written({"dtype": "int32", "compress": "lerc", "count": 2, **fuzz.TILES}))
    _, places = spans(content)
    plain = imagecodecs.lerc_encode(np.zeros((1 << 14, 1 << 12), "i4"))
    assert len(plain) <= places[0][1]
    content[places[0][0] : places[0][0] + len(plain)] = plain
    with pytest.raises(MalformedError, match="shape"):
        read_whole(in_memory(fuzz, content))


@pytest.mark.parametrize("codec", ["deflate", "zstd"])
def test_what_lies_in_a_packed_lerc_block_is_bounded(fuzz, codec):
    """100 MB of zeros in some kB were unpacked before anybody looked at them."""
    plan = {"dtype": "uint8", "compress": f"lerc_{codec}", "count": 1, "tiled": True}
    content = bytearray(fuzz.written({**plan, "blockxsize": 64, "blockysize": 64}))
    image, places = spans(content)
    bomb = getattr(imagecodecs, f"{codec}_encode")(bytes(100_000_000))
    image.offsets.setflags(write=True)
    image.offsets[0], image.counts[0] = len(content), len(bomb)
    file = in_memory(fuzz, content)
    file.origin.content += bomb
    file.origin.size += len(bomb)
    object.__setattr__(file, "image", image)
    with pytest.raises(MalformedError, match=r"(?i)space|too small"):
        read_whole(file)
    assert places


@pytest.mark.parametrize(
    ("codec", "harm"),
    [("none", "shorter"), *itertools.product(CODECS, ("shorter", "emptied", "garbled"))],
)
def test_a_corrupt_block_never_gives_what_was_in_memory(fuzz, codec, harm):
    plan = {"dtype": "int16", "compress": codec, "count": 1, **fuzz.TILES}
    content = bytearray(fuzz.written(plan) or pytest.skip(f"this GDAL does not write {codec}"))
    _, places = spans(content)
    read_whole(in_memory(fuzz, content))  # leaves a block in memory
    file = in_memory(fuzz, content)
    first, length = places[-1]
    if harm == "shorter":
        file.image.counts.setflags(write=True)
        file.image.counts[-1] = length // 2
    else:
        wrong = bytes(length) if harm == "emptied" else b"\x01\x83" * length
        file.origin.content = bytes(content[:first]) + wrong[:length] + bytes(content[first + length :])
    with pytest.raises(MalformedError, match="block"):
        read_whole(file)


def test_a_block_beyond_the_end_is_refused(fuzz):
    content = fuzz.written({"dtype": "int16", "compress": "zstd", **fuzz.TILES})
    _, places = spans(content)
    last = max(places)
    for remote in (False, True):
        file = in_memory(fuzz, content[: sum(last) - 1], remote=remote)
        with pytest.raises(MalformedError, match=r"before the end of a block|cannot be unpacked"):
            read_whole(file)


def test_a_mask_of_another_size_is_left_to_gdal(fuzz):
    content = bytearray(fuzz.written({"dtype": "uint8", "compress": "lzw", "mask": True, **fuzz.TILES}))
    order, _, places, _ = fuzz.entries(bytes(content))
    widths = [at for at in places if struct.unpack_from(order + "H", content, at)[0] == 256]
    assert len(widths) == 2
    struct.pack_into(order + "H", content, widths[1] + 8, 49)  # still as many blocks in a row
    with pytest.raises(Unsupported, match="mask of another size"):
        in_memory(fuzz, content)


def test_a_header_is_kept_until_the_file_changes(tmp_path, monkeypatch):
    path = write_tiff(tmp_path / "red.tif", ramp())
    parsed = []
    monkeypatch.setattr(file_module, "parse_header", lambda *each: parsed.append(1) or parse_header(*each))
    for _ in range(3):
        open_tiff(str(path)).close()
    assert len(parsed) == 1
    write_tiff(path, ramp(30, 40, start=7))
    file = open_tiff(str(path))
    np.testing.assert_array_equal(read_whole(file)[0], ramp(30, 40, start=7))
    file.close()
    assert len(parsed) == 2


def test_a_file_that_goes_or_shrinks_after_it_was_opened(tmp_path):
    for change in ("deleted", "replaced", "cut"):
        path = write_tiff(tmp_path / f"{change}.tif", ramp(300, 300))
        file = open_tiff(str(path))
        if change == "cut":
            with path.open("r+b") as opened:
                opened.truncate(path.stat().st_size // 2)
            with pytest.raises(MalformedError, match="cut short after it was opened"):
                read_whole(file)
        else:
            path.unlink()
            if change == "replaced":
                write_tiff(path, ramp())
            np.testing.assert_array_equal(read_whole(file)[0], ramp(300, 300))
        file.close()


def test_no_more_is_fetched_ahead_than_one_batch(fuzz, monkeypatch):
    content = fuzz.written({"dtype": "int16", "compress": "none", "count": 1, "blockysize": 1})
    file = in_memory(fuzz, content, remote=True)
    monkeypatch.setattr(file_module, "_IN_FLIGHT", 400)  # of lines of 100 bytes: two in a batch
    fetched, placed, ahead = [], [], []
    ask, put = file.origin.read_many, file_module.place_block
    monkeypatch.setattr(file.origin, "read_many", lambda spans: fetched.extend(spans) or ask(spans))

    def place(*arguments):
        ahead.append(len(fetched) - len(placed))
        placed.append(1)
        put(*arguments)

    monkeypatch.setattr(file_module, "place_block", place)
    out = np.empty((1, file.height, file.width), file.dtype)
    read_together([Part(file, file.image, (0,), (0, file.height, 0, file.width), out)], threads=2)
    assert len(placed) == len(fetched) == file.height
    assert max(ahead) <= 4
    np.testing.assert_array_equal(out, read_whole(in_memory(fuzz, content)))


BAD = {
    "a block is garbled": (lambda content, first: content[:first] + b"\x07" * 200 + content[first + 200 :]),
    "it ends in a block": (lambda content, first: content[: first + 40]),
    "the header is gone": (lambda content, _: bytes(200) + content[200:]),
}


@pytest.mark.parametrize("name", BAD)
def test_people_are_told_which_asset_is_bad(tmp_path, name):
    """GDAL is asked too, and does not know better."""
    noise = np.random.default_rng(1).integers(1, 9999, (64, 64)).astype("u2")
    path = write_tiff(tmp_path / "red.tif", noise)
    item = make_item("one", {"red": path})
    content = path.read_bytes()
    path.write_bytes(BAD[name](content, max(spans(content)[1])[0]))
    with pytest.raises(UnreadableAssetError) as error, open_raster(str(path)) as file:
        file.place(band_sources(item), GeoBox((64, 64), grid(), CRS))
    assert str(path) in error.value.what
    assert "\n" not in error.value.what
    with pytest.raises(UnreadableAssetError, match="cannot be read as a raster") as error:
        swath.load([item], "red", chunks=None)
    assert str(path) in error.value.what


@pytest.mark.parametrize("codec", ["deflate", "lzma", "jpeg"])
def test_gdal_is_not_asked_for_blocks_that_it_does_not_see_to_be_corrupt(fuzz, tmp_path, codec):
    """It gives pixels of them, and not those that were stored."""
    if codec == "jpeg":
        content = picture(fuzz, codec, 3)
    else:
        content = bytearray(fuzz.written({"dtype": "int16", "compress": codec, "count": 1, **fuzz.TILES}))
    path = tmp_path / "red.tif"
    path.write_bytes(content)
    with rasterio.open(path) as dataset:
        stored = dataset.read()
    first, length = spans(content)[1][-1]
    content[first + length // 2 : first + length] = bytes(length - length // 2)
    path.write_bytes(content)
    with rasterio.open(path) as dataset:
        assert (dataset.read() != stored).any()
    item = make_item("one", {"red": path})
    sources, (height, width) = band_sources(item), stored.shape[1:]
    geobox = GeoBox((height, width), rasterio.Affine(*item["assets"]["red"]["proj:transform"]), "EPSG:32632")
    with pytest.raises(UnreadableAssetError, match="block") as error, open_raster(str(path)) as file:
        file.place(sources, geobox)
    assert str(path) in error.value.what


def test_people_are_told_of_a_file_that_is_gone(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp())
    item = make_item("one", {"red": path})
    path.unlink()
    with pytest.raises(MissingAssetError, match="there is no file") as error:
        swath.load([item], "red", chunks=None)
    assert str(path) in error.value.what


def test_pixels_without_a_size_are_refused(tmp_path):
    path = write_tiff(tmp_path / "red.tif", ramp(), transform=rasterio.Affine(10, 3, 5e5, 3, -10, 5e6))
    content = path.read_bytes()
    assert content.count(struct.pack("<2d", 3, -10)) == 1
    path.write_bytes(content.replace(struct.pack("<2d", 3, -10), struct.pack("<2d", 20, 6)))
    with rasterio.open(path) as dataset:
        assert dataset.transform.determinant == 0
    with pytest.raises(UnreadableAssetError, match="no size"), open_raster(str(path)):
        pass
