"""Headers that contradict themselves, end too early or claim too much."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from swath.cube.tiff.georeference import georeference
from swath.cube.tiff.header import MalformedError, Unsupported, parse_header, parse_nodata

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 11: 4, 12: 8, 16: 8}
CODES = {1: "B", 2: "B", 3: "H", 4: "I", 11: "f", 12: "d", 16: "Q"}
PLAIN = {
    256: (3, [4]), 257: (3, [4]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 273: (4, [8]), 277: (3, [1]),
    278: (3, [4]), 279: (4, [16]), 339: (3, [1]),
}  # fmt: skip


def tiff(*images, order="<", big=False, loop=None, counts=None):
    """Make a file of directories: {tag: (type, values)} each; ``counts`` replaces the count of a tag."""
    head, entry, inline, word = (8, 20, 8, "Q") if big else (2, 12, 4, "I")
    start = {"<": b"II", ">": b"MM"}[order]
    start += struct.pack(order + "HHHQ", 43, 8, 0, 32) if big else struct.pack(order + "HI", 42, 32)
    content = bytearray(start.ljust(32, b"\7"))
    for at, image in enumerate(images):
        fields = list(image.items()) if isinstance(image, dict) else image
        table = struct.pack(order + ("Q" if big else "H"), len(fields))
        rest_at = len(content) + head + len(fields) * entry + inline
        rest = b""
        for tag, (kind, values) in fields:
            packed = struct.pack(order + CODES[kind] * len(values), *values)
            place = packed.ljust(inline, b"\0")
            if len(packed) > inline:
                place = struct.pack(order + word, rest_at + len(rest))
                rest += packed
            count = (counts or {}).get(tag, len(values))
            table += struct.pack(order + "HH" + word, tag, kind, count) + place
        following = rest_at + len(rest) if at + 1 < len(images) else (loop or 0)
        content += table + struct.pack(order + word, following) + rest
    return bytes(content)


def parse(content):
    return parse_header(lambda offset, count: content[offset : offset + count], len(content))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_both_byte_orders_and_sizes_of_offsets(order, big):
    header = parse(tiff(PLAIN, PLAIN | {254: (4, [1])}, order=order, big=big))
    assert (header.main.width, header.main.height, header.main.dtype.kind) == (4, 4, "u")
    assert len(header.overviews) == 1
    assert header.mask is None


@pytest.mark.parametrize("big", [False, True])
def test_a_header_that_is_cut_anywhere_is_refused(big):
    content = tiff(PLAIN | {270: (2, [65] * 9), 339: (3, [1])}, PLAIN, big=big)
    for end in range(len(content)):
        with pytest.raises((MalformedError, Unsupported)):
            parse(content[:end])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({256: (3, [0])}, "0 x 4 pixels"),
        ({257: (4, [0xFFFFFFFF])}, "4 x 4294967295 pixels"),
        ({277: (3, [0])}, "0 layers"),
        ({256: (11, [4.0])}, "field 256 is no whole number"),
        ({256: (2, [4])}, "field 256 is no whole number"),
        ({258: (12, [float("nan")])}, "field 258 is no whole number"),
        ({338: (11, [float("nan")])}, "field 338 is no whole number"),
        ({256: (3, [])}, "field 256 is empty"),
        ({278: (3, [1])}, "1 offsets and 1 sizes of 4 blocks"),
        ({279: (4, [16, 16])}, "1 offsets and 2 sizes of 1 blocks"),
        ({273: (11, [8.0])}, "field 273 is no list"),
        ({322: (3, [0]), 323: (3, [16])}, "blocks of 0 x 16"),
    ],
)
def test_what_contradicts_itself_is_malformed(fields, told):
    with pytest.raises(MalformedError, match=told):
        parse(tiff(PLAIN | fields))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({277: (3, [2]), 258: (3, [8, 16])}, "layers of different types"),
        ({258: (3, [12])}, "12 bits"),
        ({256: (4, [1 << 20]), 257: (4, [1 << 20]), 278: (4, [1 << 20])}, "more than 256 MB"),
        ({266: (3, [2])}, "reverse order"),
    ],
)
def test_what_is_left_to_gdal_is_said(fields, told):
    with pytest.raises(Unsupported, match=told):
        parse(tiff(PLAIN | fields))


def test_a_field_may_not_be_longer_than_the_file():
    for count, told in ((1 << 31, "a field has"), (1 << 20, "longer together"), (30, "before what lies at")):
        with pytest.raises(MalformedError, match=told):
            parse(tiff(PLAIN | {273: (4, [8, 8, 8])}, counts={273: count}))


def test_fields_that_overlap_do_not_read_the_file_again_and_again():
    """A thousand fields that all point to the same megabyte would be read as a gigabyte."""
    read = []
    fields = [(324, (4, [1, 2]))] * 900
    content = tiff(fields, counts={324: 1 << 17}) + bytes(1 << 20)

    def source(offset, count):
        read.append(count)
        return content[offset : offset + count]

    with pytest.raises(MalformedError, match="longer together"):
        parse_header(source, len(content))
    assert sum(read) < 2 * len(content)


def test_directories_in_a_circle_and_too_many_of_them():
    with pytest.raises(MalformedError, match="in a circle"):
        parse(tiff(PLAIN, PLAIN, loop=32))
    assert len(parse(tiff(*[PLAIN] * 100)).images) == 64
    with pytest.raises(MalformedError, match="2000 fields"):
        parse(tiff([(256, (3, [4]))] * 2000))
    with pytest.raises(MalformedError, match="holds no image"):
        parse(b"II" + struct.pack("<HI", 42, 0))


@pytest.mark.parametrize("text", ["nothing", "", "1,5", "\xff"])
def test_a_nodata_that_is_no_number_is_left_to_gdal(text):
    image = parse(tiff(PLAIN | {42113: (2, [*text.encode("latin1"), 0, 0, 0, 0])})).main
    with pytest.raises(Unsupported, match="no number"):
        parse_nodata(image)


@pytest.mark.parametrize(
    ("number", "held"),
    [("3.4028234663852886e+38", True), ("-1.7976931348623157e+308", False), ("-inf", True)],
)
def test_a_nodata_must_be_one_of_the_numbers(number, held):
    fields = {258: (3, [32]), 339: (3, [3]), 42113: (2, [*number.encode(), 0])}
    image = parse(tiff(PLAIN | fields)).main
    if held:
        assert parse_nodata(image) == float(number)
        assert float(np.float32(float(number))) == float(number)
    else:
        with pytest.raises(Unsupported, match="float32 does not hold"):
            parse_nodata(image)


def test_geographic_fields_that_gdal_cannot_use_are_left_to_it():
    keys = {33550: (12, [10.0, 10, 0]), 33922: (12, [0.0, 0, 0, 5e5, 5e6, 0])}
    named = [1, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32767, 3073, 34737, 3, 0]
    broken = PLAIN | keys | {34735: (3, named), 34737: (2, [0xC0, 0xFF, 0x7C])}
    for fields in (broken, PLAIN | {33550: (12, [1.0] * 9000)}, PLAIN | {34735: (12, [1.0])}, PLAIN):
        with pytest.raises(Unsupported):
            georeference(parse(tiff(fields)).main)
