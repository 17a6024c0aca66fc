"""The machine at hand as a site: a job runs as a process of its own, which outlives the terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path

_END_S = 8.0
"""How long a process may take to end by itself, before it is killed."""
_STARTED: list[subprocess.Popen[bytes]] = []
"""Processes that this one started and that may have ended: asking for that is what lets them go."""


def own_handle() -> str:
    """Give the handle of this process: its number and when it began, since numbers are used again."""
    return format_handle(os.getpid())


def format_handle(pid: int) -> str:
    """Write the handle of a process.

    Examples
    --------
    >>> format_handle(os.getpid()).startswith(f"{os.getpid()}@")
    True
    """
    try:
        return f"{pid}@{psutil.Process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return f"{pid}@0"


def _process(handle: str) -> psutil.Process | None:
    try:
        pid, started = handle.split("@")
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(started)) < 0.05
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (ValueError, psutil.Error):
        return None


def is_alive(handle: str) -> bool:
    """Tell whether the process with a handle still runs."""
    return _process(handle) is not None


def start(command: list[str], log: Path, *, folder: Path | str = "/") -> str:
    """Start a process that outlives this one and its terminal.

    Parameters
    ----------
    command : list of str
        Program and arguments.
    log : Path
        Where its output goes.
    folder : Path or str
        Where it works.

    Returns
    -------
    str
        Its handle.
    """
    _STARTED[:] = [each for each in _STARTED if each.poll() is None]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=folder,
        )
    _STARTED.append(process)
    return format_handle(process.pid)


def swath_command(*arguments: str) -> list[str]:
    """Give the command line that runs this very swath."""
    return [sys.executable, "-m", "swath", *arguments]


def end(handle: str) -> None:
    """End a process: asked first, then killed, with those that it started."""
    process = _process(handle)
    if process is None:
        return
    with contextlib.suppress(psutil.Error):
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=_END_S)
        for each in alive:
            with contextlib.suppress(psutil.Error):
                each.kill()


def wait_for(handle: str, timeout_s: float) -> bool:
    """Wait until a process has ended; False when it has not in that time."""
    until = time.monotonic() + timeout_s
    while is_alive(handle):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
