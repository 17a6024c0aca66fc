"""How fast cubes are read out of S3 (SeaweedFS), WebDAV (rclone) and a web server (nginx) on the loopback.

16 files of 4004 x 4004 int16, deflate with predictor 2, blocks of 512; two threads; CPU-seconds of the client
alone. ``--side 1001`` makes smaller ones. GDAL reads the same addresses with the same credentials.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib
import shutil
import sys
import tempfile
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import bench_reader
import rasterio

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from storage.servers import BUCKET, KEY, SECRET, nginx, rclone_webdav, s3_settings, seaweedfs, webdav_settings  # noqa: E402

from swath.storage import use_stores  # noqa: E402
from swath.storage.gdal import gdal_env, gdal_place  # noqa: E402

if TYPE_CHECKING:
    import numpy as np
    from storage.servers import Server


def by_gdal(address: str, out: np.ndarray) -> None:
    """Read one file by rasterio, with the credentials of its store."""
    place, options = gdal_place(address)
    with (
        gdal_env(options, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        rasterio.open(place, sharing=False) as file,
    ):
        file.read(1, out=out)


def by_async_geotiff(server: Server, paths: list[str], out: np.ndarray) -> None:
    """Read all of a bucket by async-geotiff, four at once."""
    module, stores = importlib.import_module("async_geotiff"), importlib.import_module("obstore.store")
    bucket = stores.S3Store(
        BUCKET, endpoint=server.url, region="us-east-1", access_key_id=KEY, secret_access_key=SECRET,
        client_options={"allow_http": True},
    )  # fmt: skip

    async def read(at: int) -> None:
        file = await module.GeoTIFF.open(paths[at].split(f"{BUCKET}/")[1], store=bucket)
        out[at] = (await file.read()).data[0]

    async def every() -> None:
        for at in range(0, len(paths), 4):
            await asyncio.gather(*(read(number) for number in range(at, min(at + 4, len(paths)))))

    asyncio.run(every())


def main() -> None:
    """Print a table for each kind of store."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=4004)
    side = parser.parse_args().side
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as servers:
        folder = Path(temporary)
        for each in ("stack", "s3", "dav", "web"):
            (folder / each).mkdir()
        files = bench_reader.make_stack(folder / "stack", side)["deflate"]
        s3 = servers.enter_context(seaweedfs(folder / "s3"))
        dav = servers.enter_context(rclone_webdav(folder / "dav"))
        web = servers.enter_context(nginx(folder / "web"))
        book = use_stores({"eo": s3_settings(s3), "drive": webdav_settings(dav)})
        for each in map(Path, files):
            for name in ("eo", "drive"):
                book.store(name).put(f"stack/{each.name}", each)
            shutil.copy(each, web.folder / each.name)
        names = [Path(each).name for each in files]
        gdal = functools.partial(bench_reader.each_file, by_gdal)
        geotiff = functools.partial(by_async_geotiff, s3)
        tables = {
            "S3 (SeaweedFS)": ([f"s3://{BUCKET}/stack/{each}" for each in names], {"async-geotiff": geotiff}),
            "WebDAV (rclone)": ([f"{dav.url}/stack/{each}" for each in names], {}),
            "a web server (nginx)": (
                [f"{web.url}/{each}" for each in names],
                {"async-geotiff": bench_reader.by_async_geotiff},
            ),
        }
        for title, (addresses, more) in tables.items():
            calls = {"swath": bench_reader.ours, "rasterio, a thread a file": gdal, **more}
            bench_reader.compare(f"stack of COGs from {title}", addresses, side, calls, 200, files)


if __name__ == "__main__":
    main()
