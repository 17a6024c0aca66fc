"""States of jobs."""

from __future__ import annotations

from swath.model import JobState, JobStatus


def test_states_are_those_of_ogc_api_processes():
    assert [str(each) for each in JobState] == ["accepted", "running", "successful", "failed", "dismissed"]
    assert [each.value for each in JobState if each.is_final] == ["successful", "failed", "dismissed"]


def test_progress_is_the_share_of_units():
    status = JobStatus("a", "composite", "local", JobState.RUNNING, "/x", "", "", units_total=3, units_done=2)
    assert status.progress_percent == 66
    empty = JobStatus("a", "composite", "local", JobState.ACCEPTED, "/x", "", "")
    assert empty.progress_percent == 0
