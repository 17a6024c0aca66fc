"""Look for files that make the TIFF reader do anything but read, or refuse in a sentence.

Valid small files of all layouts and codecs are harmed: bytes flipped, pieces copied, ends cut off, fields of
the directories set to values that are often wrong. Each harmed file is opened and read. What may come of it:
pixels, ``Unsupported``, ``MalformedError`` or ``OSError``, in two CPU-seconds and within the memory limit;
and the same pixels whatever was in memory before. All else is a finding, printed with the number of its case.

    python tools/fuzz_tiff.py --count 100000 --seed 1
    python tools/fuzz_tiff.py --seed 1 --only 4711 --keep harmed.tif

Cases run in a child process, which is started again behind a case that ended it; case n of a seed is always
the same file as long as GDAL writes the valid files alike.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import logging
import mmap
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import MemoryFile

from swath.cube.tiff import decode
from swath.cube.tiff.file import Part, TiffFile, read_together
from swath.cube.tiff.header import MalformedError, Unsupported, parse_header

ALLOWED = (Unsupported, MalformedError, OSError)
SLOW_S, HANG_S = 2.0, 30.0
"""CPU-seconds of a case that are too many; seconds after which it is ended."""
SHAPE = (40, 50)
TILES = {"tiled": True, "blockxsize": 16, "blockysize": 32}


def valid_files() -> list[bytes]:
    """Write small files of all layouts; what this GDAL does not write is left out."""
    codecs = [
        *itertools.product(("deflate", "lzw", "zstd"), (1, 2)),
        *itertools.product(("none", "packbits", "lzma", "lerc", "lerc_deflate", "lerc_zstd"), (1,)),
    ]
    plans: list[dict[str, Any]] = []
    for at, (codec, predictor) in enumerate(codecs):
        orders = ("LITTLE",) if codec.startswith("lerc") else ("LITTLE", "BIG")  # the other is left to GDAL
        for big, order in itertools.product(("YES", "NO"), orders):
            for layout in (TILES, {"blockysize": 7}):
                dtype = ("uint8", "int16", "uint16", "int32", "float32")[(at + len(plans)) % 5]
                layers = {"count": 3, "interleave": "band"} if len(plans) % 3 == 0 else {"count": 2}
                plans.append(
                    {"compress": codec, "predictor": predictor, "BIGTIFF": big, "ENDIANNESS": order,
                     "dtype": dtype, "nodata": 0, **layers, **layout}
                )  # fmt: skip
    plans += [
        {"compress": codec, "predictor": 3, "dtype": dtype, "ENDIANNESS": order, "count": 2, **TILES}
        for codec in ("deflate", "lzw", "zstd")
        for dtype in ("float32", "float64")
        for order in ("LITTLE", "BIG")
    ]
    pictures = {"dtype": "uint8", "interleave": "pixel", **TILES, "blockxsize": 32}
    for count in (1, 3, 4):
        photometric = "MINISBLACK" if count == 1 else "RGB"
        for codec in ("jpeg", "webp"):
            plans.append({"compress": codec, "count": count, "photometric": photometric, **pictures})
    plans.append({"dtype": "uint16", "compress": "deflate", "SPARSE_OK": "TRUE", "nodata": 9, **TILES})
    plans.append({"dtype": "uint8", "compress": "lzw", "mask": True, **TILES})
    plans.append({"dtype": "uint8", "compress": "deflate", "mask": True, "count": 3, "blockysize": 5})
    plans += [{"dtype": "int16", "compress": each, "overviews": True, **TILES} for each in ("zstd", "none")]
    found = [written(each) for each in plans]
    return [each for each in found if each]


def written(plan: dict[str, Any]) -> bytes:
    """Write one valid file; nothing where GDAL does not write such."""
    options = dict(plan)
    mask, overviews = options.pop("mask", False), options.pop("overviews", False)
    if options.get("predictor") == 1:
        options.pop("predictor")
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    data = np.stack([(y * 3 + x * (1 + at)) % 120 for at in range(options.setdefault("count", 1))])
    data[:, :32, :16] = options.get("nodata", 7)
    profile = {
        "driver": "GTiff", "height": SHAPE[0], "width": SHAPE[1], "crs": "EPSG:32632",
        "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000), **options,
    }  # fmt: skip
    try:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as file:
            with file.open(**profile) as dataset:
                dataset.write(data.astype(options["dtype"]))
                if mask:
                    dataset.write_mask(x > y)
                if overviews:
                    dataset.build_overviews([2, 4])
            return bytes(file.read())
    except RasterioError:
        return b""


class MemoryOrigin:
    """Bytes, as `swath.cube.tiff.origin.Origin` gives them."""

    def __init__(self, content: bytes, *, remote: bool = False) -> None:
        self.content, self.remote = content, remote
        self.size, self.stamp = len(content), ()

    def read(self, offset: int, count: int) -> bytes:
        """Give bytes, fewer at the end."""
        return self.content[offset : offset + count]

    def read_many(self, ranges: Any) -> list[bytes]:
        """Give several ranges."""
        return [self.read(*each) for each in ranges]

    def close(self) -> None:
        """Do nothing."""


ODD = (
    *(0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 32, 40, 50, 64, 255, 256, 1000, 32767, 32768, 65535, 65536),
    *(1 << 20, 1 << 24, (1 << 28) - 1, 1 << 28, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32),
    *((1 << 63) - 1, 1 << 63, (1 << 64) - 1),
)
TAGS = (
    *(254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 338, 339, 347),
    *(33550, 33922, 34264, 34735, 34736, 34737, 42113, 50674),
)
CODECS = (1, 5, 7, 8, 32946, 32773, 34887, 34925, 50000, 50001, 2, 6)


def entries(content: bytes) -> tuple[str, bool, list[int], list[int]]:
    """Find the directories of a valid file: byte order, BigTIFF, places of entries and of links."""
    order = "<" if content[:2] == b"II" else ">"
    big = struct.unpack(order + "H", content[2:4])[0] == 43
    link, number = (8, "Q") if big else (4, "I")
    found, links = [], [link]
    while True:
        (offset,) = struct.unpack_from(order + number, content, links[-1])
        if not offset:
            return order, big, found, links
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, offset)
        first = offset + (8 if big else 2)
        size = 20 if big else 12
        found += range(first, first + count * size, size)
        links.append(first + count * size)


def harmed(valid: list[bytes], seed: int, number: int) -> bytes:
    """Make the file of one case."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311
    content = bytearray(rng.choice(valid))
    plan = entries(bytes(content))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not content:
            break
        kind = rng.random()
        if kind < 0.5:
            harm_field(rng, content, plan)
        elif kind < 0.8:
            for _ in range(rng.choice((1, 1, 2, 8))):
                content[rng.randrange(len(content))] ^= rng.choice(
                    (1 << rng.randrange(8), rng.randrange(1, 256))
                )
        elif kind < 0.84:
            harm_lerc(rng, content)
        elif kind < 0.92:
            other = rng.choice((bytes(content), rng.choice(valid)))
            length = min(rng.choice((1, 2, 4, 8, 16, 64, 256)), len(other))
            start, at = rng.randrange(len(other) - length + 1), rng.randrange(len(content))
            content[at : at + rng.choice((0, length))] = other[start : start + length]
        else:
            del content[rng.randrange(len(content)) :]
    return bytes(content)


def harm_field(rng: random.Random, content: bytearray, plan: tuple[str, bool, list[int], list[int]]) -> None:
    """Set a part of a directory's entry, the numbers that it points to, or a link, to something odd."""
    order, big, places, links = plan
    wide = ("Q", 8) if big else ("I", 4)

    def put(at: int, form: str, value: int) -> None:
        size = struct.calcsize(form)
        if at + size <= len(content):
            struct.pack_into(order + form, content, at, value % (1 << 8 * size))

    value = rng.choice(
        (rng.choice(ODD), rng.choice(ODD), len(content) - rng.randrange(-9, 9), rng.getrandbits(64))
    )
    part = rng.random()
    if part < 0.04:
        put(rng.choice(links), wide[0], rng.choice((value, rng.choice(links), 8)))
        return
    at = rng.choice(places)
    inline = at + (12 if big else 8)
    if part < 0.10:
        put(at, "H", rng.choice(TAGS))
    elif part < 0.22:
        put(at + 2, "H", rng.choice((*range(20), value)))
    elif part < 0.36:
        put(at + 4, wide[0], value)
    elif part < 0.46 and at + 4 <= len(content):
        tag = struct.unpack_from(order + "H", content, at)[0]
        put(inline, "H", rng.choice(CODECS) if tag == 259 else rng.choice((1, 2, 3, 4, 5, 6, 8, 16)))
    elif part < 0.75 or inline + wide[1] > len(content):
        put(inline, rng.choice(("H", "I", wide[0])), value)
    else:
        (there,) = struct.unpack_from(order + wide[0], content, inline)
        size = rng.choice(("H", "I", wide[0]))
        put(there + rng.randrange(8) * struct.calcsize(size), size, value)


def harm_lerc(rng: random.Random, content: bytearray) -> None:
    """Flip bytes of a LERC block and mend its checksum, so that they are looked at at all."""
    at = content.find(b"Lerc2 ")
    (size,) = struct.unpack_from("<i", content, at + 34) if 0 <= at <= len(content) - 38 else (0,)
    if size < 80 or at + size > len(content):
        return
    for _ in range(rng.choice((1, 2, 4))):
        content[at + rng.randrange(14, size)] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
    low = high = 0xFFFF  # Fletcher's checksum of 32 bits over big-endian words
    for place in range(at + 14, at + size, 2):
        last = content[place + 1] if place + 1 < at + size else 0
        low = (low + (content[place] << 8) + last) % 65535
        high = (high + low) % 65535
    struct.pack_into("<I", content, at + 10, high << 16 | low)


def read_all(content: bytes, *, fill: int = 0, remote: bool = False) -> list[np.ndarray[Any, Any]]:
    """Open a file in memory and read it: small images whole, of large ones some corners."""
    origin = MemoryOrigin(content, remote=remote)
    header = parse_header(origin.read, origin.size)
    file = TiffFile("memory", origin, header)
    _ = file.has_mask, file.nodata
    found = []
    for image in header.images[:8]:
        decode.check_supported(image)
        tall, wide = min(image.height, 64), min(image.width, 64)
        windows = {(0, tall, 0, wide), (image.height - tall, image.height, image.width - wide, image.width)}
        layers = tuple(dict.fromkeys((0, min(1, image.samples - 1), image.samples - 1)))
        for window in sorted(windows):
            out = np.empty((len(layers), tall, wide), image.dtype.newbyteorder("="))
            out.view(np.uint8)[...] = fill & (1 if image.dtype.kind == "b" else 255)
            read_together([Part(file, image, layers, window, out)])
            found.append(out)
    if file.has_mask:
        found.append(file.read_mask((0, min(file.height, 64), 0, min(file.width, 64))))
    return found


def soil(value: int) -> None:
    """Fill the memory that blocks are unpacked into, so that what stays of it would be seen."""
    kept = getattr(decode._scratch, "memory", None)
    if kept is not None and len(kept) <= 1 << 20:
        kept[...] = value
    else:
        decode._scratch.memory = np.full(1 << 16, value, np.uint8)


def check(content: bytes, *, twice: bool = False, remote: bool = False) -> str:
    """Try one file; tell in a word what came of it, or in a sentence that begins with FOUND."""
    began = time.process_time()
    try:
        soil(0x55)
        first = read_all(content, remote=remote)
        word = "read"
        if twice:
            soil(0xAA)
            second = read_all(content, fill=0xFF, remote=remote)
            if any(a.tobytes() != b.tobytes() for a, b in zip(first, second, strict=True)):
                return "FOUND pixels that depend on what was in memory"
    except ALLOWED as error:
        word = type(error).__name__
        if not str(error):
            return f"FOUND {word} without a sentence"
    except Exception as error:  # noqa: BLE001 - this is what we look for
        where = traceback.extract_tb(error.__traceback__)[-1]
        return (
            f"FOUND {type(error).__name__}: {str(error)[:120]} at {Path(where.filename).name}:{where.lineno}"
        )
    spent = time.process_time() - began
    return word if spent <= SLOW_S else f"FOUND {spent:.1f} s ({word})"


def try_case(valid: list[bytes], seed: int, number: int) -> str:
    """Make and try one case."""
    return check(harmed(valid, seed, number), twice=number % 3 == 0, remote=number % 10 == 0)


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run_child(options: argparse.Namespace) -> None:
    """Try cases, and note in shared memory which one is under way and what came of those before."""
    logging.disable()
    warnings.simplefilter("error")
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    valid = valid_files()
    check(valid[0])  # what is loaded at the first use is no part of a case
    used = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (used + options.limit_mb * 1_000_000,) * 2)
    words: Counter[str] = Counter()
    with Path(options.note).open("r+b") as file, mmap.mmap(file.fileno(), 8) as note:
        for number in range(options.start, options.count):
            struct.pack_into("<q", note, 0, number)
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            came = try_case(valid, options.seed, number)
            faulthandler.cancel_dump_traceback_later()
            if came.startswith("FOUND"):
                tell(f"case {options.seed}/{number}: {came}")
                came = "FOUND"
            words[came] += 1
        struct.pack_into("<q", note, 0, options.count)
    tell(f"outcomes: {dict(words)}")


def run_parent(options: argparse.Namespace) -> int:
    """Start children until all cases are tried; give the number of cases that ended one."""
    began, start, ended = time.monotonic(), options.start, 0
    with tempfile.NamedTemporaryFile() as note:
        note.write(struct.pack("<q", start))
        note.flush()
        while start < options.count:
            command = [sys.executable, "-X", "faulthandler", __file__, "--child", "--note", note.name]
            for name in ("count", "seed", "limit_mb"):
                command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
            done = subprocess.run(
                [*command, "--start", str(start)], check=False, stderr=subprocess.PIPE, text=True
            )
            (at,) = struct.unpack("<q", Path(note.name).read_bytes()[:8])
            if done.returncode:
                ended += 1
                tell(f"case {options.seed}/{at}: FOUND exit {done.returncode}\n{done.stderr[-3000:]}")
            start = at + 1
    spent = time.monotonic() - began
    tell(f"{options.count - options.start} cases, {(options.count - options.start) / spent:.0f} a second")
    return ended


def main() -> int:
    """Run the cases that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-mb", type=int, default=1000, help="memory beside what the interpreter takes")
    parser.add_argument("--only", type=int, help="try this case here, in this process")
    parser.add_argument("--keep", type=Path, help="write the file of --only")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--note", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only is not None:
        valid = valid_files()
        if options.keep:
            options.keep.write_bytes(harmed(valid, options.seed, options.only))
        tell(try_case(valid, options.seed, options.only))
        return 0
    if options.child:
        run_child(options)
        return 0
    return min(run_parent(options), 1)


if __name__ == "__main__":
    sys.exit(main())
