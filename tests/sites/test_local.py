"""Processes of this machine: their handles, their ends."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from swath.sites import end, is_alive, own_handle, start, swath_command, wait_for
from swath.version import __version__

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def test_a_handle_is_a_process_and_when_it_began(tmp_path):
    handle = start(SLEEP, tmp_path / "log.txt")
    pid, began = handle.split("@")
    assert is_alive(handle)
    assert is_alive(own_handle())
    assert not is_alive(f"{pid}@{float(began) - 100:.2f}")  # a number that is used again is another process
    assert not wait_for(handle, 0.2)
    end(handle)
    assert not is_alive(handle)
    assert wait_for(handle, 0.2)
    end(handle)  # once more does no harm


@pytest.mark.parametrize("handle", ["", "1", "x@y", "999999999@1.00", "@"])
def test_what_is_no_handle_is_not_alive(handle):
    assert not is_alive(handle)
    end(handle)


def test_it_has_a_session_of_its_own_and_its_output_in_the_log(tmp_path):
    import os

    handle = start(
        [sys.executable, "-c", "import os; print(os.getsid(0) == os.getpid(), os.getcwd())"],
        tmp_path / "log.txt",
    )
    assert wait_for(handle, 10)
    assert (tmp_path / "log.txt").read_text() == "True /\n"
    assert os.getsid(0) != int(handle.split("@")[0])


def test_one_that_does_not_listen_is_killed_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr("swath.sites.local._END_S", 0.5)
    deaf = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"subprocess.Popen({SLEEP!r}); time.sleep(60)"
    )
    handle = start([sys.executable, "-c", deaf], tmp_path / "log.txt")
    until = time.monotonic() + 10
    while "up" not in (tmp_path / "log.txt").read_text() and time.monotonic() < until:
        time.sleep(0.05)
    family = [psutil.Process(int(handle.split("@")[0]))]
    family += family[0].children()
    assert len(family) == 2
    end(handle)
    _, alive = psutil.wait_procs(family, 5)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []


def test_the_command_is_this_very_swath():
    ended = subprocess.run(swath_command("--version"), capture_output=True, text=True, check=True)
    assert ended.stdout == f"swath {__version__}\n"
