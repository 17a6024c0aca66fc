"""A session on its node: makes the secret, starts the app, guards it, and tells how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.model import SwathError
from swath.sites.session.app import App, missing_needs
from swath.sites.session.certificate import make_certificate, server_context
from swath.sites.session.gate import SECRET_BYTES, listen, password_of, serve_gate
from swath.sites.session.values import SessionOrder, SessionReport, SessionState
from swath.storage.whole import writing

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("swath")
_LONGEST_PATH = 60
"""Of the folder for sockets: their whole path has room for 107 bytes only, and kernels add names of 50."""


def run_session(folder: Path) -> int:
    """Run a session until its app ends, or until it is told to end.

    Parameters
    ----------
    folder : Path
        The session's folder, which all nodes see; ``order.json`` in it says what is wanted.

    Returns
    -------
    int
        Exit code: 0 where it has ended in peace.
    """
    os.umask(0o077)
    folder = folder.absolute()
    folder.chmod(0o700)
    order = SessionOrder.parse((folder / "order.json").read_text(encoding="utf-8"))
    told = _Told(folder)
    private = private_folder(order.id)
    try:
        return asyncio.run(_run(order, folder, private, told))
    except SwathError as error:
        log.error("%s", error)  # noqa: TRY400 -- the sentence says it all
        told(state=SessionState.FAILED, message=str(error))
        return error.exit_code
    except Exception as error:
        log.exception("the session failed")
        told(state=SessionState.FAILED, message=f"unforeseen: {type(error).__name__}: {error}")
        return 5
    finally:
        shutil.rmtree(private, ignore_errors=True)


def private_folder(name: str) -> Path:
    """Make a folder on the node's own disk that only this user can enter; its path is short.

    Not in the session's folder: sockets do not work on every shared file system, and paths there are long.
    """
    wanted = (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp")  # noqa: S108 -- mkdtemp closes it
    for each in wanted:
        if each and len(os.fsencode(each)) + len(name) + 16 <= _LONGEST_PATH and os.access(each, os.W_OK):
            return Path(tempfile.mkdtemp(prefix=f"swath-{name}-", dir=each))
    return Path(tempfile.mkdtemp(prefix="swath-", dir="/tmp"))


@dataclass
class _Told:
    """Writes ``session.json`` anew with each thing there is to tell."""

    folder: Path
    report: SessionReport | None = None

    def __call__(self, **changes: Any) -> None:
        if self.report is None:
            self.report = SessionReport(
                SessionState.STARTING, node_name(os.environ), job=os.environ.get("SLURM_JOB_ID", ""),
                started=_now(),
            )  # fmt: skip
        self.report = replace(self.report, **changes)
        write_private(self.folder / "session.json", asdict(self.report))


def write_private(path: Path, tree: dict[str, Any]) -> None:
    """Write JSON that nobody else may read, whole or not at all."""
    import orjson

    with writing(path) as part:
        part.touch(mode=0o600)
        part.write_bytes(orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def node_name(environ: Mapping[str, str]) -> str:
    """Give the name by which other nodes know this one."""
    return environ.get("SLURMD_NODENAME") or socket.gethostname()


async def _run(order: SessionOrder, folder: Path, private: Path, told: _Told) -> int:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    told(ends=slurm_end(os.environ))
    missing_needs(order)
    secret = secrets.token_bytes(SECRET_BYTES)
    certificate = make_certificate(order.id)
    app = App(order, folder, private, password_of(secret) if order.password else "")
    gate = await serve_gate(listener := listen(), server_context(certificate, private), secret, app.connect)
    port = listener.getsockname()[1]
    _write_secret(folder / "secret", secret)
    log.info("session %s on %s, port %d", order.id, node_name(os.environ), port)
    try:
        await app.start()
        ending = asyncio.ensure_future(stop.wait())
        ready = asyncio.ensure_future(app.wait_ready())
        ended = asyncio.ensure_future(app.wait())
        await asyncio.wait({ending, ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and not ended.done():
            told(state=SessionState.READY, port=port, certificate=certificate.public)
            log.info("ready")
            await asyncio.wait({ending, ended}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if ending.done():
            log.info("told to end")
            told(state=SessionState.ENDED, message="it was told to end")
            return 0
        return _tell_end(ended.result(), order, folder, told)
    finally:
        (folder / "secret").unlink(missing_ok=True)  # first: Slurm gives little time
        gate.close()
        await app.end()


def _tell_end(code: int, order: SessionOrder, folder: Path, told: _Told) -> int:
    if code == 0:
        told(state=SessionState.ENDED, message=f"{order.title} was shut down")
        return 0
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    last = last_line(folder / "log.txt")
    told(
        state=SessionState.FAILED, message=f"{order.title} ended with {how}" + (f" ({last})" if last else "")
    )
    return 5


def last_line(path: Path) -> str:
    """Give the last line of a log that says something; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((each.strip()[:200] for each in reversed(lines) if each.strip()), "")


def _write_secret(path: Path, secret: bytes) -> None:
    beside = path.with_name(".secret")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    beside.replace(path)


def slurm_end(environ: Mapping[str, str]) -> str:
    """Tell when Slurm will end this job, RFC 3339; empty where nobody knows."""
    if known := environ.get("SLURM_JOB_END_TIME"):  # since Slurm 23.02
        return dt.datetime.fromtimestamp(int(known), dt.UTC).isoformat(timespec="seconds")
    job = environ.get("SLURM_JOB_ID")
    if not job:
        return ""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        asked = ("squeue", "--noheader", "--jobs", job, "--format", "%e")
        done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
        return parse_local_time(done.stdout)
    return ""


def parse_local_time(text: str) -> str:
    """Read a time as Slurm writes it, in the time zone of this machine; give it as RFC 3339, or nothing.

    Examples
    --------
    >>> parse_local_time("N/A")
    ''
    >>> len(parse_local_time("2026-11-21T19:12:06"))
    25
    """
    try:
        return dt.datetime.fromisoformat(text.strip()).astimezone(dt.UTC).isoformat(timespec="seconds")
    except ValueError:
        return ""


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
