"""Runs small jobs, and looks at what they leave with nothing but the standard library."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from swath.jobs import Request, Resources, submit

if TYPE_CHECKING:
    from swath.config import Settings
    from swath.jobs import Job

TWO = Resources(threads=2, memory_bytes=1_000_000_000)
ONE = Resources(threads=1, memory_bytes=1_000_000_000)
SMALL = {"index": "NDVI", "period": "P1Y", "tile_size": 48, "output_collection": "small"}
"""A composite of nine tiles, a tenth of a second each."""


def submit_small(
    settings: Settings, items: list[dict[str, Any]], output: Path | None = None, **inputs: Any
) -> Job:
    """Prepare a composite of some items."""
    return submit(Request("composite", {**SMALL, "items": items, **inputs}, output), settings)


def digests(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of every file of the units of a job, by its path; ids of jobs are in none of them."""
    results = folder / "results"
    return {
        str(each.relative_to(results)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(results.rglob("*"))
        if each.is_file() and each.parent != results
    }


def identities(folder: Path) -> dict[str, tuple[int, int]]:
    """Give inode and time of change of every file of the units of a job."""
    found = [each for each in sorted((folder / "results").glob("*/*")) if each.parent.name != "mosaic"]
    return {str(each): (each.stat().st_ino, each.stat().st_mtime_ns) for each in found}


def local_path(href: str, beside: Path) -> Path:
    """Resolve an href as a STAC reader does."""
    return Path(urljoin(str(beside), href))


def check_item(item: dict[str, Any], path: Path) -> None:
    """All assets are there, and each has the size and the checksum (multihash, SHA-256) of its item."""
    assert item["assets"], path
    for key, asset in item["assets"].items():
        file = local_path(asset["href"], path)
        assert file.is_file(), f"{path}: the asset {key} is not there"
        content = file.read_bytes()
        assert content, file
        if "file:checksum" in asset:
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest(), file
            assert asset["file:size"] == len(content)
    assert any("file:checksum" in each for each in item["assets"].values())


def check_results(folder: Path, units: int) -> bool:
    """Whatever is there is whole; True when it is all there."""
    results = folder / "results"
    for path in results.glob("*/*.json"):
        if path.name != "skipped.json":
            check_item(json.loads(path.read_text()), path)
    catalog = results / "catalog.json"
    if not catalog.exists():
        return False
    (child,) = [each["href"] for each in json.loads(catalog.read_text())["links"] if each["rel"] == "child"]
    collection = local_path(child, catalog)
    links = [each["href"] for each in json.loads(collection.read_text())["links"] if each["rel"] == "item"]
    assert len({local_path(each, collection).parent for each in links}) == units
    for each in links:
        path = local_path(each, collection)
        check_item(json.loads(path.read_text()), path)
    json.loads((folder / "provenance" / "ro-crate-metadata.json").read_text())
    return True


def check_catalog(path: Path, collection: str) -> int:
    """Every item that the catalog file lists in a collection is whole; give their number."""
    from swath.catalog import open_catalog
    from swath.model import NotFoundError

    if not path.exists():
        return 0
    try:
        opened = open_catalog(str(path))
    except NotFoundError:  # killed between making the file and its tables
        return 0
    with opened as catalog:
        if collection not in [each["id"] for each in catalog.collections()]:
            return 0
        items = list(catalog.search(collections=[collection]).items_as_dicts())
    for item in items:
        check_item(item, path)
    return len(items)


def rows(home: Path) -> list[str]:
    """Give the ids of the job store, read without swath."""
    path = home / "jobs.sqlite"
    if not path.exists():
        return []
    connection = sqlite3.connect(path)
    try:
        return [each for (each,) in connection.execute("SELECT id FROM jobs")]
    finally:
        connection.close()
