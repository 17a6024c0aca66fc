"""Does one unit: into a folder of its own attempt, then published by one rename."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import socket
from typing import TYPE_CHECKING, Any

from swath.jobs.folder import JobFolder, refusals
from swath.jobs.staging import without_unstaged
from swath.processes import Table, Unit, UnitWork, get_process, parse_inputs
from swath.products import Lineage, write_raster, write_zarr

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from swath.processes import Output

PROVENANCE = "provenance/ro-crate-metadata.json"
TABLE_PART = "part.parquet"
SKIPPED = "skipped.json"


def run_unit(folder: JobFolder, name: str, *, threads: int = 1) -> bool:
    """Compute a unit and publish it.

    Parameters
    ----------
    folder : JobFolder
        The job.
    name : str
        Id of the unit.
    threads : int
        Threads that it may use.

    Returns
    -------
    bool
        False when it was published already, before or meanwhile, by another copy of the job.
    """
    target = folder.unit_folder(name)
    if target.exists():
        return False
    # The name tells who wrote it, for the one who finds a remainder; the random part makes it nobody else's.
    attempt = folder.attempts / f"{name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
    with refusals(attempt):
        attempt.mkdir(parents=True)
    try:
        compute_unit(folder, folder.units[name], attempt, threads=threads)
        return _publish(attempt, target)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _publish(attempt: Path, target: Path) -> bool:
    with refusals(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            attempt.rename(target)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
    return True


def compute_unit(folder: JobFolder, unit: Unit, target: Path, *, threads: int = 1) -> list[dict[str, Any]]:
    """Compute a unit and write its products into a folder.

    Returns
    -------
    list of dict
        Its items; none for a unit of a table, which is put together at the end.
    """
    job = folder.job
    process = get_process(job["process"])
    inputs = parse_inputs(process, job["inputs"])
    several = len(folder.units) > 1
    work = UnitWork(
        unit=unit, items=[without_unstaged(folder.items[at], job) for at in unit.items],
        context=job["context"], rules=job["rules"],
        name=f"{job['collection']}_{unit.id}" if several else job["collection"], threads=threads,
        skip_bad=job["skip_bad"],
    )  # fmt: skip
    outputs = process.run(inputs, work)
    lineage = lineage_of(folder, unit, without=work.skipped)
    items = _write(outputs, target, lineage, job["inputs"].get("format", "cog"))
    if work.skipped:
        (target / SKIPPED).write_text(json.dumps(work.skipped, indent=1, sort_keys=True), encoding="utf-8")
    return items


def _write(outputs: Sequence[Output], target: Path, lineage: Lineage, form: str) -> list[dict[str, Any]]:
    with refusals(target):
        tables = [each for each in outputs if isinstance(each, Table)]
        rasters = [each for each in outputs if not isinstance(each, Table)]
        for each in tables:
            each.frame.to_parquet(target / TABLE_PART, index=False)
        if form == "zarr" and rasters:
            return [write_zarr(target, rasters, lineage)]
        return [write_raster(target, each, lineage) for each in rasters]


def lineage_of(folder: JobFolder, unit: Unit | None, *, without: Collection[str] = ()) -> Lineage:
    """Tell how a unit's products come about; for the whole job where no unit is given.

    Parameters
    ----------
    folder : JobFolder
        The job.
    unit : Unit or None
        The unit.
    without : collection of str
        Ids of items that were left out.
    """
    job = folder.job
    numbers = unit.items if unit else range(len(folder.items))
    items = [folder.items[at] for at in numbers]
    up = "../../"  # from results/UNIT/ITEM.json, or results/table/ITEM.json
    return Lineage(
        process=job["process"], version=job["process_version"],
        expression=job["inputs"],
        derived_from=tuple((_href(each, up), str(each["id"])) for each in items if each["id"] not in without),
        provenance_href=f"{up}{PROVENANCE}", collection=job["collection"],
    )  # fmt: skip


def _href(item: dict[str, Any], up: str) -> str:
    """Tell where an input item is: its own address where it has one, else its line in the job folder."""
    own = [each["href"] for each in item.get("links", ()) if each.get("rel") in ("self", "canonical")]
    return str(own[0]) if own and "://" in own[0] else f"{up}items.ndjson#{item['id']}"
