"""Reading a stack of COGs: ours beside rasterio, odc-stac, rioxarray, tifffile and async-geotiff.

16 files of 4004 x 4004 int16 with clouds as nodata, blocks of 512, predictor 2, deflate and zstd, in the page
cache and over HTTP on the loopback; two threads. ``--side 1001`` makes smaller ones.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import http.server
import importlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from measure import cpu_seconds, print_table
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter, zoom

from swath.cube.tiff import Part, open_tiff, read_together

FILES, NODATA, THREADS = 16, -9999, 2


def make_stack(folder: Path, side: int) -> dict[str, list[str]]:
    """Write the files: a landscape of several scales with a season, noise, and a fifth under clouds."""
    rng = np.random.default_rng(0)

    def field(step: int) -> np.ndarray:
        coarse = gaussian_filter(rng.standard_normal((side // step + 4,) * 2).astype(np.float32), 1)
        fine = zoom(coarse, step, order=1)[:side, :side]
        return fine / fine.std()

    base = sum(height * field(step) for step, height in ((128, 900), (32, 600), (8, 350), (3, 150)))
    paths: dict[str, list[str]] = {"deflate": [], "zstd": []}

    def write(number: int) -> None:
        own = np.random.default_rng(number + 1)
        wave = 1 + 0.3 * np.sin(number / 6 * 2 * np.pi)
        image = 1800 + base * wave + 0.3 * np.roll(base, 137 * number, 1)
        image += own.standard_normal((side, side), dtype=np.float32) * 25
        clouds = zoom(gaussian_filter(own.standard_normal((side // 16 + 1,) * 2), 4), 16, order=1)[
            :side, :side
        ]
        stored = np.clip(image, 1, 10000).astype(np.int16)
        stored[clouds > np.quantile(clouds, 0.8)] = NODATA
        for codec in paths:
            with rasterio.open(
                folder / f"{codec}{number:02}.tif", "w", driver="COG", width=side, height=side, count=1,
                dtype="int16", crs="EPSG:32632", transform=from_origin(6e5, 5.4e6, 30, 30), nodata=NODATA,
                compress=codec, predictor=2, blocksize=512,
            ) as file:  # fmt: skip
                file.write(stored, 1)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, range(FILES)))
    return {codec: [str(folder / f"{codec}{at:02}.tif") for at in range(FILES)] for codec in paths}


def ours(paths: list[str], out: np.ndarray) -> None:
    """Read all by our own reader: one list of blocks."""
    files = [open_tiff(each) for each in paths]
    window = (0, out.shape[1], 0, out.shape[2])
    parts = [Part(each, each.image, (0,), window, out[at : at + 1]) for at, each in enumerate(files)]
    read_together(parts, threads=THREADS)
    for each in files:
        each.close()


def each_file(read: object, paths: list[str], out: np.ndarray) -> None:
    """Read one file after the other on each of the threads."""
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda at: read(paths[at], out[at]), range(len(paths))))  # type: ignore[operator]


def by_rasterio(path: str, out: np.ndarray) -> None:
    """Read one file by rasterio."""
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(path, sharing=False) as file:
        file.read(1, out=out)


def by_tifffile(path: str, out: np.ndarray) -> None:
    """Read one file by tifffile."""
    tifffile = importlib.import_module("tifffile")
    out[...] = tifffile.imread(path, key=0, maxworkers=1)


def by_rioxarray(path: str, out: np.ndarray) -> None:
    """Read one file by rioxarray."""
    rioxarray = importlib.import_module("rioxarray")
    with rioxarray.open_rasterio(path) as file:
        out[...] = file.values[0]


def by_odc(driver: str | None, paths: list[str], _out: np.ndarray) -> None:
    """Load all by odc-stac, with its own or our driver."""
    odc_stac, pystac = importlib.import_module("odc.stac"), importlib.import_module("pystac")
    import datetime as dt

    side = _out.shape[1]
    items = []
    for at, path in enumerate(paths):
        item = pystac.Item(f"i{at}", None, None, dt.datetime(2020, 1, 1 + at), {
            "proj:code": "EPSG:32632", "proj:shape": [side, side],
            "proj:transform": [30, 0, 6e5, 0, -30, 5.4e6],
        })  # fmt: skip
        item.geometry, item.bbox = {"type": "Point", "coordinates": [10, 48]}, [10, 47, 12, 49]
        item.stac_extensions = ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"]
        item.add_asset("b", pystac.Asset(path, media_type="image/tiff", roles=["data"]))
        items.append(item)
    odc_stac.load(items, bands=["b"], crs="EPSG:32632", resolution=30, driver=driver, pool=THREADS)


def by_async_geotiff(paths: list[str], out: np.ndarray) -> None:
    """Read all by async-geotiff."""
    module, stores = importlib.import_module("async_geotiff"), importlib.import_module("obstore.store")

    async def read(at: int) -> None:
        if paths[at].startswith("http"):
            root, name = paths[at].rsplit("/", 1)
            store = stores.HTTPStore.from_url(root, client_options={"allow_http": True})
        else:
            store, name = stores.LocalStore(str(Path(paths[at]).parent)), Path(paths[at]).name
        file = await module.GeoTIFF.open(name, store=store)
        out[at] = (await file.read()).data[0]

    async def every() -> None:
        for at in range(0, len(paths), 4):  # four at once: all would hold twice the stack
            await asyncio.gather(*(read(number) for number in range(at, min(at + 4, len(paths)))))

    asyncio.run(every())


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves ranges of files."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def send_head(self) -> None:
        """Answer HEAD."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Answer GET, whole or one range."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            first = int(asked[1]) if asked else 0
            last = min(int(asked[2] or size - 1), size - 1) if asked else size - 1
            self.send_response(206 if asked else 200)
            if asked:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Content-Length", str(last - first + 1))
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()
            if body:
                os.sendfile(self.wfile.fileno(), file.fileno(), first, last - first + 1)


def serve(folder: Path) -> None:
    """Serve a folder on the loopback until the parent ends; the port goes to standard output."""
    handler = functools.partial(_Handler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print(server.server_port, flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()


def compare(
    title: str,
    paths: list[str],
    side: int,
    calls: dict[str, object],
    mark: float,
    local: list[str] | None = None,
) -> None:
    """Time each reader, check that it gives rasterio's pixels (of local files), and print the table."""
    expected = np.empty((FILES, side, side), np.int16)
    each_file(by_rasterio, local or paths, expected)
    rows = {}
    for name, call in calls.items():
        out = np.zeros_like(expected)
        try:
            taken = cpu_seconds(lambda call=call, out=out: call(paths, out), 3)
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        if not name.startswith("odc"):
            np.testing.assert_array_equal(out, expected, err_msg=name)
        rows[name] = expected.size / 1e6 / taken
    print_table(title, "million pixels", rows, mark=mark)


def peak_memory(paths: list[str], side: int) -> float:
    """Give what our reader takes in memory beyond its output, as a share of it; in a process of its own."""
    code = (
        "import sys, resource; sys.path.insert(0, sys.argv[1]); import numpy as np, bench_reader as b\n"
        "paths, side = sys.argv[3:], int(sys.argv[2])\n"
        "b.ours(paths[:1], np.zeros((1, side, side), np.int16))\n"
        "out = np.ones((len(paths), side, side), np.int16)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "b.ours(paths, out)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / out.nbytes)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(side), *paths],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(told.stdout)


def main() -> None:
    """Print a table for each codec, and one for HTTP."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=4004)
    side = parser.parse_args().side
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stack = make_stack(folder, side)
        local = {
            "swath": ours,
            "rasterio, a thread a file": functools.partial(each_file, by_rasterio),
            "tifffile, a thread a file": functools.partial(each_file, by_tifffile),
            "rioxarray, a thread a file": functools.partial(each_file, by_rioxarray),
            "odc-stac": functools.partial(by_odc, None),
            "odc-stac with swath's driver": functools.partial(by_odc, "swath.cube.odc_driver.SwathDriver"),
            "async-geotiff": by_async_geotiff,
        }
        for codec, mark in (("deflate", 230), ("zstd", 400)):
            compare(f"stack of COGs, {codec}", stack[codec], side, local, mark)
            more = 100 * peak_memory(stack[codec], side)
            print(f"  peak memory of swath beyond the output: {more:.1f} % (mark 10)")
        server = subprocess.Popen(
            [sys.executable, __file__, "--serve", temporary], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            port = int(server.stdout.readline())
            remote = [f"http://127.0.0.1:{port}/{Path(each).name}" for each in stack["deflate"]]
            calls = {name: local[name] for name in ("swath", "rasterio, a thread a file", "async-geotiff")}
            compare("stack of COGs over HTTP, deflate", remote, side, calls, 200)
        finally:
            server.stdin.close()
            server.wait(10)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(Path(sys.argv[2]))
    else:
        main()
