"""What is to be done about a cluster's workers, from what Slurm and the scheduler say of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from swath.sites.slurm.states import Task


_OWN_FAULT = ("FAILED", "COMPLETED", "OUT_OF_MEMORY")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    submit: int = 0
    """Workers to submit."""
    cancel: tuple[str, ...] = ()
    """Slurm's names of workers to cancel: they wait, start, or do not answer."""
    retire: int = 0
    """Connected workers to send home, after handing over what they hold."""
    forget: tuple[str, ...] = ()
    """Names of workers that Slurm has ended and that the scheduler still counts on."""


def holds(task: Task) -> bool:
    """Tell whether a task of Slurm is, or will be, a worker."""
    return task.waits or (task.runs and task.state != "COMPLETING")


def plan(
    target: int,
    *,
    tasks: Mapping[str, Task],
    connected: Collection[str],
    retiring: Collection[str] = (),
    silent: Collection[str] = (),
) -> Plan:
    """Tell what to do so that there are ``target`` workers.

    Parameters
    ----------
    target : int
        Workers that there should be.
    tasks : mapping of str to Task
        Workers by name as Slurm knows them.
    connected : collection of str
        Names of workers that the scheduler has.
    retiring : collection of str
        Names of those that were sent home.
    silent : collection of str
        Names of those that run and do not answer for too long.

    Examples
    --------
    >>> from swath.sites.slurm import Task
    >>> running, dead = Task("", "RUNNING"), Task("", "CANCELLED")
    >>> plan(3, tasks={"1_0": running, "1_1": dead}, connected={"1_0", "1_1"})
    Plan(submit=2, cancel=(), retire=0, forget=('1_1',))
    """
    forget = tuple(sorted(each for each in connected if each in tasks and not holds(tasks[each])))
    there = {each: task for each, task in tasks.items() if holds(task)}
    dead = [each for each in there if each in silent]
    counted = {each: task for each, task in there.items() if each not in silent and each not in retiring}
    if len(counted) <= target:
        return Plan(submit=target - len(counted), cancel=tuple(sorted(dead)), forget=forget)
    # Those that have not begun cost least; of the others the newest.
    rank = sorted(
        (each for each in counted if each not in connected),
        key=lambda each: (not counted[each].waits, -_age(each)),
    )
    away = rank[: len(counted) - target]
    return Plan(cancel=tuple(sorted((*dead, *away))), retire=len(counted) - target - len(away), forget=forget)


def _age(name: str) -> float:
    """Order names by when they were submitted: ids of Slurm grow."""
    job, _, task = name.partition("_")
    return int(job) + int(task or 0) / 1e6 if job.isdecimal() and (task or "0").isdecimal() else 0.0


def fruitless_rounds(tasks: Mapping[str, Task], seen: Collection[str]) -> list[str]:
    """Name a worker of each of the last submissions none of whose workers connected, by their own fault.

    Parameters
    ----------
    tasks : mapping of str to Task
        Workers by name, ``JOB_TASK``.
    seen : collection of str
        Names of those that were connected once.

    Examples
    --------
    >>> from swath.sites.slurm import Task
    >>> broken, taken = Task("", "FAILED"), Task("", "PREEMPTED")
    >>> fruitless_rounds({"7_0": broken, "8_0": taken, "9_0": broken, "9_1": broken}, {"7_0"})
    ['9_0']
    """
    rounds: dict[str, list[str]] = {}
    for name in tasks:
        rounds.setdefault(name.partition("_")[0], []).append(name)
    found: list[str] = []
    for names in (rounds[job] for job in sorted(rounds, key=int)):
        if any(each in seen for each in names):
            found = []
        elif not any(holds(tasks[each]) for each in names):
            found += [each for each in names if tasks[each].state in _OWN_FAULT][:1]
    return found


class Steady:
    """Follows a target upwards at once, and downwards when it has stayed down: queues cost time.

    Parameters
    ----------
    patience_s : float
        How long it has to stay down.
    """

    def __init__(self, patience_s: float) -> None:
        self.patience_s = patience_s
        self._value: int | None = None
        self._low: tuple[float, int] | None = None

    def follow(self, target: int, now_s: float) -> int:
        """Give the target to work towards.

        Examples
        --------
        >>> steady = Steady(10)
        >>> [steady.follow(*each) for each in ((2, 0), (8, 1), (3, 2), (4, 5), (3, 13), (3, 14))]
        [2, 8, 8, 8, 4, 4]
        """
        if self._value is None or target >= self._value:
            self._value, self._low = target, None
            return target
        since, most = self._low or (now_s, target)
        self._low = (since, max(most, target))
        if now_s - since >= self.patience_s:
            self._value, self._low = self._low[1], None
        return self._value
