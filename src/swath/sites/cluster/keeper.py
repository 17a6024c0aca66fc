"""Keeps a cluster at its size: compares the workers that are wanted with those that Slurm and Dask know."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swath.model import NotFoundError, SwathError
from swath.sites.cluster.plan import Plan, Steady, fruitless_rounds, holds, plan
from swath.sites.slurm.commands import SlurmAwayError, SlurmRefusedError
from swath.sites.slurm.states import Task

if TYPE_CHECKING:
    from swath.sites.cluster.folder import ClusterFolder
    from swath.sites.cluster.record import Order, Standing, Wanted
    from swath.sites.slurm.commands import Slurm

log = logging.getLogger("swath")
_TICK_S = 1.0
_FIRST_LOOK_S, _LONGEST_LOOK_S = 1.0, 30.0
_BACK_S, _START_S = 20.0, 180.0
"""How long a worker that was connected, and one that begins, may run without being connected."""
_CLIENT_S = 600.0
"""How long a cluster that belongs to a client is kept without one."""
_IDLE_S = 10.0
"""How long a lower target has to hold before workers are sent home."""
_SUBMITTED_S = 60.0
_HEARTBEAT_S = 20.0
_MOST_AT_ONCE = 500
"""Tasks of one array."""
_MOST_FRUITLESS = 3
"""Submissions in a row of which no worker ever connected, before the cluster is given up."""
_PAUSES_S = (0.0, 2.0, 5.0, 30.0)


class Keeper:
    """Submits workers that are missing, and sends home those that are too many.

    Parameters
    ----------
    scheduler : distributed.Scheduler
        The scheduler, in this process.
    folder : ClusterFolder
        Where orders come from, and where it tells how the cluster stands.
    slurm : Slurm
        Slurm's commands.
    standing : Standing
        What is known from the beginning: addresses and the scheduler's job.
    """

    def __init__(self, scheduler: Any, folder: ClusterFolder, slurm: Slurm, standing: Standing) -> None:
        self.scheduler, self.folder, self.slurm, self.standing = scheduler, folder, slurm, standing
        self.order: Order = folder.read_order()
        self.wanted: Wanted = folder.read_wanted()
        self.stopping = asyncio.Event()
        self.failure = ""
        self._woken = asyncio.Event()
        self._steady = Steady(_IDLE_S)
        self._tasks: dict[str, Task] = {}
        self._seen: set[str] = set()
        """Workers that were connected once."""
        self._alone: dict[str, float] = {}
        """Since when workers run without being connected."""
        self._sent: set[str] = set()
        """Workers that were sent home, or cancelled."""
        self._going: set[asyncio.Future[None]] = set()
        self._lost: set[str] = set()
        self._next_look, self._look_pause = 0.0, _FIRST_LOOK_S
        self._next_submit, self._refused = 0.0, 0
        self._judged: set[str] = set()
        self._client_seen = time.monotonic()
        self._message = ""
        self._told: tuple[Standing, float] = (standing, 0.0)

    # -- life -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the cluster until it is to end, or cannot be kept."""
        self._tell(replace(self.standing, state="running", wanted=self.wanted.minimum))
        await self._first_workers()
        while not (self.stopping.is_set() or self.failure):
            self._woken.clear()
            await self._step()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), _TICK_S)

    def wake(self) -> None:
        """Look at once: something has happened."""
        self._next_look = 0.0
        self._woken.set()

    def stop(self) -> None:
        """End the cluster."""
        self.stopping.set()
        self._woken.set()

    async def end(self) -> None:
        """Take the workers out of the queue, and say how it ended."""
        for address in list(self.scheduler.workers):
            self.scheduler.close_worker(address)
        state = "failed" if self.failure else "ended"
        for _ in range(3):
            try:
                await asyncio.to_thread(self.slurm.cancel_named, self.order.job_name)
                break
            except SwathError as error:
                log.warning("%s", error)
                await asyncio.sleep(1)
        with contextlib.suppress(Exception):  # whoever ended it may have deleted the folder
            self._tell(replace(self.standing, state=state, message=self.failure or "ended", workers=0))

    async def _first_workers(self) -> None:
        """Wait until whoever started the cluster has submitted its first workers."""
        until = time.monotonic() + _SUBMITTED_S
        while not self.folder.is_submitted() and time.monotonic() < until and not self.stopping.is_set():
            await asyncio.sleep(0.05)

    # -- one step ---------------------------------------------------------------------------------------

    async def _step(self) -> None:
        if not self._read_wanted():
            return
        now = time.monotonic()
        if any(each != "fire-and-forget" for each in self.scheduler.clients):
            self._client_seen = now
        elif self.order.attended and now - self._client_seen > _CLIENT_S:
            log.info("its client has gone")
            self.stop()
            return
        connected = {str(each.name): address for address, each in self.scheduler.workers.items()}
        if now >= self._next_look:
            await self._look(connected)
        silent = self._silent(connected, now)
        target = self._target(now)
        todo = plan(target, tasks=self._tasks, connected=connected.keys(), retiring=self._sent, silent=silent)
        await self._do(todo, connected, now)
        await self._judge()
        waiting = sum(1 for each in self._tasks.values() if each.waits)
        self._tell(
            replace(
                self.standing, state="running", workers=len(connected), waiting=waiting, wanted=target,
                lost=len(self._lost), message=self._message,
            )
        )  # fmt: skip

    def _read_wanted(self) -> bool:
        """Read how large the cluster is to be; False when it is to end."""
        try:
            self.wanted = self.folder.read_wanted()
        except SwathError:  # the folder was deleted: whoever did that wants no cluster
            self.stop()
        except (OSError, ValueError):
            return True
        if self.wanted.stop:
            self.stop()
        return not self.stopping.is_set()

    def _target(self, now: float) -> int:
        wanted = self.wanted
        if wanted.minimum == wanted.maximum:
            return wanted.minimum
        asked = int(self.scheduler.adaptive_target())
        return self._steady.follow(min(wanted.maximum, max(wanted.minimum, asked)), now)

    async def _look(self, connected: dict[str, str]) -> None:
        """Ask Slurm for the workers' jobs; less often while nothing happens."""
        try:
            found = await asyncio.to_thread(self.slurm.named, self.order.job_name)
        except SwathError as error:
            self._message = error.what
            self._look_pause = min(self._look_pause * 2, _LONGEST_LOOK_S)
        else:
            self._message = "" if "does not answer" in self._message else self._message
            quiet = {name: each.state for name, each in found.items()} == {
                name: each.state for name, each in self._tasks.items()
            }
            starting = any(
                each.runs and holds(each) and name not in connected for name, each in found.items()
            )
            still = quiet and not starting
            self._look_pause = min(self._look_pause * 1.5, _LONGEST_LOOK_S) if still else _FIRST_LOOK_S
            self._tasks = found
        self._next_look = time.monotonic() + self._look_pause

    def _silent(self, connected: dict[str, str], now: float) -> set[str]:
        """Name the workers that run and are not connected for too long."""
        self._seen |= connected.keys()
        alone = {
            name
            for name, each in self._tasks.items()
            if each.runs and holds(each) and name not in connected and name not in self._sent
        }
        self._alone = {name: self._alone.get(name, now) for name in alone}
        return {
            name
            for name, since in self._alone.items()
            if now - since > (_BACK_S if name in self._seen else _START_S)
        }

    # -- doing ------------------------------------------------------------------------------------------

    async def _do(self, todo: Plan, connected: dict[str, str], now: float) -> None:
        for name in todo.forget:
            log.info("worker %s has ended: %s", name, self._tasks[name].words())
            await self.scheduler.remove_worker(
                connected[name], stimulus_id=f"swath-ended-{name}", expected=True
            )
        if todo.cancel:
            log.info("cancelling %s", ", ".join(todo.cancel))
            with contextlib.suppress(SlurmAwayError):
                await asyncio.to_thread(self.slurm.cancel, todo.cancel)
            self._sent |= set(todo.cancel)
            self._next_look = 0.0
        if todo.retire:
            self._retire(todo.retire)
        if todo.submit and now >= self._next_submit:
            await self._submit(min(todo.submit, _MOST_AT_ONCE))

    def _retire(self, count: int) -> None:
        """Send workers home: those that are idle and hold least."""
        home = {str(each) for each in self.scheduler.workers_to_close(n=count, attribute="name")} - self._sent
        if not home:
            return
        log.info("sending home %s", ", ".join(sorted(home)))
        self._sent |= home
        task = asyncio.ensure_future(self._send_home(home))
        self._going.add(task)
        task.add_done_callback(self._going.discard)

    async def _send_home(self, names: set[str]) -> None:
        told = await self.scheduler.retire_workers(
            names=list(names), close_workers=True, remove=True, stimulus_id=f"swath-retire-{time.time()}"
        )
        # Who holds what nobody else can take stays.
        self._sent -= names - {str(each["name"]) for each in told.values()}
        self.wake()

    async def _submit(self, count: int) -> None:
        try:
            job = await asyncio.to_thread(
                self.slurm.submit, f"{self.folder.path}/worker.sh", self.folder.path,
                f"--job-name={self.order.job_name}", f"--array=0-{count - 1}",
            )  # fmt: skip
        except SwathError as error:
            self._refused += isinstance(error, SlurmRefusedError)
            self._message = error.what
            self._next_submit = time.monotonic() + _PAUSES_S[min(self._refused, len(_PAUSES_S) - 1)]
            log.warning("%s", error.what)
            return
        self._refused, self._message = 0, ""
        self._tasks |= {f"{job}_{each}": Task(str(each), "PENDING") for each in range(count)}
        self._look_pause, self._next_look = _FIRST_LOOK_S, time.monotonic() + _FIRST_LOOK_S
        log.info("submitted %d workers as %s", count, job)

    # -- judging ----------------------------------------------------------------------------------------

    async def _judge(self) -> None:
        """Count the workers that were lost; give the cluster up when none ever comes."""
        for name, each in self._tasks.items():
            served = each.state == "COMPLETED" and name in self._seen
            if each.has_ended and not served and name not in self._sent | self._lost:
                log.info("lost worker %s: it %s", name, each.words())
                self._lost.add(name)
        rounds = fruitless_rounds(self._tasks, self._seen)
        if self._refused >= _MOST_FRUITLESS and not any(map(holds, self._tasks.values())):
            self.failure = f"cluster: no worker can be submitted ({self._message})"
        elif len(rounds) >= _MOST_FRUITLESS:
            name = rounds[-1]
            tail = await asyncio.to_thread(self.folder.log_tail, name)
            told = self._tasks[name].words()
            self.failure = f"cluster: workers end before they connect: {name} {told}; its log says: {tail}"
        elif rounds and rounds[-1] not in self._judged:
            self._judged.add(rounds[-1])
            self._next_submit = time.monotonic() + _PAUSES_S[min(len(rounds), len(_PAUSES_S) - 1)]

    def _tell(self, standing: Standing) -> None:
        """Write how the cluster stands when that has changed, and now and then to say that it is kept."""
        before, when = self._told
        if replace(standing, updated=0.0) == before and time.monotonic() - when < _HEARTBEAT_S:
            return
        try:
            self.folder.read_order()  # writing would make a folder anew that was deleted
            self.folder.write_standing(replace(standing, updated=time.time()))
        except NotFoundError:
            self.stop()
        except OSError as error:  # a full disk: the cluster goes on
            log.warning("%s cannot be written (%s)", self.folder.path, error)
        self.standing, self._told = standing, (replace(standing, updated=0.0), time.monotonic())
