"""How a session stands, by what its node and Slurm say."""

from __future__ import annotations

import datetime as dt

import pytest

from swath.jobs.sessions.session import Session, SessionStatus
from swath.sites.session import SessionOrder, SessionReport, SessionState
from swath.sites.slurm import SlurmAwayError, Task

ORDER = SessionOrder("lab-1", "lab", "Lab", "hpc", "2026-11-21T10:00:00+00:00", ("x",))
READY = SessionReport(
    SessionState.READY, "n1", port=1, certificate="c", job="7", ends="2026-11-21T12:00:00+00:00"
)


class Known:
    """A place where Slurm says what a test wants."""

    name = "hpc"

    def __init__(self, *tasks, away=False, ahead=3):
        self.tasks, self.away, self.place_in_queue = list(tasks), away, ahead

    def look(self, handles):
        if self.away:
            raise SlurmAwayError("site: Slurm does not answer squeue (no)")
        return {"7": self.tasks} if self.tasks else {}

    def ahead(self, handle):
        return self.place_in_queue


@pytest.mark.parametrize(
    ("place", "report", "state", "told"),
    [
        (Known(Task("", "PENDING", "Priority", "2026-11-22T08:00:00")), None, "queued",
         "jobs of higher priority come first (Priority); 3 jobs before it; "
         "expected to start 2026-11-22 08:00:00 (cluster time)"),
        (Known(Task("", "PENDING", "Resources"), ahead=0), None, "queued",
         "no node is free yet (Resources); first in the queue"),
        (Known(Task("", "PENDING", "Resources"), ahead=None), None, "queued",
         "no node is free yet (Resources)"),
        (Known(Task("", "PENDING", "Resources")), READY, "ready", ""),
        (Known(Task("", "RUNNING", nodes="n1")), None, "starting", "on n1"),
        (Known(Task("", "RUNNING", nodes="n1")), READY, "ready", ""),
        (Known(away=True), READY, "ready", ""),
        (Known(away=True), None, "queued",
         "Slurm does not answer now (site: Slurm does not answer squeue (no))"),
        (Known(Task("", "NODE_FAIL", nodes="n1")), READY, "failed",
         "it lost its node n1; what was not saved is lost: start another with `swath lab`"),
        (Known(Task("", "TIMEOUT", nodes="n1")), READY, "ended", "it reached its time limit"),
        (Known(Task("", "CANCELLED")), None, "ended", "it was cancelled on the cluster"),
        (Known(), READY, "ended", "it ended, and Slurm does not know any more how"),
    ],
)  # fmt: skip
def test_what_node_and_slurm_say_makes_one_sentence(place, report, state, told):
    status = Session(ORDER, "/folder", place, "7", report).judge()
    assert (status.state, status.message) == (state, told)


def test_the_time_that_is_left_is_known_where_something_ends_it():
    status = Session(ORDER, "/folder", Known(Task("", "RUNNING")), "7", READY).judge()
    assert status.left_s(dt.datetime(2026, 11, 21, 11, 50, tzinfo=dt.UTC)) == 600
    assert status.words() == "ready on n1"
    assert SessionStatus("a", "b", "c", SessionState.READY).left_s(dt.datetime.now(dt.UTC)) is None
