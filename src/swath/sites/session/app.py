"""The app of a session: a process on this node that listens where nobody else can connect."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import sys
from typing import TYPE_CHECKING

from swath.model import NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from swath.sites.session.gate import Streams
    from swath.sites.session.values import SessionOrder

_POLL_S, _ANSWER_S, _END_S = 0.1, 10.0, 8.0


class App:
    """An app.

    Parameters
    ----------
    order : SessionOrder
        What is wanted.
    folder : Path
        The session's folder.
    private : Path
        A folder of this node that only this user can enter, where its socket is.
    password : str
        What it is to ask for, where it can; given to it in a file.
    """

    def __init__(self, order: SessionOrder, folder: Path, private: Path, password: str) -> None:
        self.order, self.folder, self.private = order, folder, private
        self.socket = private / "app.sock"
        self.port = _free_port() if order.listens == "port" else 0
        self.process: asyncio.subprocess.Process | None = None
        if password:
            path = private / "password"
            path.touch(mode=0o600)
            path.write_text(password)

    def variables(self) -> dict[str, str]:
        """Give the variables that the app's script finds."""
        given = {
            "SESSION_ID": self.order.id, "SESSION_TITLE": self.order.title, "SESSION_FOLDER": self.folder,
            "SESSION_PRIVATE": self.private, "SESSION_PYTHON": sys.executable,
            "SESSION_CLUSTERS": self.order.clusters,
        }  # fmt: skip
        if self.port:
            given["SESSION_PORT"] = self.port
        else:
            given["SESSION_SOCKET"] = self.socket
        if self.order.password:
            given["SESSION_PASSWORD_FILE"] = self.private / "password"
        for name, value in self.order.inputs.items():
            given[f"SESSION_INPUT_{name.upper()}"] = value if isinstance(value, str) else json.dumps(value)
        return {key: str(value) for key, value in given.items()}

    def command(self) -> list[str]:
        """Give its command line; ``{socket}`` and ``{port}`` in it stand for where it has to listen."""
        words = {
            "{socket}": str(self.socket),
            "{port}": str(self.port),
            "{python}": sys.executable,
            "{folder}": str(self.folder),
        }
        line = []
        for word in self.order.script:
            for mark, value in words.items():
                word = word.replace(mark, value)  # noqa: PLW2901
            line.append(word)
        return line

    async def start(self) -> None:
        """Start it; `wait` tells when it has ended."""
        environ = {**os.environ, **self.variables()}
        own = os.path.dirname(sys.executable)  # noqa: PTH120 -- the link, not the file behind it
        environ["PATH"] = f"{own}{os.pathsep}{environ.get('PATH', os.defpath)}"
        self.process = await asyncio.create_subprocess_exec(
            *self.command(), cwd=os.path.expanduser("~"), env=environ,  # noqa: PTH111 -- as shells do
            stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    async def wait(self) -> int:
        """Wait for its end; give its exit code."""
        assert self.process is not None  # noqa: S101 -- it was started
        return await self.process.wait()

    async def connect(self) -> Streams:
        """Connect to it.

        Raises
        ------
        OSError
            It does not listen.
        """
        if self.port:
            return await asyncio.open_connection("127.0.0.1", self.port)
        return await asyncio.open_unix_connection(str(self.socket))

    async def wait_ready(self) -> None:
        """Wait until it answers, however long that takes."""
        while not await self._answers():
            await asyncio.sleep(_POLL_S)

    async def _answers(self) -> bool:
        try:
            reader, writer = await self.connect()
        except OSError:
            return False
        try:
            if not self.order.ready:
                return True
            asked = f"GET {self.order.ready} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            async with asyncio.timeout(_ANSWER_S):
                writer.write(asked.encode())
                answer = await reader.readline()
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
        status = answer.split()[1:2]  # one who asks for a password is ready too
        return bool(status) and status[0].isdigit() and int(status[0]) < 500

    async def end(self) -> None:
        """End it, and all that it has started: asked first, then killed."""
        if self.process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_S):
                    await self.process.wait()
        await self.process.wait()


def missing_needs(order: SessionOrder) -> None:
    """Refuse to start what is not installed here.

    Raises
    ------
    NotFoundError
        With what is missing.
    """
    for each in order.needs:
        kind, _, name = each.rpartition(":")
        if kind == "python":
            if importlib.util.find_spec(name) is None:
                raise NotFoundError(
                    f"session: {order.title} is not installed in the environment of this site "
                    f"(there is no Python module {name} for {sys.executable})",
                    fix=f"install it there, or choose another environment for {order.site} in the settings",
                )
        elif shutil.which(name) is None:
            raise NotFoundError(
                f"session: {order.title} is not installed on {socket.gethostname()} (there is no {name})",
                fix=f"load its module by `prepare` in the settings of {order.site}",
            )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])
