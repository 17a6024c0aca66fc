"""Slurm's commands and their parseable output, from Slurm 21.08 on."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from swath.model import SiteError
from swath.sites.slurm.states import Task
from swath.sites.transport.here import Here

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from swath.sites.transport import Transport

_AWAY = re.compile(
    r"Unable to contact slurm controller|Socket timed out|Connection refused|Zero Bytes were transmitted"
    r"|slurm_persist_conn_open|Problem talking to the database|Unable to connect to database",
    re.IGNORECASE,
)
_UNKNOWN_TIMES = ("N/A", "Unknown", "None", "")
_MOST_IDS = 500
"""A command line may not be endless."""


class SlurmAwayError(SiteError):
    """Slurm's daemons do not answer; jobs go on, and later it can be asked again."""


class SlurmRefusedError(SiteError):
    """Slurm does not do what it was asked; ``what`` has its own words."""

    exit_code = 2
    http_status = 400


class Slurm:
    """Slurm's commands at the other end of a transport.

    Parameters
    ----------
    transport : Transport
        The way there.
    login : bool
        True where they are found by a login shell only.
    cluster : str
        Name of the cluster, where a login node serves several.
    """

    def __init__(self, transport: Transport, *, login: bool = False, cluster: str = "") -> None:
        self.transport, self.login = transport, login
        hidden = _of_own_job() if isinstance(transport, Here) else ()
        named = (f"SLURM_CLUSTERS={cluster}",) if cluster else ()
        self.environment = ("env", *hidden, *named) if hidden or named else ()

    def call(self, *command: str, input: str = "", once: bool = False) -> str:
        """Run a command of Slurm.

        Raises
        ------
        SlurmAwayError
            Slurm does not answer.
        SlurmRefusedError
            It says no.
        """
        words = (*self.environment, *command)
        done = self.transport.run(words, input=input, login=self.login, once=once)
        if done.exit_code == 0:
            return done.output
        if done.exit_code == 127:
            raise SlurmRefusedError(
                f"site: {command[0]} is not found on {self.transport.name}",
                fix="set login_shell = true in its settings, or name a login node of a Slurm cluster",
            )
        told = " ".join((done.errors.strip() or done.output.strip()).split())
        told = re.sub(rf"\b{command[0]}: (error: )?", "", told)
        if _AWAY.search(told):
            raise SlurmAwayError(
                f"site: Slurm does not answer {command[0]} ({told})", fix="wait, and try again"
            )
        raise SlurmRefusedError(f"site: {command[0]} refuses: {told}")

    def submit(self, script: str, folder: str, *options: str) -> str:
        """Submit a batch script; give the id of the job.

        Parameters
        ----------
        script : str
            Path of the script there.
        folder : str
            Working folder of the job.
        """
        told = self.call("sbatch", "--parsable", f"--chdir={folder}", *options, script, once=True)
        return told.strip().splitlines()[-1].partition(";")[0]

    def queue(self) -> dict[str, list[Task]]:
        """List all jobs of the user that are in the queue, or were until a moment ago, by job id."""
        found: dict[str, list[Task]] = defaultdict(list)
        told = self.call("squeue", "--me", "--noheader", "--states=all", "-o", "%F|%K|%T|%S|%N|%r")
        for line in told.splitlines():
            job, tasks, state, start, nodes, reason = line.split("|", 5)
            found[job].append(
                Task("" if tasks == "N/A" else tasks, state, reason, _time(start), nodes.strip())
            )
        return dict(found)

    def named(self, name: str) -> dict[str, Task]:
        """List the user's jobs of one name, by job id, or ``JOB_TASK`` for each task of an array."""
        told = self.call(
            "squeue", "--me", "--noheader", "--states=all", "--array", f"--name={name}",
            "-o", "%F|%K|%T|%S|%N|%r",
        )  # fmt: skip
        found = {}
        for line in told.splitlines():
            job, task, state, start, nodes, reason = line.split("|", 5)
            index = "" if task == "N/A" else task
            found[f"{job}_{index}" if index else job] = Task(
                index, state, reason, _time(start), nodes.strip()
            )
        return found

    def cancel_named(self, name: str) -> None:
        """End all of the user's jobs of one name."""
        # Without --user, an operator's scancel would mean everybody's jobs.
        user = self.transport.run(("id", "-un")).output.strip()
        self.call("scancel", f"--user={user}", f"--name={name}")

    def account(self, jobs: Collection[str]) -> dict[str, list[Task]]:
        """Ask the accounting for jobs that have left the queue, by job id, where it knows them."""
        found: dict[str, dict[str, Task]] = defaultdict(dict)
        wanted = sorted(jobs)
        for at in range(0, len(wanted), _MOST_IDS):
            told = self.call(
                "sacct", "--noheader", "--parsable2", "--allocations", "--duplicates",
                "--jobs", ",".join(wanted[at : at + _MOST_IDS]), "--starttime", "2000-01-01",
                "--format", "JobID,State,ExitCode,Start,NodeList,Reason",
            )  # fmt: skip
            for line in told.splitlines():
                job, task = parse_account(line)
                found[job][task.tasks] = task  # of several attempts the last one counts
        return {job: list(tasks.values()) for job, tasks in found.items()}

    def find(self, name: str) -> str | None:
        """Find a job by its name: one whose submission was not seen to end; None where there is none."""
        told = self.call("squeue", "--me", "--noheader", "--states=all", f"--name={name}", "-o", "%F")
        if not told.strip():
            told = self.call(
                "sacct", "--noheader", "--parsable2", "--allocations", f"--name={name}",
                "--starttime", "now-1days", "--format", "JobIDRaw",
            )  # fmt: skip
        ids = {each.strip().partition("_")[0] for each in told.split()}
        return max(ids, key=int) if ids else None

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs; those that have ended already do not matter."""
        try:
            self.call("scancel", *jobs)
        except SlurmRefusedError as error:
            if "Invalid job id" not in error.what and "already completing or completed" not in error.what:
                raise


def _of_own_job() -> tuple[str, ...]:
    """Take out of the environment what Slurm says of the job that this process is in.

    sbatch and squeue would take it for what is asked for: a job that is submitted from within a job would
    get that job's memory and CPUs.
    """
    if "SLURM_JOB_ID" not in os.environ:
        return ()
    kept = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT")
    names = sorted(each for each in os.environ if each.startswith("SLURM_") and each not in kept)
    return tuple(word for each in names for word in ("-u", each))


def parse_account(line: str) -> tuple[str, Task]:
    """Read a line of sacct: JobID, State, ExitCode, Start, NodeList, Reason.

    Examples
    --------
    >>> job, task = parse_account("17_3|CANCELLED by 61001|0:15|2026-11-21T18:00:00|n1|None")
    >>> job, task.tasks, task.state, task.signal
    ('17', '3', 'CANCELLED', 15)
    """
    job, state, exits, start, nodes, reason = line.split("|", 5)
    number, _, tasks = job.partition("_")
    code, _, signal = exits.partition(":")
    return number, Task(
        tasks.strip("[]"), state.split()[0] if state else "UNKNOWN", reason, _time(start),
        "" if nodes == "None assigned" else nodes, int(code or 0), int(signal or 0),
    )  # fmt: skip


def _time(text: str) -> str:
    return "" if text in _UNKNOWN_TIMES else text
