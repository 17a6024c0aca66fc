"""The job folder: where each file lies, and how it is written so that no half of one is ever read."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rasterio import Affine

from swath.cube.odc_geo import GeoBox
from swath.model import JobState, JobStatus, NotFoundError, OutputError
from swath.processes import Unit
from swath.storage.whole import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@contextlib.contextmanager
def refusals(path: Path | str) -> Iterator[None]:
    """Turn what the file system refuses into an `OutputError`."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what, fix = f"output: no room is left for {str(path)!r}", "free some, or choose another --output"
        else:
            reason = (error.strerror or str(error)).lower()
            what, fix = f"output: {str(path)!r} cannot be written ({reason})", "choose another --output"
        raise OutputError(what, fix=fix) from error


class JobFolder:
    """A job on disk; readable without swath.

    Parameters
    ----------
    path : Path
        The folder; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.job_file = self.path / "job.json"
        self.items_file = self.path / "items.ndjson"
        self.units_file = self.path / "units.json"
        self.status_file = self.path / "status.json"
        self.script_file = self.path / "job.sh"
        self.log_file = self.path / "log.txt"
        self.cancel_file = self.path / "cancel"
        self.stage_file = self.path / "stage.json"
        self.slurm_file = self.path / "slurm.json"
        self.slurm_lock = self.path / ".slurm.lock"
        self.sent_file = self.path / ".sent.txt"
        self.send_lock = self.path / ".send.lock"
        self.tasks = self.path / "tasks"
        self.attempts = self.path / "attempts"
        self.results = self.path / "results"
        self.catalog_file = self.results / "catalog.json"
        self.finished: tuple[dict[str, Any], list[dict[str, Any]]] | None = None
        """Collection and items, kept by whoever finished the job, so that they need not be read again."""

    @cached_property
    def job(self) -> dict[str, Any]:
        """What is to be done: process, inputs, environment, resources."""
        try:
            return dict(json.loads(self.job_file.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise NotFoundError(f"job: {str(self.path)!r} is no job folder (it has no job.json)") from error

    @cached_property
    def items(self) -> list[dict[str, Any]]:
        """The pinned items."""
        with self.items_file.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.strip()]

    @cached_property
    def units(self) -> dict[str, Unit]:
        """The units, by id."""
        tree = json.loads(self.units_file.read_text(encoding="utf-8"))
        return {each["id"]: _parse_unit(each, tree.get("crs")) for each in tree["units"]}

    def write_units(self, units: Sequence[Unit]) -> None:
        """Write ``units.json``."""
        crs = next((str(each.geobox.crs) for each in units if each.geobox), None)
        write_json(self.units_file, {"crs": crs, "units": [_format_unit(each) for each in units]})

    def unit_folder(self, unit: str) -> Path:
        """Where the results of a unit lie once it is published."""
        return self.results / unit

    def published(self) -> set[str]:
        """Name the units that are published."""
        try:
            names = {each.name for each in os.scandir(self.results) if each.is_dir()}
        except FileNotFoundError:
            return set()
        return names & self.units.keys()

    def read_status(self) -> JobStatus | None:
        """Read ``status.json``; None where there is none yet."""
        try:
            tree = json.loads(self.status_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return JobStatus(**{**tree, "state": JobState(tree["state"])})

    def write_status(self, status: JobStatus) -> None:
        """Write ``status.json``."""
        write_json(self.status_file, asdict(status))

    def allow_bad(self) -> None:
        """Let the job go on without files that cannot be read."""
        self.job["skip_bad"] = True
        write_json(self.job_file, self.job)

    def send_to(self, address: str) -> None:
        """Let the results be put into a store when they are whole."""
        self.job["to"] = address
        write_json(self.job_file, self.job)

    def note_unstaged(self, bad: Mapping[str, str]) -> None:
        """Note the files that cannot be brought from tape, with the reasons: no unit is to wait for them."""
        if self.job.get("unstaged", {}) != bad:
            self.job["unstaged"] = dict(bad)
            write_json(self.job_file, self.job)

    def remove(self) -> None:
        """Delete all that a job writes, and the folder when nothing else is in it."""
        for each in (
            self.attempts,
            self.results,
            self.tasks,
            self.path / "provenance",
            self.path / "cluster",
        ):
            shutil.rmtree(each, ignore_errors=True)
        files = (
            self.job_file,
            self.items_file,
            self.units_file,
            self.status_file,
            self.script_file,
            self.log_file,
            self.slurm_file,
            self.slurm_lock,
            self.sent_file,
            self.send_lock,
            self.stage_file,
            self.path / ".stage.json.lock",
            self.path / "workers.json",
            *self.path.glob("log-*.txt"),
        )
        for each in (*files, self.cancel_file):
            each.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()


def _format_unit(unit: Unit) -> dict[str, Any]:
    tree: dict[str, Any] = {"id": unit.id, "items": list(unit.items)}
    if unit.geobox is not None:
        tree |= {"shape": list(unit.geobox.shape), "transform": list(unit.geobox.transform)[:6]}
    if unit.features:
        tree["features"] = list(unit.features)
    return tree


def _parse_unit(tree: dict[str, Any], crs: str | None) -> Unit:
    geobox = GeoBox(tree["shape"], Affine(*tree["transform"]), crs) if "transform" in tree else None
    return Unit(tree["id"], tuple(tree["items"]), geobox, tuple(tree.get("features", ())))
