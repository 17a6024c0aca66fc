"""Turns a process and its inputs into a job folder: items found and pinned, work cut into units."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import platform
import secrets
import shlex
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.catalog import open_catalog
from swath.cube.sources import band_sources
from swath.jobs.folder import JobFolder, refusals
from swath.jobs.given import read_given_items
from swath.jobs.staging import files_with_tape, write_recall
from swath.model import MissingAssetError, NotFoundError, OutputError, format_instant
from swath.processes import PlanLimits, Process, get_process, parse_inputs
from swath.products.place import try_writing, whole_address
from swath.storage.whole import write_bytes, write_json
from swath.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from swath.config import Settings
    from swath.jobs.orders.ledger import OrdersRead
    from swath.processes import ItemInputs, WorkPlan
    from swath.storage.staging import TapeFile

_PACKAGES = ("numpy", "numba", "rasterio", "odc-geo", "pyproj", "shapely", "spyndex", "xarray", "zarr")


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants to be run."""

    process: str
    """Name of the process."""
    inputs: Mapping[str, Any]
    """Its inputs, as given."""
    output: Path | None = None
    """The job folder; one under the settings' home unless given."""
    skip_bad: bool = False
    """True when files that cannot be read are left out."""
    title: str = ""
    """What people call the job."""
    files_here: bool = True
    """False when the files lie where the job will run, and not here."""
    to: str = ""
    """Address in a store that the results are put into; empty: they stay in the job folder alone."""
    listed: bool = True
    """False when the catalog does not take the results in: somebody else sees to what becomes of them."""
    orders: OrdersRead | None = None
    """Orders that have made what it reads: they are kept until it has ended."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A request that was checked, with its items and units; nothing is written yet."""

    job: dict[str, Any]
    """What ``job.json`` will say."""
    items: list[dict[str, Any]]
    """The items that it will read."""
    work: WorkPlan
    """Its units."""
    recall: tuple[TapeFile, ...] = ()
    """The files that it will read from stores with tape."""


def plan(request: Request, settings: Settings) -> Planned:
    """Check a request, find its items, and plan its units.

    Raises
    ------
    InputError, NotFoundError
        A mistake in the request.
    """
    process = get_process(request.process)
    inputs: Any = parse_inputs(process, request.inputs)
    items, sources = find_items(inputs, settings)
    if request.files_here:
        missing = [each for each in local_files(items) if not Path(each).exists()]
        refuse_missing(missing, skip_bad=request.skip_bad)
    ids = sorted({str(each.get("collection")) for each in items})
    rules = {key: value for key, value in settings.valid.items() if key in ids}
    work = process.plan(inputs, items, PlanLimits(settings.unit_memory_bytes, rules))
    job = _describe(process, inputs, items, work, request)
    if request.to:
        job["to"] = whole_address(request.to)
    if not request.listed:
        job["listed"] = False
    return Planned({**job, "rules": rules, "sources": sources}, items, work, files_with_tape(items, work))


def prepare(request: Request, settings: Settings) -> JobFolder:
    """Check a request, find its items, plan its units, and write the job folder.

    Parameters
    ----------
    request : Request
        What is to be run.
    settings : Settings
        Catalog, home, memory and rules.

    Returns
    -------
    JobFolder
        A new one; or, where ``output`` holds a job of the same process, inputs, items and version, that
        one, with the units that it has published.

    Raises
    ------
    InputError, NotFoundError, OutputError
        Before anything is written.
    """
    return write_planned(request, plan(request, settings), settings)


def write_planned(request: Request, planned: Planned, settings: Settings) -> JobFolder:
    """Write the folder of a job that was planned, or find the one that holds it already."""
    if request.to:
        try_writing(request.to)
    folder = JobFolder(Path(request.output or settings.home / "jobs" / planned.job["id"]))
    if folder.job_file.exists():
        _resumed(folder, planned.job)
    else:
        _written(folder, planned)
    if request.orders is not None:
        request.orders.hold(folder.path)
    return folder


def find_items(
    inputs: ItemInputs, settings: Settings
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Find the items of a job: those that are given, or what the catalog has now.

    Returns
    -------
    items : list of dict
    sources : dict of collection id to dict
        What citing their collections takes: title, licence, providers, DOI.

    Raises
    ------
    NotFoundError
        An unknown collection, or nothing found; the message says what was asked.
    """
    if inputs.items is not None:
        items = read_given_items(inputs.items)
        if not items:
            raise NotFoundError("items: there is none in what was given")
        return items, {}
    catalog = open_catalog(inputs.catalog or settings.catalog_path)
    found = list(
        catalog.search(
            collections=list(inputs.collection), bbox=inputs.bbox, intersects=inputs.geometry,
            datetime=inputs.datetime, filter=inputs.filter, sortby="datetime,id", limit=1000,
        ).items_as_dicts()
    )  # fmt: skip
    if not found:
        raise NotFoundError(_nothing_found(inputs, catalog), fix=_where_to_look(inputs, catalog))
    return found, {each: _about(catalog.get_collection(each)) for each in inputs.collection}


def _about(collection: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "title", "license", "providers", "sci:doi", "sci:citation", "sci:publications")
    about = {key: collection[key] for key in kept if key in collection}
    about["links"] = [
        each for each in collection.get("links", ()) if each.get("rel") in ("license", "cite-as", "about")
    ]
    return about


def _nothing_found(inputs: ItemInputs, catalog: Any) -> str:
    asked = [f"collection {', '.join(inputs.collection)}"]
    said = ((name, getattr(inputs, name)) for name in ("bbox", "datetime", "filter"))
    asked += [f"{name} {value}" for name, value in said if value is not None]
    if inputs.geometry is not None:
        asked.append("the geometry")
    there = []
    for each in inputs.collection:
        boxes, times = _extent(catalog, each)
        there.append(f"{each} has {boxes[0]}, {' to '.join(str(time)[:10] for time in times[0])}")
    return f"search: no item fits {', '.join(asked)} ({'; '.join(there)})"


def _extent(catalog: Any, collection: str) -> tuple[list[Any], list[Any]]:
    extent = catalog.get_collection(collection).get("extent", {})
    boxes = extent.get("spatial", {}).get("bbox") or [None]
    return boxes, extent.get("temporal", {}).get("interval") or [[None, None]]


def _where_to_look(inputs: ItemInputs, catalog: Any) -> str:
    """Propose the bbox with latitude and longitude swapped, where the collection is there."""
    if inputs.bbox is not None:
        south, west, north, east = inputs.bbox
        boxes = [box for each in inputs.collection for box in _extent(catalog, each)[0] if box]
        if any(
            box[0] <= east and west <= box[-2] and box[1] <= north and south <= box[-1]
            for box in boxes
            if len(box) == 4
        ):
            return f"swap latitude and longitude: bbox={west},{south},{east},{north}"
    return "widen the search; try `swath catalog search`"


def local_files(items: Sequence[dict[str, Any]]) -> list[str]:
    """List the files of items that are paths, and no addresses."""
    hrefs = {source.href for item in items for source in band_sources(item)}
    return sorted(each for each in hrefs if each.startswith("/") and not each.startswith("/vsi"))


def refuse_missing(missing: Sequence[str], *, skip_bad: bool) -> None:
    """Refuse items whose files are not there, before any is read.

    Raises
    ------
    MissingAssetError
        Unless such files are to be left out.
    """
    if missing and not skip_bad:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise MissingAssetError(
            f"asset: there is no file {missing[0]!r}{more}", fix="restore it, or leave it out with --skip-bad"
        )


def _describe(
    process: Process, inputs: Any, items: Sequence[dict[str, Any]], work: WorkPlan, request: Request
) -> dict[str, Any]:
    said = inputs.model_dump(mode="json", exclude_defaults=True)
    for name in ("catalog", "items"):  # where the items were found is no part of what is made of them
        said.pop(name, None)
    if inputs.items is not None:
        said["items"] = []
    identity = json.dumps(
        [process.id, process.version, __version__, said, items], sort_keys=True, default=str
    )
    digest = hashlib.sha256(identity.encode()).hexdigest()
    collections = "-".join(inputs.collection) or str(items[0].get("collection") or "items")
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return {
        "id": f"{process.id}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
        "process": process.id, "process_version": process.version, "title": request.title or process.title,
        "swath_version": __version__, "inputs": said, "digest": digest,
        "collection": inputs.output_collection or f"{collections}-{process.id}-{digest[:6]}",
        "source_collections": sorted({str(each.get("collection")) for each in items}),
        "context": dict(work.context), "unit_bytes": work.unit_bytes, "skip_bad": request.skip_bad,
        "created": format_instant(now), "environment": environment(),
    }  # fmt: skip


@cache
def environment() -> dict[str, Any]:
    """Tell what a job runs with: Python, platform, environment, packages that decide about numbers."""
    import rasterio

    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(), "platform": platform.platform(), "machine": platform.machine(),
        "swath": __version__, "gdal": rasterio.__gdal_version__, "packages": packages,
        "environment": os.environ.get("SWATH_ENVIRONMENT", "own"),
    }  # fmt: skip


def _resumed(folder: JobFolder, job: Mapping[str, Any]) -> JobFolder:
    if folder.job.get("digest") != job["digest"]:
        raise OutputError(
            f"output: {str(folder.path)!r} holds another job ({folder.job.get('id')})",
            fix="choose another --output, or delete that folder",
        )
    if job["skip_bad"] and not folder.job["skip_bad"]:
        folder.allow_bad()
    if "to" in job:
        folder.send_to(job["to"])
    return folder


def _written(folder: JobFolder, planned: Planned) -> JobFolder:
    """Write the folder; ``job.json`` comes last, so that a folder with it is whole."""
    path = folder.path
    with refusals(path):
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise OutputError(f"output: {str(path)!r} is not empty", fix="choose another --output")
    try:
        lines = [json.dumps(each, ensure_ascii=False, sort_keys=True) for each in planned.items]
        write_bytes(folder.items_file, ("\n".join(lines) + "\n").encode())
        folder.write_units(planned.work.units)
        write_bytes(folder.script_file, _script(path).encode())
        if planned.recall:
            write_recall(folder, planned.recall)
        write_json(folder.job_file, planned.job)
    except BaseException:
        folder.remove()
        raise
    return folder


def _script(path: Path) -> str:
    return (
        "#!/bin/sh\n# Runs, or goes on with, this job: units that are published are not done again.\n"
        f"exec {shlex.quote(sys.executable)} -m swath jobs exec {shlex.quote(str(path))}\n"
    )
