"""A Dask cluster on this machine."""

from __future__ import annotations

import psutil
import pytest
from calls import Unreadable, die, join_names, refuse

from swath.model import InputError, JobFailedError
from swath.sites import local_client, run_on_workers


def _run(function, names, stopped=lambda: False):
    return list(run_on_workers(function, "p", names, workers=1, memory_bytes=500_000_000, stopped=stopped))


@pytest.mark.slow
def test_each_name_comes_back_and_errors_keep_their_kind():
    names = [f"u{at}" for at in range(7)]
    assert sorted(_run(join_names, names)) == [f"p/{each}" for each in names]
    with pytest.raises(InputError, match="it is wrong") as error:
        _run(refuse, names)
    assert (error.value.fix, error.value.known) == ("mend it", ("a",))
    assert _run(join_names, names, stopped=lambda: True) == []


@pytest.mark.slow
def test_a_call_that_kills_its_workers_ends_the_job(monkeypatch):
    monkeypatch.setattr("swath.sites.dask_local._ALLOWED_FAILURES", 1)  # each new worker takes seconds
    with pytest.raises(JobFailedError, match="1 workers died over the same units"):
        _run(die, ["u0"])


@pytest.mark.slow
def test_workers_that_are_all_gone_end_the_job(monkeypatch):
    """A worker that cannot read a call ends in peace, and is not replaced."""
    monkeypatch.setattr("swath.sites.dask_local._PATIENCE_S", 5.0)
    with pytest.raises(JobFailedError, match="all of them have ended"):
        _run(Unreadable(), ["u0"])


@pytest.mark.slow
def test_two_clusters_at_once_listen_on_the_loopback_alone():
    with local_client(1, 300_000_000) as one, local_client(1, 300_000_000) as other:
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        listening = [
            each.laddr.ip
            for process in family
            for each in process.net_connections()
            if each.status == "LISTEN"
        ]
        assert listening
        assert set(listening) == {"127.0.0.1"}
        assert one.submit(sum, [1, 2]).result() == other.submit(sum, [3]).result()


@pytest.mark.slow
def test_what_a_job_says_outlives_a_cluster_that_does_not_close_in_peace(monkeypatch, caplog):
    from distributed import LocalCluster

    close = LocalCluster.close

    def closed_badly(self, timeout=None):
        close(self, timeout)
        raise AssertionError("can only join a started process")

    monkeypatch.setattr(LocalCluster, "close", closed_badly)
    with pytest.raises(InputError, match="it is wrong"):
        _run(refuse, ["u0"])
    assert "did not close in peace" in caplog.text
