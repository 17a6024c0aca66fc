"""Records what a Slurm prints, for the tests of parsers: run it on a bed of each release.

::

    python tests/slurm/testbed.py start trixie
    python tests/slurm/record.py                        writes tests/sites/slurm/recorded/24.11.json
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
from slurm.machine import wait_until
from slurm.testbed import ROOT, Testbed

FOLDER = ROOT / "tests/sites/slurm/recorded"
QUEUE = ("squeue", "--me", "--noheader", "--states=all", "-o", "%F|%K|%T|%S|%N|%r")
ACCOUNT = (
    "sacct", "--noheader", "--parsable2", "--allocations", "--duplicates", "--starttime", "2000-01-01",
    "--format", "JobID,State,ExitCode,Start,NodeList,Reason",
)  # fmt: skip
SBATCH = ("sbatch", "--parsable")
REFUSED = {
    "qos": ("--qos=none",),
    "partition": ("--partition=none",),
    "account": ("--account=none",),
    "time": ("--time=9-0",),
    "memory": ("--mem=900G",),
    "option": ("--no-such-option",),
    "constraint": ("--constraint=none",),
}
"""What Slurm says no to."""
JOBS = {
    "array": (("--array=0-5%2", "--time=5"), "[ $SLURM_ARRAY_TASK_ID != 0 ] || exit 3; exec sleep 600"),
    "killed": ((), "kill -9 $$"),
    "cancelled": ((), "exec sleep 600"),
    "late": (("--time=1",), "exec sleep 600"),
    "lost": (("--nodelist=n2", "--no-requeue"), "exec sleep 600"),
    "again": (("--nodelist=n2", "--requeue"), "[ ${SLURM_RESTART_COUNT:-0} != 0 ] || exec sleep 600"),
    "done": ((), "true"),
    "after": (("--dependency=afterok:DONE",), "true"),
    "never": (("--dependency=afterok:KILLED",), "true"),
    "greedy": (("--mem=1G",), "exec python -c 'a = bytearray(3_000_000_000); input()'"),
    "held": (("--hold",), "true"),
    "big": (("--nodes=3", "--exclusive"), "true"),
}
"""Options and script of each job, by what becomes of it."""


class Recorder:
    """Alice, with a notebook."""

    def __init__(self, bed: Testbed) -> None:
        self.bed = bed
        self.said: dict[str, Any] = {}
        self.jobs: dict[str, str] = {}

    def say(self, name: str, *command: str) -> str:
        """Run a command as alice, and write down what it says."""
        done = subprocess.run(
            self.bed.command("alice", *command), capture_output=True, text=True, check=False
        )
        self.said[name] = {"exit_code": done.returncode, "output": done.stdout, "errors": done.stderr}
        return done.stdout

    def submit(self, name: str) -> None:
        """Submit one of the jobs."""
        options, script = JOBS[name]
        words = [re.sub("DONE|KILLED", lambda match: self.jobs[match[0].lower()], each) for each in options]
        told = self.say(f"sbatch {name}", *SBATCH, "--output=/dev/null", *words, f"--wrap={script}")
        self.jobs[name] = told.strip()

    def wait(self, *wanted: tuple[str, str], seconds: float = 60) -> None:
        """Wait until jobs are in a state, as the accounting says."""
        for name, state in wanted:
            ask = ("sacct", "-n", "-X", "-o", "state%20", "-j", self.jobs[name])
            wait_until(
                f"{name} {state}",
                lambda ask=ask, state=state: re.search(state, self.bed.on("login", *ask)),
                seconds,
            )


def record(bed: Testbed) -> Path:
    """Play the whole piece on a bed that is idle; give the file."""
    bed.resume()
    bed.clear_queue()
    it = Recorder(bed)
    version = it.say("version", "sbatch", "--version").split()[-1]
    it.say("sinfo", "sinfo", "--noheader", "-o", "%P|%l|%D|%c|%m|%G|%a")
    show = ("sacctmgr", "--noheader", "--parsable2", "show")
    it.say("associations", *show, "associations", "user=alice", "format=account,qos")
    it.say("default account", *show, "user", "alice", "format=defaultaccount")
    it.said["config"] = {
        "exit_code": 0, "errors": "",
        "output": re.findall(r"^TmpFS.*\n", it.say("config", "scontrol", "show", "config"), re.M)[0],
    }  # fmt: skip
    for name, words in REFUSED.items():
        it.say(f"no {name}", *SBATCH, *words, "--wrap=true")
    for name in JOBS:
        it.submit(name)
    it.wait(("array", "FAILED"), ("killed", "FAILED"), ("done", "COMPLETED"), ("greedy", "OUT_OF_ME|FAILED"))
    it.wait(("cancelled", "RUNNING"), ("lost", "RUNNING"), ("again", "RUNNING"), ("late", "RUNNING"))
    it.say("queue", *QUEUE)
    it.say("queue of tasks", *QUEUE[:-2], "--array", *QUEUE[-2:])
    it.say("queue by name", *QUEUE[:-2], "--name=wrap", "-o", "%F")
    it.say("scancel", "scancel", it.jobs["cancelled"], it.jobs["big"])
    bed.on("ctl", "scontrol", "update", "nodename=n2", "state=down", "reason=record")
    it.wait(("lost", "NODE_FAIL"), ("cancelled", "CANCELLED"))
    bed.on("ctl", "scontrol", "update", "nodename=n2", "state=resume", check=False)
    it.wait(("again", "COMPLETED"), ("late", "TIMEOUT"), seconds=150)
    it.say("queue at the end", *QUEUE)
    it.say("account", *ACCOUNT, "--jobs", ",".join(it.jobs.values()))
    it.say("scancel again", "scancel", it.jobs["done"])
    it.say("scancel unknown", "scancel", "999999")
    it.say("sacct unknown", *ACCOUNT, "--jobs", "999999")
    bed.clear_queue()
    bed.stop_daemon("slurmctld")
    it.say("squeue away", *QUEUE)
    it.say("sbatch away", *SBATCH, "--wrap=true")
    it.say("scancel away", "scancel", it.jobs["done"])
    it.say("sinfo away", "sinfo")
    bed.start_daemon("slurmctld")
    bed.stop_daemon("slurmdbd")
    it.say("sacct away", *ACCOUNT, "--jobs", it.jobs["done"])
    it.say("sacctmgr away", *show, "associations", "user=alice", "format=account,qos")
    bed.start_daemon("slurmdbd")
    path = FOLDER / f"{'.'.join(version.split('.')[:2])}.json"
    text = json.dumps({"version": version, "jobs": it.jobs, "said": it.said}, indent=1)
    path.write_text(text.replace(bed.net, "10.0.0") + "\n")
    return path


if __name__ == "__main__":
    print(record(Testbed.of()))
