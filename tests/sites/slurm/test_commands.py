"""Slurm's words, as recorded from real ones: what its commands print, and how they say no."""

from __future__ import annotations

import pytest

from swath.model import SwathError
from swath.sites.slurm.commands import Slurm, SlurmAwayError, SlurmRefusedError, parse_account
from swath.sites.slurm.states import Task
from swath.sites.transport import Completed

# Recorded on Slurm 22.05.8 (Debian 12), where tests/slurm runs the same commands.
QUEUE = """\
1|0-5%2|PENDING|N/A||None
7|N/A|PENDING|2026-11-21T19:52:06||Resources
1|2|FAILED|2026-11-21T18:37:27|n1|NonZeroExitCode
9|N/A|RUNNING|2026-11-21T18:37:24|n[1-3]|None
5|N/A|PENDING|N/A||ReqNodeNotAvail, UnavailableNodes:n[1-3]
"""
ACCOUNT = """\
1_0|FAILED|3:0|2026-11-21T18:37:24|n1|None
1_[4-5%2]|PENDING|0:0|Unknown|None assigned|JobArrayTaskLimit
57|FAILED|0:9|2026-11-21T19:23:57|n1|None
58|CANCELLED by 61002|0:15|2026-11-21T19:23:57|n1|None
59|NODE_FAIL|1:0|2026-11-21T19:23:57|n2|None
59|COMPLETED|0:0|2026-11-21T19:24:30|n3|None
60|TIMEOUT|0:0|2026-11-21T19:23:57|n2|None
"""


class Played:
    """Plays back what a command printed."""

    name = "played"

    def __init__(self, code, output, errors=""):
        self.done, self.asked = Completed(code, output, errors), []

    def run(self, command, **options):
        self.asked.append((command, options))
        return self.done


def test_the_queue():
    found = Slurm(Played(0, QUEUE)).queue()
    assert found["1"] == [
        Task("0-5%2", "PENDING", "None"),
        Task("2", "FAILED", "NonZeroExitCode", "2026-11-21T18:37:27", "n1"),
    ]
    assert found["7"] == [Task("", "PENDING", "Resources", "2026-11-21T19:52:06")]
    assert found["9"][0].runs
    assert found["9"][0].nodes == "n[1-3]"
    assert "reserved or down (ReqNodeNotAvail)" in found["5"][0].words()


def test_the_accounting_and_that_the_last_of_several_attempts_counts():
    found = Slurm(Played(0, ACCOUNT)).account(["1", "57", "58", "59", "60"])
    assert found["1"] == [
        Task("0", "FAILED", "None", "2026-11-21T18:37:24", "n1", 3),
        Task("4-5%2", "PENDING", "JobArrayTaskLimit"),
    ]
    assert found["57"][0].words() == "ended with an error (killed by signal 9)"
    assert (found["58"][0].state, found["58"][0].signal) == ("CANCELLED", 15)
    assert [each.state for each in found["59"]] == ["COMPLETED"]
    assert found["60"][0].lost


def test_a_line_without_an_exit_code():
    assert parse_account("8|||Unknown|None assigned|None") == ("8", Task("", "UNKNOWN", "None"))


def test_the_id_comes_last_and_without_its_cluster():
    assert Slurm(Played(0, "sbatch: a greeting\n1234;hpda2\n")).submit("/x/job.sh", "/x") == "1234"


@pytest.mark.parametrize(
    "told",
    [
        "squeue: error: slurm_receive_msg: Socket timed out on send/recv operation\n"
        "slurm_load_jobs error: Socket timed out on send/recv operation",
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to "
        "host:ctl:6819: Connection refused\nsacct: error: Problem talking to the database",
    ],
)
def test_slurm_that_is_away(told):
    with pytest.raises(SlurmAwayError, match="does not answer squeue"):
        Slurm(Played(1, "", told)).queue()


def test_slurm_that_says_no():
    told = "sbatch: error: Batch job submission failed: Invalid qos specification"
    with pytest.raises(SlurmRefusedError) as caught:
        Slurm(Played(1, "", told)).submit("/x", "/")
    assert caught.value.what == "site: sbatch refuses: Batch job submission failed: Invalid qos specification"
    assert caught.value.exit_code == 2
    with pytest.raises(SwathError, match="squeue is not found on played"):
        Slurm(Played(127, "", "sh: squeue: not found")).queue()


def test_jobs_that_have_ended_already_are_cancelled_enough():
    gone = "scancel: error: Kill job error on job id 7: Invalid job id specified"
    Slurm(Played(1, "", gone)).cancel(["7"])
    with pytest.raises(SlurmRefusedError, match="Access/permission denied"):
        Slurm(Played(1, "", "scancel: error: Kill job error on job id 7: Access/permission denied")).cancel(
            ["7"]
        )


def test_one_of_several_clusters_is_named_to_every_command():
    way = Played(0, "12;two\n")
    Slurm(way, login=True, cluster="two").submit("/x", "/")
    ((command, options),) = way.asked
    assert command[:3] == ("env", "SLURM_CLUSTERS=two", "sbatch")
    assert options["login"] is True
    assert options["once"] is True
