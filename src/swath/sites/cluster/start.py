"""Starts clusters, finds them again, and ends them; nothing of them is left in the queue."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.model import InputError, NotFoundError, SiteError, SwathError, format_instant
from swath.sites.cluster.closed import refuse_closed_nodes, refuse_container
from swath.sites.cluster.folder import ClusterFolder
from swath.sites.cluster.plan import holds
from swath.sites.cluster.record import Order, Standing, Wanted, check_cluster_name
from swath.sites.cluster.script import scheduler_resources, scheduler_script, worker_script
from swath.sites.environments import launch
from swath.sites.local import is_alive
from swath.sites.local import start as start_process
from swath.sites.slurm.commands import SlurmAwayError
from swath.sites.slurm.resources import SlurmResources, check_resources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from swath.sites.slurm.site import SlurmSite

_END_S, _ASKED_S, _GONE_S = 15.0, 6.0, 20.0
_LONGEST_ASK_S = 15.0
"""Between two questions to Slurm how the scheduler's job stands; its file is looked at more often."""
FOLLOW = "--with-caller"
"""Ends a scheduler when its standard input ends, which happens when its caller does, however that dies."""


@dataclass
class Running:
    """A cluster that was started, or found."""

    site: SlurmSite
    """Where it is."""
    folder: ClusterFolder
    """Its files."""
    order: Order
    """What was ordered."""
    process: subprocess.Popen[bytes] | None = None
    """Its scheduler, where that belongs to this process."""
    handle: str = ""
    """Its scheduler, where that was started from this machine to outlive this process."""

    def failure(self) -> str:
        """Say why it has ended without being asked to; empty where it has not, as far as one can see."""
        standing = self.folder.read_standing()
        if standing.state == "failed":
            return standing.message
        if self.order.where == "job":
            tasks = list(self.site.slurm.named(self.order.scheduler_name).values())
            if tasks and tasks[0].has_ended:
                tail = self.folder.log_tail("scheduler")
                return f"cluster: the scheduler's job {tasks[0].words()} ({tail or 'without a word'})"
        gone = self.process is not None and self.process.poll() is not None
        if standing.state == "ended" or gone or (self.handle and not is_alive(self.handle)):
            tail = self.folder.log_tail("scheduler")
            return f"cluster: {self.order.name} has ended ({tail or 'its scheduler says nothing'})"
        return ""

    def standing(self) -> Standing:
        """Tell how it stands.

        Raises
        ------
        SiteError
            It has failed, or its scheduler has gone.
        """
        if reason := self.failure():
            raise SiteError(reason, fix="look whether the site's environment and network interface are right")
        return self.folder.read_standing()

    def wait(self, told: Callable[[str], None] | None = None) -> Standing:
        """Wait until its scheduler answers, however long it is in the queue.

        Parameters
        ----------
        told : callable of str, optional
            Called with what it waits for, whenever that changes.

        Raises
        ------
        SiteError
            The scheduler has ended.
        """
        said, near = "", self.order.where == "here"
        pause, ask, asked = (0.05 if near else 0.2), 0.5, time.monotonic()
        while not (standing := self.folder.read_standing()).address:
            time.sleep(pause)
            pause = min(pause * 1.2, 0.1 if near else 2.0)
            if time.monotonic() - asked < ask:
                continue
            asked, ask = time.monotonic(), min(ask * 1.5, _LONGEST_ASK_S)
            with contextlib.suppress(SlurmAwayError):  # it will be back
                self.standing()
                if told and not near and (words := self._queued()) != said:
                    said = words
                    told(f"scheduler {words}")
        return standing

    def _queued(self) -> str:
        """Tell how the scheduler's job stands."""
        tasks = list(self.site.slurm.named(self.order.scheduler_name).values())
        return tasks[0].words() if tasks else "not in the queue yet"

    def scale(self, wanted: Wanted) -> None:
        """Say how many workers there should be."""
        self.folder.write_wanted(wanted)

    def stop(self) -> None:
        """End it: workers, scheduler, files."""
        if self.process is not None:
            _end(self.process)
        else:
            self._ask_to_end()
        clear(self.site, self.order)
        self.folder.remove()

    def _ask_to_end(self) -> None:
        """Let the keeper end it, where there is one: it would replace workers that are cancelled."""
        with contextlib.suppress(NotFoundError, OSError, ValueError):
            wanted, until = self.folder.read_wanted(), time.monotonic() + _ASKED_S
            self.folder.write_wanted(replace(wanted, stop=True))
            while self.folder.read_standing().state == "running" and time.monotonic() < until:
                time.sleep(0.2)


def clear(site: SlurmSite, order: Order) -> None:
    """Take all jobs of a cluster out of the queue, the scheduler's first: it would replace the others."""
    until = time.monotonic() + _GONE_S
    slurm = site.slurm
    for name in (order.scheduler_name, order.job_name):
        slurm.cancel_named(name)
    while any(holds(each) for each in slurm.named(order.job_name).values()) and time.monotonic() < until:
        time.sleep(0.2)
        slurm.cancel_named(order.job_name)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a scheduler beside this process: the end of its standard input tells it."""
    with contextlib.suppress(OSError):
        assert process.stdin is not None  # noqa: S101 -- opened so
        process.stdin.close()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def new_order(
    site: SlurmSite,
    asked: SlurmResources,
    *,
    name: str = "",
    where: str = "",
    interface: str = "",
    **more: Any,
) -> Order:
    """Check what is asked for, and put it into an order; nothing is written.

    Parameters
    ----------
    site : SlurmSite
        Where.
    asked : SlurmResources
        What each worker may use.
    name : str
        Name of the cluster; one is made up unless given.
    where : {"", "job", "here"}
        Where its scheduler runs: a job of its own, or this machine; by default a job where the site is
        reached over SSH, else here.
    interface : str
        Network interface of the nodes, such as ``ib0``.
    more
        Other fields of `Order`.

    Raises
    ------
    InputError
        Something that the site has not, or that does not go together.
    """
    where = where or ("job" if site.is_remote else "here")
    if where not in ("job", "here"):
        raise InputError(f"where: {where!r} is no place for a scheduler", known=("job", "here"))
    if where == "here" and site.is_remote:
        raise InputError(
            f"where: the nodes of {site.name} cannot reach this machine",
            fix='leave where out, or say where="job"',
        )
    settings = site.settings
    if where == "job":
        refuse_container(settings.environment)
    launch(settings.environment, remote=site.is_remote)
    resources = asked.filled(settings, need_bytes=0 if asked.memory or settings.memory else _DEFAULT_BYTES)
    check_resources(resources, settings, site.name)
    name = check_cluster_name(name) if name else f"{site.name}-{secrets.token_hex(2)}"
    fields = {
        "name": name, "mark": secrets.token_hex(4), "site": site.name,
        "folder": site.folder("clusters", name),
        "where": where, "resources": resources, "settings": settings.model_dump(mode="json"),
        "interface": interface or settings.interface,
        "created": format_instant(dt.datetime.now(dt.UTC).replace(microsecond=0)),
    }  # fmt: skip
    return Order(**{**fields, **more})


_DEFAULT_BYTES = 4_000_000_000
"""Memory of a worker where neither caller nor settings say how much."""


def start(
    site: SlurmSite,
    order: Order,
    wanted: Wanted,
    *,
    keep: bool = False,
    anew: bool = False,
    scheduler: Sequence[str] = (),
) -> Running:
    """Start a cluster; it may wait in the queue for long.

    Parameters
    ----------
    site : SlurmSite
        Where.
    order : Order
        What was ordered.
    wanted : Wanted
        How many workers.
    keep : bool
        True for a cluster that outlives this process.
    anew : bool
        True to write over a folder that is there.
    scheduler : sequence of str
        Options of sbatch for the scheduler's job, which win over what the workers ask for.

    Raises
    ------
    InputError
        There is a cluster of that name.
    SiteError
        Slurm refuses it, or the site does not answer.
    """
    folder = ClusterFolder(site.transport, order.folder)
    asked = scheduler_resources(order.resources, site.settings, options=scheduler)
    if order.where == "job":
        check_resources(asked, site.settings, site.name)
        refuse_closed_nodes(site.slurm, asked.partition)
    folder.make(anew=anew or _has_ended(folder))
    running = Running(site, folder, order)
    try:
        folder.fill(order, wanted)
        site.transport.write(
            f"{folder.path}/worker.sh", worker_script(order, remote=site.is_remote).encode(), mode=0o700
        )
        after: tuple[str, ...] = ()
        if order.where == "job":
            script = f"{folder.path}/scheduler.sh"
            text = scheduler_script(order, asked, remote=site.is_remote)
            site.transport.write(script, text.encode(), mode=0o700)
            job = site.submit(order.scheduler_name, script, folder.path)
            after = (f"--dependency=after:{job}", "--kill-on-invalid-dep=yes")
        else:
            _serve(running, keep=keep)
        if wanted.minimum:
            # Beside the scheduler, not after it: both wait in the queue, or start up, at the same time.
            array = f"--array=0-{wanted.minimum - 1}"
            site.submit(order.job_name, f"{folder.path}/worker.sh", folder.path, array, *after)
        folder.write_submitted()
    except BaseException:
        with contextlib.suppress(SwathError):
            running.stop()
        raise
    return running


def _has_ended(folder: ClusterFolder) -> bool:
    """Tell whether there is a cluster of that name that has ended, and may be written over."""
    try:
        folder.read_order()
        return folder.read_standing().state in ("ended", "failed")
    except NotFoundError:  # nothing there, or what a broken deletion has left
        return True
    except ValueError:
        return False


def _serve(running: Running, *, keep: bool) -> None:
    """Start the scheduler in a process beside this one: what this one computes does not hold it up."""
    command = [sys.executable, "-m", "swath.sites.cluster.serve", running.folder.path]
    log = Path(running.folder.path) / "logs" / "scheduler.txt"
    if keep:
        running.handle = start_process(command, log)
        return
    with log.open("ab") as output:
        running.process = subprocess.Popen(
            [*command, FOLLOW], stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
        )


def find_cluster(site: SlurmSite, name: str) -> Running:
    """Find a cluster by its name.

    Raises
    ------
    NotFoundError
        The site has none of that name.
    """
    folder = ClusterFolder(site.transport, site.folder("clusters", check_cluster_name(name)))
    return Running(site, folder, folder.read_order())
