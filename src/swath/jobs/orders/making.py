"""Makes what is ordered: claims it, runs its job here or at a site, and puts the assets into the catalog."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.catalog import open_catalog
from swath.jobs.folder import JobFolder
from swath.jobs.job import raise_failure
from swath.jobs.lifecycle import open_job, resources_of, submit
from swath.jobs.orders.cache import OrderCache, are_there, folder_bytes
from swath.jobs.orders.ledger import OrderKey, OrderRow, OrderState, owning
from swath.jobs.orders.outcome import made_assets
from swath.jobs.orders.recipes import with_assets
from swath.jobs.prepare import Request
from swath.model import CatalogError, JobState, NotFoundError, OutputError, SwathError, format_instant
from swath.sites.slurm import SlurmResources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from swath.config import Settings
    from swath.jobs.job import Job
    from swath.jobs.orders.recipes import Recipe
    from swath.jobs.slurm_job import SlurmJob

_POLL_S = 0.5
_POLL_SITE_S = 2.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made for an item."""

    key: OrderKey
    """Its name in the ledger."""
    recipe: Recipe
    """How it is made."""
    inputs: Mapping[str, Any]
    """Inputs of the process, with the items."""
    present: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What was made for it already, as the item has it; none where that is not all."""


@dataclass(slots=True)
class Made:
    """What has become of orders."""

    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the id of an order: what was made, as the item has it."""
    asked: int = 0
    """How many orders there were."""
    fresh: int = 0
    """How many were made now, by this process."""
    failed: dict[str, str] = field(default_factory=dict)
    """By the id of an order: why it could not be made."""
    folders: dict[str, str] = field(default_factory=dict)
    """By the id of an order: the folder of its job."""
    told: dict[str, float] = field(default_factory=dict)
    """By the id of an order: when it was made, seconds since 1970."""


@dataclass(slots=True)
class _Work:
    """How far a call of `Maker.make` is."""

    owner: str
    """Who makes, in the ledger."""
    since: float
    """When it began, seconds since 1970."""
    waiting: dict[str, Order]
    """What is not begun, or is made by somebody else; by id."""
    running: dict[str, tuple[Order, SlurmJob]] = field(default_factory=dict)
    """What is being made at a site."""
    made: Made = field(default_factory=Made)
    """What has become of the rest."""

    @property
    def is_left(self) -> bool:
        return bool(self.waiting or self.running)

    @property
    def done(self) -> int:
        return len(self.made.assets) + len(self.made.failed)

    def words(self, site: str) -> str:
        """Tell what is waited for."""
        if self.running:
            return f"{len(self.running)} are being made at {site}"
        return f"{len(self.waiting)} are made by another process"

    def finish(self, row: OrderRow) -> None:
        self._end(row.key.id)
        self.made.assets[row.key.id], self.made.told[row.key.id] = row.assets, row.ended
        self.made.folders[row.key.id] = row.key.folder

    def fail(self, id: str, why: str) -> None:
        self._end(id)
        self.made.failed[id] = why

    def _end(self, id: str) -> None:
        self.waiting.pop(id, None)
        self.running.pop(id, None)


class Maker:
    """Makes orders, each once, however many processes ask for it.

    Parameters
    ----------
    cache : OrderCache
        Where they are noted and kept.
    settings : Settings
        Resources here, and the sites.
    on : str
        ``local``, or a Slurm site of the settings.
    resources : SlurmResources, optional
        At a site: what each task asks for; as its settings say unless given.
    tell : callable of str
        Is told in a line how far it is.
    stop : threading.Event, optional
        Ends the making; what is done is kept.
    """

    def __init__(
        self,
        cache: OrderCache,
        settings: Settings,
        *,
        on: str = "local",
        resources: SlurmResources | None = None,
        tell: Callable[[str], object] = lambda _: None,
        stop: threading.Event | None = None,
    ) -> None:
        self.cache, self.settings, self.on = cache, settings, on
        self.resources = resources or SlurmResources()
        self.tell = tell
        self.stop = stop or threading.Event()

    def make(self, orders: Sequence[Order]) -> Made:
        """Make what is not there, and wait for what others make.

        Returns
        -------
        Made
            What there is then. One that fails does not keep the others from being made.

        Raises
        ------
        SwathError
            The ledger, the catalog or the site cannot be used, or there is no room.
        """
        made = self._find(orders)
        lacking = [each for each in orders if each.key.id not in made.assets]
        return self._make(lacking, made) if lacking else made

    def _find(self, orders: Sequence[Order]) -> Made:
        """Find what items have already; who may only read the catalog can use that too."""
        made = Made()
        present = {each.key.id: each for each in orders if each.present and are_there(each.present)}
        if present and self.cache.ledger.exists():
            try:
                kept = self.cache.ledger.touch(present)
            except CatalogError:
                kept = set(present)
            for id, order in present.items():
                if id in kept:
                    made.assets[id] = {key: dict(each) for key, each in order.present.items()}
                    made.folders[id] = order.key.folder
        return made

    def _make(self, orders: Sequence[Order], made: Made) -> Made:
        total = len(orders) + len(made.assets)
        with owning(self.cache.ledger) as owner:
            work = _Work(owner, time.time(), {each.key.id: each for each in orders}, made=made)
            while work.is_left and not self.stop.is_set():
                before = len(work.waiting), len(work.running)
                for order in list(work.waiting.values()):
                    if self.stop.is_set() or len(work.running) >= self.settings.orders.at_once:
                        break
                    if self._claim(order, work):
                        self._take_up(order, work)
                self._look(work)
                if (len(work.waiting), len(work.running)) == before:
                    self.tell(f"{work.done} of {total} orders done; {work.words(self.on)}")
                    self.stop.wait(_POLL_SITE_S if work.running else _POLL_S)
            self.cache.trim(owner)
        return work.made

    def _claim(self, order: Order, work: _Work) -> bool:
        """See whether an order is there, or somebody makes it; True: it is to be made now, by this one."""
        ledger, id = self.cache.ledger, order.key.id
        is_mine, row = ledger.claim(order.key, work.owner, since=work.since)
        if is_mine and row.state is OrderState.DROPPING:  # somebody was killed as he deleted it
            self.cache.clear(Path(row.key.folder))
        elif not is_mine and row.state is OrderState.FAILED:
            work.fail(id, row.message)
        elif not is_mine and row.state is OrderState.MADE and are_there(row.assets):
            self._publish(row)
            work.finish(row)
        elif not is_mine and row.state is OrderState.MADE and self.cache.drop(row, work.owner):
            return self._claim(order, work)  # somebody had deleted its files
        return is_mine

    def _take_up(self, order: Order, work: _Work) -> None:
        """Make it here, or have it begun at a site."""
        try:
            self.cache.make_room(work.owner)
            job = self._begin(order)
            if job is not None:
                work.running[order.key.id] = order, job
                del work.waiting[order.key.id]
            elif not self.stop.is_set():
                self._finish(order, work)
        except SwathError as error:
            self._fail(order, work, error)
            if isinstance(error, OutputError):  # no room: the next has none either
                raise

    def _begin(self, order: Order) -> SlurmJob | None:
        """Make it here, and give None; or have it made at a site, and give the job."""
        from swath.jobs.slurm_job import SlurmJob

        folder = Path(order.key.folder)
        held = JobFolder(folder)
        if held.slurm_file.exists() and held.job_file.exists():
            job = open_job(folder, self.settings)  # somebody else has submitted it, and is gone
            if isinstance(job, SlurmJob):
                if job.status().state in (JobState.FAILED, JobState.DISMISSED):
                    job.submit()
                return job
        request = Request(
            order.recipe.process, order.inputs, folder, title=_title(order), listed=False,
            files_here=self.on == "local",
        )  # fmt: skip
        if self.on == "local":
            self._run(self._fresh(folder, lambda: submit(request, self.settings)), order)
            return None
        from swath.jobs.slurm_order import order as plan_at

        made = self._fresh(folder, lambda: plan_at(request, self.settings, on=self.on, asked=self.resources))
        made.submit()
        return made

    def _fresh[J](self, folder: Path, prepare: Callable[[], J]) -> J:
        """Prepare a job; where its folder holds what another version has left, that goes first."""
        try:
            return prepare()
        except OutputError:
            if not folder.exists():
                raise
            self.cache.clear(folder)
            return prepare()

    def _run(self, job: Job, order: Order) -> None:
        self.tell(f"making {_title(order)}")
        status = job.run(resources_of(self.settings), stop=self.stop)
        if not (status.state is JobState.DISMISSED and self.stop.is_set()):
            raise_failure(status)

    def _look(self, work: _Work) -> None:
        """See how far jobs at a site are."""
        if not work.running:
            return
        from swath.jobs.slurm_job import look_at_once

        look_at_once([job for _, job in work.running.values()])
        for order, job in list(work.running.values()):
            status = job.status()
            if not status.state.is_final:
                continue
            try:
                raise_failure(status)
                if not job.folder.catalog_file.exists():
                    job.fetch()
                self._finish(order, work)
            except SwathError as error:
                self._fail(order, work, error)

    def _finish(self, order: Order, work: _Work) -> None:
        """Put what a job has made into the catalog, and only then call the order made."""
        folder = JobFolder(Path(order.key.folder))
        assets, size = made_assets(folder, order.recipe), folder_bytes(folder.path)
        row = OrderRow(order.key, OrderState.MADE, "", 0, 0.0, 0.0, time.time(), size, assets, "")
        self._publish(row)
        if self.cache.ledger.finish(order.key.id, work.owner, assets=assets, size=size):
            work.made.fresh += 1
        work.finish(row)

    def _fail(self, order: Order, work: _Work, error: SwathError) -> None:
        work.fail(order.key.id, str(error))
        self.cache.ledger.fail(order.key.id, work.owner, str(error))

    def _publish(self, row: OrderRow) -> None:
        """Let the item have what was made for it, if it is still there; some catalogs are only read."""
        if not self.cache.is_writable:
            return
        key = row.key
        with contextlib.suppress(NotFoundError), open_catalog(self.cache.catalog) as catalog:
            held = catalog.get_item(key.collection, key.item)["assets"]
            if any(held.get(name, {}).get("order:id") != key.id for name in row.assets):
                made = stamp(row.ended)
                catalog.change_item(
                    key.collection, key.item, lambda item: with_assets(item, row.assets, key.id, made)
                )


def stamp(seconds: float) -> str:
    """Write a time, in seconds since 1970, as RFC 3339."""
    import datetime as dt

    return format_instant(dt.datetime.fromtimestamp(int(seconds), dt.UTC))


def _title(order: Order) -> str:
    return f"{', '.join(order.recipe.assets)} of {order.key.item}"
