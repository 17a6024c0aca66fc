"""The whole of a monthly composite: read, mask, median, write; beside odc-stac and xarray written by hand.

Makes 24 images of 2048 x 2048 (red, nir, SCL in files of their own, as catalogs have them) in a temporary
folder. Both read on two threads and write one COG a month; ours another of clear images, a
picture, and an item with statistics and checksums. CPU-seconds of whole processes, in turn.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from measure import print_table
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from rasterio.windows import from_bounds

from swath.products.footprint import footprint_of

SIDE, DATES, RUNS = 2048, 24, 5


def make_items(folder: Path) -> list[dict]:
    """Write the images and describe them."""
    rng = np.random.default_rng(0)
    transform = from_origin(500_000, 5_000_000, 10, 10)
    geometry, box = footprint_of(GeoBox((SIDE, SIDE), transform, "EPSG:32635"))
    base = rng.integers(500, 4000, (SIDE // 16, SIDE // 16)).repeat(16, 0).repeat(16, 1)
    items = []
    for number in range(DATES):
        date = np.datetime64("2020-01-05") + np.timedelta64(15 * number, "D")
        assets = {}
        for band in ("red", "nir", "SCL"):
            path = folder / f"{date}_{band}.tif"
            if band == "SCL":
                data = np.where(rng.random((SIDE // 32, SIDE // 32)) < 0.4, 8, 4).repeat(32, 0).repeat(32, 1)
            else:
                data = base + rng.integers(0, 200, (SIDE, SIDE))
            profile = {
                "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "uint16", "nodata": 0,
                "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "predictor": 2,
                "crs": "EPSG:32635", "transform": transform,
            }  # fmt: skip
            with rasterio.open(path, "w", **profile) as file:
                file.write(data.astype(np.uint16), 1)
            scale = {} if band == "SCL" else {"raster:scale": 1e-4}
            assets[band] = {
                "href": str(path), "type": "image/tiff; application=geotiff", "roles": ["data"], "nodata": 0,
                "proj:code": "EPSG:32635", "proj:transform": list(transform)[:6], "proj:shape": [SIDE, SIDE],
                "bands": [{"name": band, "data_type": "uint16", "nodata": 0, **scale}],
            }  # fmt: skip
        items.append(
            {
                "type": "Feature", "stac_version": "1.1.0", "id": str(date), "collection": "made",
                "bbox": box,
                "geometry": geometry, "links": [], "assets": assets,
                "properties": {"datetime": f"{date}T00:00:00Z", "proj:code": "EPSG:32635"},
                "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"],
            }
        )  # fmt: skip
    return items


BY_HAND = """
import json, sys
import dask, odc.stac, pystac
from odc.geo.xr import write_cog
dask.config.set(scheduler="threads", num_workers=2)
folder = sys.argv[1]
items = [pystac.Item.from_dict(each) for each in json.load(open(folder + "/items.json"))["features"]]
bands = ["red", "nir", "SCL"]
ds = odc.stac.load(items, bands=bands, chunks={"x": 512, "y": 512}, crs="EPSG:32635", resolution=10)
clear = ds.SCL == 4
red, nir = (ds[each].where(clear & (ds[each] != 0)).astype("float32") * 1e-4 for each in ("red", "nir"))
ndvi = ((nir - red) / (nir + red)).chunk(time=-1)
monthly = ndvi.resample(time="1MS").median().compute()
for month in monthly:
    whole = (month.fillna(-3.2768) * 10000).round().astype("int16").assign_attrs(nodata=-32768)
    write_cog(whole, f"{folder}/hand_{str(month.time.values)[:10]}.tif", overwrite=True)
"""


def cpu_of(command: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """Run a process; give its CPU-seconds and its peak of memory in MB."""
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1000


def main() -> None:
    """Run both, after one run of ours that compiles."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        items = {"type": "FeatureCollection", "features": make_items(folder)}
        (folder / "items.json").write_text(json.dumps(items))
        environ = {**os.environ, "SWATH_HOME": str(folder / "home"), "SWATH_THREADS": "2"}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as users have it: both keep their byte code
        environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")

        by_hand = [sys.executable, "-c", BY_HAND, str(folder)]

        def ours(run: int) -> list[str]:
            valid = 'valid={"band": "SCL", "values": [4]}'
            words = [f"items={folder / 'items.json'}", "index=NDVI", valid]
            inputs = [part for word in words for part in ("-i", word)]
            command = [sys.executable, "-m", "swath", "run", "composite", *inputs]
            return [*command, "--output", str(folder / f"job{run}")]

        cpu_of(ours(0), environ)
        cpu_of(by_hand, environ)
        pairs = [(cpu_of(ours(run), environ), cpu_of(by_hand, environ)) for run in range(1, RUNS + 1)]
        mine, hand = (np.array(each) for each in zip(*pairs, strict=True))  # (run, CPU-seconds and MB)
        (our_cpu, _), (hand_cpu, _) = np.median(mine, axis=0), np.median(hand, axis=0)
        work = DATES * SIDE * SIDE / 1e6
        rows = {"swath run composite": work / our_cpu, "odc-stac and xarray by hand": work / hand_cpu}
        print_table("monthly NDVI, read to written", "million pixel-dates", rows)
        same = share_of_same_pixels(folder)
        print(f"  same pixels: {100 * same:.2f} %; {hand_cpu / our_cpu:.2f} times less CPU (mark 3)")
        print(f"  peak memory: swath {mine[:, 1].max():.0f} MB, by hand {hand[:, 1].max():.0f} MB")


def share_of_same_pixels(folder: Path) -> float:
    """Compare the first month of both, within one step of 0.0001."""
    hand = min(folder.glob("hand_*.tif"))
    tiles = sorted((folder / "job1" / "results").glob("*/*_NDVI.tif"))
    first = min(each.stem.split("_")[-2] for each in tiles)
    same, count = 0, 0
    with rasterio.open(hand) as whole:
        for tile in tiles:
            if tile.stem.split("_")[-2] == first:
                with rasterio.open(tile) as part:
                    ours = part.read(1).astype(int)
                    theirs = whole.read(1, window=from_bounds(*part.bounds, whole.transform)).astype(int)
                same += int((np.abs(ours - theirs) <= 1).sum())
                count += ours.size
        if count != whole.width * whole.height:
            raise SystemExit(
                f"ours has {count} pixels, by hand {whole.width * whole.height}: not the same work"
            )
    return same / count


if __name__ == "__main__":
    main()
