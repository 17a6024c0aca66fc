"""How a job at a Slurm site stands, in plain words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from swath.sites.slurm import count_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.jobs.slurm_record import SlurmRecord
    from swath.sites.slurm import Task


_KILLED = 9
_NOT_FOUND = (126, 127)
"""What a shell ends with when it cannot run a program."""


def describe_work(active: Sequence[Task], done: int, total: int) -> str:
    """Tell what the tasks that have not ended do, and when the first that waits may start."""
    runs = sum(count_tasks(each.tasks) for each in active if each.runs)
    waiting = [each for each in active if each.waits]
    waits = sum(count_tasks(each.tasks) for each in waiting)
    units = f"{done} of {total} units done"
    if not active:
        return f"{units}; waiting for Slurm to tell more"
    parts = [units] if runs or done else []
    if runs:
        nodes = sorted({each.nodes for each in active if each.runs and each.nodes})
        where = f" on {', '.join(nodes)}" if 0 < len(nodes) <= 4 else ""
        parts.append(f"{_tasks(runs)} running{where}")
    if waiting:
        what = _tasks(waits) + " queued" if runs or waits > 1 else "queued"
        parts.append(f"{what}: {waiting[0].words().removeprefix('queued: ')}")
        starts = sorted(each.start for each in waiting if each.start)
        if starts:
            parts.append(f"expected to start {starts[0].replace('T', ' ')} (cluster time)")
    return "; ".join(parts)


def describe_end(tasks: Sequence[Task], record: SlurmRecord) -> str:
    """Tell why a batch job has ended without the job's results, and what to do about it."""
    if not tasks:
        return "it ended, and Slurm does not know any more how (look into its logs)"
    state, _ = Counter(each.state for each in tasks).most_common(1)[0]
    first = next(each for each in tasks if each.state == state)
    count = sum(1 for each in tasks if each.state == state)
    who = "it" if record.tasks == 1 else f"{count} of its {record.tasks} tasks did not succeed: the first"
    where = f" on {first.nodes}" if first.nodes and state in ("NODE_FAIL", "FAILED", "BOOT_FAIL") else ""
    asked = record.resources
    more = f"it had {asked.memory or 'what the partition gives'}: ask for more with --mem"
    if state == "FAILED" and first.signal == _KILLED:
        return f"{who} was killed{where}, most likely because it ran out of memory ({more})"
    if state == "FAILED" and first.exit_code in _NOT_FOUND:
        return f"its environment is not there{where} (install it, or name another in the site's settings)"
    advice = {
        "OUT_OF_MEMORY": more,
        "TIMEOUT": f"it had {asked.time}: ask for more with --time",
        "CANCELLED": "by you or an administrator, not by swath",
        "COMPLETED": "but units are missing: look into its logs",
    }.get(state, "look into its logs")
    return f"{who} {first.words()}{where} ({advice})"


def _tasks(count: int) -> str:
    return f"{count} task{'s' * (count != 1)}"
