"""How much of a job of many small units passes outside them: planning, book-keeping, mosaics, the catalog.

Run with a number of units (10 000 unless given). Prints one table and one JSON line. The mark: less than 5 %.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.transform import from_origin

from swath.config import Settings
from swath.jobs import Request, Resources, submit
from swath.jobs.units import run_unit

TILE = 16
DATES = ("20200110", "20200120", "20200210")


def make_items(folder: Path, side: int) -> list[dict]:
    """Write three images and describe them."""
    rng = np.random.default_rng(0)
    transform = from_origin(500_000, 5_000_000, 10, 10)
    items = []
    box = [27.0, 45.0, 27.5, 45.3]
    for date in DATES:
        path = folder / f"{date}.tif"
        profile = {
            "driver": "GTiff", "width": side, "height": side, "count": 2, "dtype": "uint16", "nodata": 0,
            "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate",
            "crs": "EPSG:32635", "transform": transform,
        }  # fmt: skip
        with rasterio.open(path, "w", **profile) as file:
            file.write(rng.integers(0, 5000, (2, side, side), np.uint16))
        asset = {
            "href": str(path), "type": "image/tiff; application=geotiff", "roles": ["data"],
            "proj:code": "EPSG:32635", "proj:transform": list(transform)[:6], "proj:shape": [side, side],
            "bands": [{"name": "red"}, {"name": "nir"}], "nodata": 0, "raster:scale": 1e-4,
        }  # fmt: skip
        items.append(
            {
                "type": "Feature", "stac_version": "1.1.0", "id": date, "collection": "made", "bbox": box,
                "geometry": shapely.geometry.mapping(shapely.box(*box)), "links": [],
                "properties": {"datetime": f"{date[:4]}-{date[4:6]}-{date[6:]}T00:00:00Z"},
                "assets": {"both": asset},
            }
        )  # fmt: skip
    return items


def main(count: int) -> None:
    """Run the job with clocks around each unit."""
    side = TILE * math.isqrt(count)
    inside = [0.0]
    lock = threading.Lock()

    def timed(*args, **kwargs):
        began = time.thread_time()
        try:
            return run_unit(*args, **kwargs)
        finally:
            with lock:
                inside[0] += time.thread_time() - began

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        items = make_items(folder, side)
        settings = Settings.parse({"home": str(folder / "home")})
        inputs = {"items": items, "index": "NDVI", "period": "P1Y", "tile_size": TILE}
        began, cpu = time.perf_counter(), time.process_time()
        job = submit(Request("composite", inputs, folder / "job"), settings)
        planned = time.process_time() - cpu
        sys.modules["swath.jobs.execute"].run_unit = timed
        status = job.run(Resources(threads=2, memory_bytes=4_000_000_000))
        total, wall = time.process_time() - cpu, time.perf_counter() - began
    assert status.state == "successful", status.message
    outside = total - inside[0]
    row = {
        "units": status.units_done, "wall_s": round(wall, 1), "cpu_s": round(total, 1),
        "inside_cpu_s": round(inside[0], 1), "planning_cpu_s": round(planned, 1),
        "outside_percent": round(100 * outside / total, 1),
        "ms_per_unit": round(1000 * inside[0] / status.units_done, 1),
    }  # fmt: skip
    print("  ".join(f"{key}={value}" for key, value in row.items()))
    print(json.dumps(row))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
