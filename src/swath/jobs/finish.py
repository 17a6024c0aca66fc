"""Finishes a job whose units are all published: mosaics, tables, provenance, and last the catalog."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson

from swath.catalog.hrefs import absolute_href
from swath.jobs.prepare import environment
from swath.jobs.units import PROVENANCE, SKIPPED, TABLE_PART, lineage_of
from swath.model import JobFailedError, format_instant, parse_instant
from swath.products import merge_cog, write_crate, write_mosaic, write_table
from swath.storage.whole import write_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from swath.jobs.folder import JobFolder

TABLE = "table"
"""Folder of the table that the parts of all units become."""


def finish(folder: JobFolder) -> None:
    """Make a job's results whole; once more does no harm, and gives the same.

    Raises
    ------
    JobFailedError
        Units are missing, or there is nothing in any of them.
    """
    missing = sorted(folder.units.keys() - folder.published())
    if missing:
        raise JobFailedError(
            f"job {folder.job['id']}: {len(missing)} units are missing, such as {missing[0]}"
        )
    if any(each.features for each in folder.units.values()):
        _write_table(folder)
    paths = _item_paths(folder)
    items = [_absolute(each) for each in paths]
    if not items:
        raise JobFailedError(
            f"job {folder.job['id']}: no pixel of its items is good",
            fix="look at `valid`, the area and the time",
        )
    if len(folder.units) > 1:
        _write_mosaics(folder, items)
    skipped = _skipped(folder)
    collection = _collection(folder, items, skipped)
    hrefs = [f"./{each.removeprefix(f'{folder.results}/')}" for each in paths]
    links = [{"rel": "item", "href": each, "type": "application/geo+json"} for each in hrefs]
    own = {**collection, "links": [*collection["links"], *links]}
    write_json(folder.results / "collection.json", own)
    version, finished = folder.job["process_version"], format_instant(dt.datetime.now(dt.UTC))
    job = {**folder.job, "version": version, "started": folder.job["created"], "finished": finished}
    versions = _versions(environment())  # of where it ran, which may not be where it was planned
    write_crate(folder.path, job=job, items=folder.items, results=items, environment=versions)
    write_json(folder.catalog_file, _catalog(folder))
    collection["links"] = _absolute_links(collection, folder.results / "collection.json")
    folder.finished = (collection, items)


def _versions(about: dict[str, Any]) -> dict[str, Any]:
    own = {key: about[key] for key in ("python", "gdal", "environment")}
    return {**own, **about["packages"]}


def _item_paths(folder: JobFolder) -> list[str]:
    """Find the items of all units, in the order of their names; there may be very many."""
    found = []
    for unit in (*folder.units, TABLE):
        at = str(folder.unit_folder(unit))
        names = os.listdir(at) if unit != TABLE or os.path.isdir(at) else []  # noqa: PTH112, PTH208
        found += [(each, at) for each in names if each.endswith(".json") and each != SKIPPED]
    return [f"{at}/{name}" for name, at in sorted(found)]


def _write_table(folder: JobFolder) -> None:
    import geopandas
    import pandas as pd
    import shapely

    parts = [folder.unit_folder(each) / TABLE_PART for each in folder.units]
    frames = [geopandas.read_parquet(each) for each in parts if each.exists()]
    full = [each for each in frames if len(each)] or frames[:1]
    table = pd.concat(full, ignore_index=True).sort_values(["feature", "time", "variable"], ignore_index=True)
    context = folder.job["context"]
    geometry = shapely.box(*table.total_bounds) if len(table) else None
    write_table(
        folder.results / TABLE, table, id=folder.job["collection"], start=parse_instant(context["start"]),
        end=parse_instant(context["end"]), geometry=geometry,
        lineage=lineage_of(folder, None, without=_skipped(folder)),
    )  # fmt: skip


def _write_mosaics(folder: JobFolder, items: Sequence[dict[str, Any]]) -> None:
    """Make one image of the tiles of each time, for each layer."""
    groups = defaultdict(list)
    for item in items:
        for name, asset in item["assets"].items():
            if "data" in asset["roles"] and "image/tiff" in asset["type"]:
                groups[item["properties"]["start_datetime"], name].append(item)
    write = merge_cog if folder.job["inputs"].get("mosaic") == "cog" else write_mosaic
    for (start, name), tiles in groups.items():
        stamp = parse_instant(start).strftime("%Y%m%d")
        write(folder.results / "mosaic", tiles, name=f"{folder.job['collection']}_{stamp}_{name}", asset=name)


def _skipped(folder: JobFolder) -> dict[str, str]:
    """Gather which items were left out, and why."""
    skipped: dict[str, str] = {}
    for unit in folder.units if folder.job["skip_bad"] else ():
        path = folder.unit_folder(unit) / SKIPPED
        if path.exists():
            skipped.update(json.loads(path.read_text(encoding="utf-8")))
    return skipped


def _collection(
    folder: JobFolder, items: Sequence[dict[str, Any]], skipped: dict[str, str]
) -> dict[str, Any]:
    """Describe the results as a STAC collection."""
    job = folder.job
    boxes = [each["bbox"] for each in items if each.get("bbox")]
    wests, souths, easts, norths = zip(*boxes, strict=True)
    times = [(each["properties"]["start_datetime"], each["properties"]["end_datetime"]) for each in items]
    sources = ", ".join(job["source_collections"])
    left_out = {"swath:skipped_items": sorted(skipped)} if skipped else {}
    return {
        "type": "Collection", "stac_version": "1.1.0", "id": job["collection"], "title": job["title"],
        "description": f"{job['title']}: made from {sources} by swath {job['swath_version']}.",
        "license": "other", "keywords": ["swath", job["process"]],
        "extent": {
            "spatial": {"bbox": [[min(wests), min(souths), max(easts), max(norths)]]},
            "temporal": {"interval": [[min(each for each, _ in times), max(each for _, each in times)]]},
        },
        "swath:process": job["process"], "swath:inputs": job["inputs"], **left_out,
        "links": [{"rel": "processing-execution", "href": f"../{PROVENANCE}", "type": "application/ld+json"}],
    }  # fmt: skip


def _catalog(folder: JobFolder) -> dict[str, Any]:
    job = folder.job
    return {
        "type": "Catalog", "stac_version": "1.1.0", "id": job["id"],
        "description": f"Results of the job {job['id']}.",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            {"rel": "child", "href": "./collection.json", "type": "application/json", "title": job["title"]},
        ],
    }  # fmt: skip


def read_results(folder: JobFolder) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the results of a job that is finished.

    Returns
    -------
    collection : dict
    items : list of dict
        With absolute hrefs.
    """
    if folder.finished is not None:
        return folder.finished
    path = folder.results / "collection.json"
    collection = json.loads(path.read_text(encoding="utf-8"))
    links = [each["href"] for each in collection["links"] if each["rel"] == "item"]
    items = [_absolute(str(folder.results / each)) for each in links]
    collection["links"] = _absolute_links(collection, path)
    return collection, items


def _absolute_links(collection: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    links = [each for each in collection["links"] if each["rel"] != "item"]
    return [{**each, "href": absolute_href(each["href"], str(path))} for each in links]


def _absolute(path: str) -> dict[str, Any]:
    """Read an item of a unit, its hrefs made absolute."""
    with open(path, "rb") as file:  # noqa: PTH123 -- a Path takes longer than the reading, and items are many
        item = dict(orjson.loads(file.read()))
    beside, _, _ = path.rpartition("/")
    job = beside.rpartition("/")[0].rpartition("/")[0]

    def resolved(href: str) -> str:
        if href.startswith("./"):
            return f"{beside}/{href[2:]}"
        if href.startswith("../../") and not href.startswith("../../../"):
            return f"{job}/{href[6:]}"
        return absolute_href(href, path)

    for asset in item["assets"].values():
        asset["href"] = resolved(asset["href"])
    own = {"rel": "self", "href": path, "type": "application/geo+json"}
    item["links"] = [own, *({**each, "href": resolved(each["href"])} for each in item["links"])]
    return item
