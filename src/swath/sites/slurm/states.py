"""What Slurm's states and reasons mean: for the state of a job, and in plain words."""

from __future__ import annotations

from dataclasses import dataclass

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
ACTIVE = frozenset(
    {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"}
)
LOST = frozenset({"TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "REVOKED"})
"""Ends that are no fault of the job: what is missing may be submitted again."""

UNSEEN = 72
"""Exit code of a script whose node does not see the folder that it works in: EX_OSFILE of sysexits.h."""

# Slurm's list: https://slurm.schedmd.com/job_state_codes.html and job_reason_codes.html (texts are ours).
_ENDS = {
    "COMPLETED": "ended",
    "FAILED": "ended with an error",
    "CANCELLED": "was cancelled on the cluster",
    "TIMEOUT": "reached its time limit",
    "NODE_FAIL": "lost its node",
    "PREEMPTED": "had to make room for a job of higher priority",
    "OUT_OF_MEMORY": "ran out of memory",
    "BOOT_FAIL": "got a node that did not start",
    "DEADLINE": "reached its deadline",
}
_REASONS = {
    "Priority": "jobs of higher priority come first",
    "Resources": "no node is free yet",
    "Dependency": "it waits for another job",
    "DependencyNeverSatisfied": "the job that it waits for has failed: it will never start",
    "BeginTime": "it was just put back into the queue, or its begin time has not come",
    "JobArrayTaskLimit": "as many of its tasks as may run at once are running",
    "JobHeldUser": "it is held; `scontrol release` lets it go",
    "JobHeldAdmin": "an administrator holds it",
    "ReqNodeNotAvail": "the nodes it asks for are reserved or down",
    "PartitionDown": "its partition is closed",
    "PartitionInactive": "its partition is not active",
    "PartitionNodeLimit": "it asks for more nodes than its partition has",
    "PartitionTimeLimit": "it asks for more time than its partition gives: it will never start",
    "NodeDown": "a node that it asks for is down",
    "BadConstraints": "no node is like what it asks for: it will never start",
    "Licenses": "no licence is free yet",
    "Reservation": "it waits for its reservation",
    "Cleaning": "its last attempt is being cleaned up",
    "launch failed requeued held": "it could not be started, and is held",
    "job requeued in held state": "it was put back, and is held",
    "AccountNotAllowed": "its account may not use this partition",
    "QOSNotAllowed": "its QOS may not be used here",
    "InvalidAccount": "its account is not valid",
    "InvalidQOS": "its QOS is not valid",
    "None": "Slurm has not looked at it yet",
}


@dataclass(frozen=True, slots=True)
class Task:
    """A job of Slurm, or one task (or several that wait alike) of an array."""

    tasks: str
    """Indices, such as ``7`` or ``3-9%2``; empty where it is no array."""
    state: str
    """Slurm's state, such as RUNNING."""
    reason: str = ""
    """Slurm's reason for waiting, or for its end."""
    start: str = ""
    """When it began, or is expected to: local time of the cluster, ISO 8601; empty where nobody knows."""
    nodes: str = ""
    """Where it runs or ran."""
    exit_code: int = 0
    """What its script ended with."""
    signal: int = 0
    """Signal that ended its script."""

    @property
    def waits(self) -> bool:
        """True while it is in the queue."""
        return self.state in WAITING

    @property
    def runs(self) -> bool:
        """True while it holds nodes."""
        return self.state in ACTIVE

    @property
    def has_ended(self) -> bool:
        """True when Slurm is done with it."""
        return not (self.waits or self.runs)

    @property
    def is_told(self) -> bool:
        """False where it has failed and nobody says yet with which exit code."""
        return self.state != "FAILED" or bool(self.exit_code or self.signal)

    @property
    def lost(self) -> bool:
        """True when it ended by no fault of its own."""
        return self.state in LOST

    def words(self) -> str:
        """Tell in plain words what holds it up, or how it ended."""
        if self.runs:
            return f"running on {self.nodes}" if self.nodes else "running"
        if self.waits:
            return f"queued: {explain_reason(self.reason)}"
        told = _ENDS.get(self.state, f"ended as {self.state}")
        if self.state == "FAILED":
            told += f" ({describe_exit(self.exit_code, self.signal)})"
        return told


def count_tasks(text: str) -> int:
    """Count the indices of an array.

    Examples
    --------
    >>> count_tasks("3-9%2"), count_tasks("1,4-5"), count_tasks("7"), count_tasks("0-8:4"), count_tasks("")
    (7, 3, 1, 3, 1)
    """
    count = 0
    for part in text.partition("%")[0].split(","):
        span, _, step = part.partition(":")
        first, dash, last = span.partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            count += (int(last) - int(first)) // int(step or 1) + 1
        else:
            count += 1
    return count


def explain_reason(reason: str) -> str:
    """Give a reason of Slurm in plain words, with Slurm's own behind it.

    Examples
    --------
    >>> explain_reason("Resources")
    'no node is free yet (Resources)'
    >>> explain_reason("QOSMaxCpuPerUserLimit")
    'a limit of its QOS is reached (QOSMaxCpuPerUserLimit)'
    """
    reason = reason.strip("()") or "None"
    name = reason.partition(",")[0]
    told = _REASONS.get(name)
    if told is None and name.startswith("QOS"):
        told = "a limit of its QOS is reached"
    if told is None and name.startswith(("Assoc", "Max")):
        told = "a limit of its account is reached"
    return f"{told} ({name})" if told else f"Slurm says {reason}"


def describe_exit(code: int, signal: int) -> str:
    """Tell how a script ended.

    Examples
    --------
    >>> describe_exit(3, 0), describe_exit(0, 9)
    ('exit code 3', 'killed by signal 9')
    >>> describe_exit(72, 0)
    'the compute node does not see the job folder'
    """
    if signal == 53:  # what slurmstepd says when it cannot open the output file
        return "its log cannot be written: the compute node does not see the job folder, or its disk is full"
    if code == UNSEEN:
        return "the compute node does not see the job folder"
    if not code and not signal:
        return "Slurm does not tell the exit code"
    return f"killed by signal {signal}" if signal else f"exit code {code}"
