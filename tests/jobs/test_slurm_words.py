"""How a job stands at a site, in words."""

from __future__ import annotations

from swath.jobs.slurm_record import SlurmRecord
from swath.jobs.slurm_words import describe_end, describe_work
from swath.sites.slurm import SlurmResources, Task

ONE = SlurmRecord("hpc", "/x", SlurmResources(memory="4GB", time="01:00:00"))
MANY = SlurmRecord("hpc", "/x", SlurmResources(), tasks=10)


def test_waiting_and_running():
    waits = Task("", "PENDING", "Priority", "2026-11-21T19:52:06")
    assert describe_work([waits], 0, 4) == (
        "queued: jobs of higher priority come first (Priority); "
        "expected to start 2026-11-21 19:52:06 (cluster time)"
    )
    tasks = [Task("3-9%2", "PENDING", "JobArrayTaskLimit"), Task("1", "RUNNING", "None", "", "n1")]
    assert describe_work(tasks, 5, 80) == (
        "5 of 80 units done; 1 task running on n1; 7 tasks queued: as many of its tasks as may run at once "
        "are running (JobArrayTaskLimit)"
    )
    assert describe_work([], 3, 4) == "3 of 4 units done; waiting for Slurm to tell more"


def test_ends():
    def end(record, *tasks):
        return describe_end(list(tasks), record)

    assert end(ONE, Task("", "OUT_OF_MEMORY")) == "it ran out of memory (it had 4GB: ask for more with --mem)"
    assert (
        end(ONE, Task("", "TIMEOUT"))
        == "it reached its time limit (it had 01:00:00: ask for more with --time)"
    )
    assert end(ONE, Task("", "FAILED", nodes="n2", signal=9)).startswith(
        "it was killed on n2, most likely because"
    )
    assert "its environment is not there on n2" in end(ONE, Task("", "FAILED", nodes="n2", exit_code=127))
    assert "does not see the job folder" in end(ONE, Task("", "FAILED", signal=53))
    assert end(MANY, Task("3", "NODE_FAIL", nodes="n2"), Task("4", "NODE_FAIL", nodes="n2")) == (
        "2 of its 10 tasks did not succeed: the first lost its node on n2 (look into its logs)"
    )
    assert "does not know any more how" in end(ONE)
