"""How long searches of the embedded catalog take, beside a scan of the same items in plain Python.

Run it with ``python benchmarks/bench_catalog.py [--items 100000] [--keep FILE]``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from swath.catalog import SqliteCatalog

BANDS = (
    "coastal",
    "blue",
    "green",
    "red",
    "rededge1",
    "rededge2",
    "rededge3",
    "nir",
    "nir08",
    "swir16",
    "swir22",
    "scl",
)
LAND = (
    (-10, 36, 30, 60),
    (-125, 25, -70, 50),
    (-75, -35, -40, 5),
    (10, -30, 40, 15),
    (70, 10, 125, 45),
    (115, -38, 153, -12),
)
START = dt.datetime(2016, 1, 1, tzinfo=dt.UTC)


def item(number: int, rng: random.Random) -> dict:
    """One Sentinel-2-like item: land, one of 1.1 degree tiles, ten years, most days cloudy or clear."""
    west, south, east, north = rng.choice(LAND)
    x, y = round(rng.uniform(west, east) / 1.0) * 1.0, round(rng.uniform(south, north) / 1.0) * 1.0
    when = START + dt.timedelta(seconds=rng.randrange(10 * 365 * 86400))
    cloud = round(100 * rng.betavariate(0.4, 0.4), 2) if rng.random() < 0.9 else None
    collection = "sentinel-2-l2a" if rng.random() < 0.7 else "landsat-c2-l2"
    name = f"S2_{int(x)}_{int(y)}_{when:%Y%m%dT%H%M%S}_{number}"
    box = [x, y, x + 1.1, y + 1.0]
    ring = [[x + 0.05, y], [x + 1.1, y + 0.03], [x + 1.06, y + 1.0], [x, y + 0.97], [x + 0.05, y]]
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    properties = {
        "datetime": stamp, "platform": "sentinel-2a", "constellation": "sentinel-2", "instruments": ["msi"],
        "gsd": 10, "created": stamp, "view:sun_elevation": round(rng.uniform(10, 70), 3),
        "proj:code": "EPSG:32631",
    }  # fmt: skip
    if cloud is not None:
        properties["eo:cloud_cover"] = cloud
    base = f"https://example.com/eo/{collection}/{when:%Y/%m/%d}/{name}"
    return {
        "type": "Feature", "stac_version": "1.1.0", "stac_extensions": [], "id": name,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": box,
        "properties": properties, "links": [],
        "assets": {
            band: {"href": f"{base}/{band}.tif",
                   "type": "image/tiff; application=geotiff; profile=cloud-optimized",
                   "title": band, "roles": ["data"], "gsd": 10}
            for band in BANDS
        },
    }  # fmt: skip


def boxes(rng: random.Random, count: int, size: float) -> list[tuple[float, float, float, float]]:
    out = []
    for _ in range(count):
        west, south, east, north = rng.choice(LAND)
        x, y = rng.uniform(west, east - size), rng.uniform(south, north - size)
        out.append((x, y, x + size, y + size))
    return out


def year(rng: random.Random) -> str:
    return str(rng.randrange(2016, 2026))


def queries(rng: random.Random, rounds: int, names: list[tuple[str, str]]) -> dict[str, list[dict]]:
    """Give the parameters of each kind of search, other ones each time."""

    def polygon(box: tuple[float, float, float, float]) -> dict:
        w, s, e, n = box
        return {"type": "Polygon", "coordinates": [[[w, s], [e, s], [(w + e) / 2, n], [w, s]]]}

    small, large = boxes(rng, rounds, 0.5), boxes(rng, rounds, 12.0)
    return {
        "bbox": [{"bbox": each} for each in small],
        "bbox large": [{"bbox": each} for each in large],
        "bbox + year": [{"bbox": each, "datetime": year(rng)} for each in small],
        "bbox large + year": [{"bbox": each, "datetime": year(rng)} for each in large],
        "world + year": [{"bbox": (-180, -90, 180, 90), "datetime": year(rng)} for _ in small],
        "sort by cloud": [{"sortby": "eo:cloud_cover"} for _ in small],
        "sort by -cloud": [{"sortby": "-eo:cloud_cover"} for _ in small],
        "bbox + sort by cloud": [{"bbox": each, "sortby": "eo:cloud_cover"} for each in small],
        "bbox large + year + sort": [
            {"bbox": b, "datetime": year(rng), "sortby": "eo:cloud_cover"} for b in large
        ],
        "by id": [{"ids": [rng.choice(names)[1]]} for _ in small],
        "newest": [{} for _ in small],
        "collection newest": [{"collections": ["landsat-c2-l2"]} for _ in small],
        "intersects": [{"intersects": polygon(each)} for each in small],
        "intersects large": [{"intersects": polygon(each)} for each in large],
        "cql2 cloud < 5": [{"filter": "eo:cloud_cover < 5"} for _ in small],
        "cql2 cloud+place+time": [
            {"filter": f"eo:cloud_cover < 10 AND s_intersects(geometry, BBOX({','.join(map(str, b))})) "
             f"AND t_during(datetime, INTERVAL('{(y := rng.randrange(2016, 2026))}-03-01','{y}-09-30'))"}
            for b in small
        ],
        "cql2 platform": [
            {"filter": "platform = 'sentinel-2a' AND \"view:sun_elevation\" > 50"} for _ in small
        ],
    }  # fmt: skip


def measure(catalog: SqliteCatalog, parameters: list[dict], limit: int) -> tuple[list[float], float]:
    times, found = [], 0
    for each in parameters:
        start = time.perf_counter()
        page = catalog.search(limit=limit, **each).page()
        times.append((time.perf_counter() - start) * 1000)
        found += len(page.items)
    return times, found / len(parameters)


def scan(rows: list[tuple], parameters: dict) -> list[tuple]:
    """Do a box, a time and the default order in plain Python."""
    box, when = parameters.get("bbox"), parameters.get("datetime")
    out = []
    for row in rows:
        if box and not (row[1] <= box[2] and row[3] >= box[0] and row[2] <= box[3] and row[4] >= box[1]):
            continue
        if when and not row[0].startswith(when):
            continue
        out.append(row)
    out.sort(key=lambda row: row[0], reverse=True)
    return out[:10]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--keep", type=Path, help="use, or make, this file")
    given = parser.parse_args()
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        path = given.keep or Path(folder) / "bench.sqlite"
        fresh = not path.exists()
        catalog = SqliteCatalog(path, create=True)
        rows, names = [], []
        start, cpu = time.perf_counter(), time.process_time()
        batch: list[dict] = []
        for number in range(given.items):
            made = item(number, rng)
            rows.append((made["properties"]["datetime"], *made["bbox"]))
            names.append((made["collection"], made["id"]))
            batch.append(made)
            if fresh and (len(batch) == 2000 or number == given.items - 1):
                report = catalog.upsert_items(batch)
                assert not report.rejected
            if len(batch) == 2000:
                batch = []
        if fresh:
            spent, cpu = time.perf_counter() - start, time.process_time() - cpu
            print(f"{given.items} items in {spent:.1f} s wall, {cpu:.1f} CPU-s: "
                  f"{given.items / cpu:.0f} items per CPU-s; "
                  f"{path.stat().st_size / given.items:.0f} bytes per item", file=sys.stderr)  # fmt: skip
        gc.freeze()  # the collector need not walk a million names while a search is timed
        kinds = queries(rng, given.rounds, names)
        print(f"{'search':28}{'limit':>6}{'found':>8}{'p50 ms':>9}{'p95 ms':>9}{'scan ms':>10}")
        for kind, parameters in kinds.items():
            slow = None
            if set(parameters[0]) <= {"bbox", "datetime"}:
                start = time.perf_counter()
                scan(rows, parameters[0])
                slow = (time.perf_counter() - start) * 1000
            for limit in (10, 100):
                times, found = measure(catalog, parameters, limit)
                p50, p95 = statistics.median(times), statistics.quantiles(times, n=20)[18]
                beside = "" if slow is None else f"{slow:10.1f}"
                print(f"{kind:28}{limit:6}{found:8.1f}{p50:9.2f}{p95:9.2f}{beside}")
                record = {"benchmark": "catalog", "items": given.items, "search": kind, "limit": limit,
                          "p50_ms": round(p50, 3), "p95_ms": round(p95, 3),
                          "scan_ms": slow and round(slow, 1)}  # fmt: skip
                print(json.dumps(record), file=sys.stderr)
        catalog.close()


if __name__ == "__main__":
    main()
