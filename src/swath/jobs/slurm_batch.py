"""The batch job that a job becomes at a Slurm site: which tasks, with what options, by which script."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.jobs.prepare import local_files
from swath.jobs.work import memory_for
from swath.sites.environments import launch
from swath.sites.slurm import batch_script

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from swath.config import SiteSettings
    from swath.jobs.folder import JobFolder
    from swath.jobs.slurm_record import SlurmRecord
    from swath.sites.slurm import SlurmResources, SlurmSite

_MOST_TASKS = 500
"""Sites allow arrays of 1000 tasks or so; Slurm's own default is 1001."""
_UNITS_EACH = 8
"""Units for each CPU of a task, so that a task lasts minutes and its start costs little."""
_WARN_S = 90
"""How long before the end of its time a task is warned; Slurm may be late by a minute."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch job that is about to be submitted."""

    record: SlurmRecord
    """What is known of the job at the site."""
    tasks: tuple[int, ...]
    """Numbers of the tasks that it does."""
    job: dict[str, Any]
    """What ``job.json`` says."""
    site: SiteSettings
    """What the settings say of the site."""
    items: Sequence[dict[str, Any]] = ()
    """What it reads: a container has to see the folders of their files."""

    def options(self) -> list[str]:
        """Give the options that stand in the script."""
        asked = self.record.resources
        options = [*asked.options(), "--open-mode=append", "--requeue"]
        time_s = asked.time_s
        if time_s:
            options.append(f"--signal=B:USR1@{max(5, min(_WARN_S, time_s // 4))}")
        if self.record.tasks > 1:
            throttle = f"%{self.record.at_once}" if self.record.at_once else ""
            options += [f"--array={format_indices(self.tasks)}{throttle}", "--output=log-%a.txt"]
        else:
            options.append("--output=log.txt")
        if self.record.after:
            options += [f"--dependency=afterok:{self.record.after}", "--kill-on-invalid-dep=yes"]
        return options


def write_script(batch: Batch, folder: JobFolder, site: SlurmSite) -> str:
    """Write the batch script into the job folder at the site; give its path there."""
    text = script_of(batch, remote=site.is_remote)
    if batch.record.workers:
        from swath.jobs.on_cluster import write_order

        write_order(batch.record, site, batch.job["id"])
    path = f"{batch.record.folder}/job.sh"
    site.transport.write(path, text.encode(), mode=0o755)
    if site.is_remote:
        folder.script_file.write_text(text)
    return path


def script_of(batch: Batch, *, remote: bool) -> str:
    """Write the batch script."""
    record = batch.record
    binds = (record.folder, *local_files(batch.items))
    started = launch(batch.site.environment, remote=remote, binds=binds, scratch=batch.site.scratch)
    units = f"{record.tasks} task{'s' * (record.tasks > 1)}"
    if record.workers:
        units = f"{record.workers} workers, and this task, which submits and feeds them"
    return batch_script(
        about=(
            f"{batch.job['title']}, job {batch.job['id']}: {units}.",
            "Units that are published are not done again: it may be submitted as often as one likes.",
        ),
        options=batch.options(), folder=record.folder,
        prepare="\n".join((batch.site.prepare, *started.lines)),
        command=(
            *started.python, "-m", "swath", "jobs", "work", ".",
            "--task", "$SLURM_ARRAY_TASK_ID:0", "--tasks", str(record.tasks),
            "--retries", str(record.retries),
            *(("--workers", str(record.workers)) if record.workers else ()),
        ),
    )  # fmt: skip


def deal(names: Sequence[str], published: Collection[str], tasks: int) -> tuple[int, ...]:
    """Name the tasks that have units to do; unit number i belongs to the task i modulo ``tasks``.

    Examples
    --------
    >>> deal(["a", "b", "c", "d"], {"a", "c"}, 2)
    (1,)
    """
    return tuple(task for task in range(tasks) if any(each not in published for each in names[task::tasks]))


def count_tasks_for(units: int, cpus: int) -> int:
    """Tell into how many tasks units are dealt unless somebody says so."""
    return max(1, min(_MOST_TASKS, -(-units // (_UNITS_EACH * cpus))))


def format_indices(numbers: Sequence[int]) -> str:
    """Write indices as Slurm's ``--array`` takes them.

    Examples
    --------
    >>> format_indices((0, 1, 2, 5, 7, 8))
    '0-2,5,7-8'
    """
    parts: list[str] = []
    first = last = numbers[0]
    for each in (*numbers[1:], sys.maxsize):
        if each == last + 1:
            last = each
            continue
        parts.append(f"{first}-{last}" if last > first else str(first))
        first = last = each
    return ",".join(parts)


def fill_resources(asked: SlurmResources, site: SiteSettings, unit_bytes: int, units: int) -> SlurmResources:
    """Fill what was left open: memory so that each CPU has a unit's worth."""
    cpus = asked.cpus or site.cpus
    return asked.filled(site, need_bytes=memory_for(unit_bytes, min(cpus, units)))
