"""The way over SSH: one connection, as the user's ``~/.ssh/config`` says, made again when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import posixpath
import secrets
import shlex
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Self

import asyncssh

from swath.model import SiteError
from swath.sites.transport.connecting import connect, reason_of
from swath.sites.transport.way import BEGIN_LINE, TIMEOUT_S, Completed, decode, unwrapped, wrapped

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
    from pathlib import Path

_PAUSES_S = (0.5, 2.0, 5.0)
"""Between attempts to come back to a login node that has dropped the connection."""
_LOST = (asyncssh.ConnectionLost, asyncssh.DisconnectError, asyncssh.ChannelOpenError, ConnectionError)


class Ssh:
    """Commands and files on a login node.

    Parameters
    ----------
    address : str
        ``user@host``, ``user@host:port``, or a name of ``~/.ssh/config``. Keys, agent, ProxyJump and known
        hosts are what OpenSSH would use; host keys are always checked. A password or one-time code is asked
        for on the terminal, where there is one.

    Raises
    ------
    SiteError
        The host does not answer, or its key is unknown or another one.
    NotAllowedError
        It does not let the user in.
    """

    def __init__(self, address: str) -> None:
        self.name = address
        self._connection: asyncssh.SSHClientConnection | None = None
        self._lock: asyncio.Lock | None = None
        self._led: set[asyncio.Task[Any] | None] = set()
        """What leads connections on, see `forward`."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"ssh {address}", daemon=True)
        self._thread.start()
        try:
            self._wait(self._connected())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(Exception):
            self._wait(self._disconnect(), 5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self._loop.close()

    def run(
        self,
        command: Sequence[str],
        *,
        input: str = "",
        login: bool = False,
        once: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> Completed:
        """See `Transport.run`."""
        line = shlex.join(wrapped(command, login=login))

        async def run(connection: asyncssh.SSHClientConnection) -> Completed:
            done = await asyncio.wait_for(
                connection.run(line, input=input.encode(), encoding=None, check=False), timeout_s
            )
            if done.exit_status is None:  # the connection has ended first
                raise asyncssh.ConnectionLost("the connection ended before the command")
            return Completed(
                int(done.exit_status), decode(unwrapped(_bytes(done.stdout))), decode(_bytes(done.stderr))
            )

        try:
            return self._on_connection(run, once=once)
        except TimeoutError as error:
            raise SiteError(f"site: {command[0]} has not ended on {self.name} in {timeout_s:g} s") from error

    @contextlib.contextmanager
    def follow(self, command: Sequence[str]) -> Iterator[Iterator[bytes]]:
        """See `Transport.follow`."""
        line = shlex.join(wrapped(command, login=False))

        async def begin(connection: asyncssh.SSHClientConnection) -> asyncssh.SSHClientProcess[bytes]:
            return await connection.create_process(line, encoding=None, stdin=asyncssh.DEVNULL)

        process = self._on_connection(begin)

        def pieces() -> Iterator[bytes]:
            while self._wait(process.stdout.readline()) not in (BEGIN_LINE, b""):
                pass  # greetings of the shell
            while data := self._wait(process.stdout.read(65536)):
                yield data

        try:
            yield pieces()
        finally:
            with contextlib.suppress(Exception):
                self._loop.call_soon_threadsafe(process.terminate)
                self._loop.call_soon_threadsafe(process.close)

    def put(self, source: Path, target: str) -> None:
        """See `Transport.put`."""

        async def put(connection: asyncssh.SSHClientConnection) -> None:
            async with connection.start_sftp_client() as sftp:
                await sftp.makedirs(posixpath.dirname(target), exist_ok=True)
                if source.is_dir():
                    await sftp.makedirs(target, exist_ok=True)
                    for each in sorted(source.iterdir()):
                        await sftp.put(str(each), posixpath.join(target, each.name), recurse=True)
                else:
                    await sftp.put(str(source), target)

        self._files(put, target)

    def get(self, source: str, target: Path) -> None:
        """See `Transport.get`."""

        async def get(connection: asyncssh.SSHClientConnection) -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            async with connection.start_sftp_client() as sftp:
                if await sftp.isdir(source):
                    target.mkdir(exist_ok=True)
                    for each in await sftp.listdir(source):
                        if each not in (".", ".."):
                            await sftp.get(posixpath.join(source, each), str(target / each), recurse=True)
                else:
                    await sftp.get(source, str(target))

        self._files(get, source)

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """See `Transport.write`."""
        beside = f"{path}.{secrets.token_hex(4)}"

        async def write(connection: asyncssh.SSHClientConnection) -> None:
            async with connection.start_sftp_client() as sftp:
                await sftp.makedirs(posixpath.dirname(path), exist_ok=True)
                async with sftp.open(beside, "xb", asyncssh.SFTPAttrs(permissions=mode)) as file:
                    await file.write(content)
                await sftp.posix_rename(beside, path)

        self._files(write, path)

    def read(self, path: str) -> bytes:
        """See `Transport.read`."""

        async def read(connection: asyncssh.SSHClientConnection) -> bytes:
            async with connection.start_sftp_client() as sftp, sftp.open(path, "rb") as file:
                return _bytes(await file.read())

        return self._files(read, path)

    @contextlib.contextmanager
    def forward(self, target: str) -> Iterator[int]:
        """See `Transport.forward`."""
        server = self._wait(asyncio.start_server(functools.partial(self._lead, target), "127.0.0.1", 0))
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            with contextlib.suppress(RuntimeError):  # the loop may be closed
                self._loop.call_soon_threadsafe(server.close)

    async def _lead(self, target: str, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lead one connection on, over a new SSH connection where the one that was there has gone."""
        host, _, port = target.rpartition(":")
        own = asyncio.current_task()
        self._led.add(own)
        try:
            connection = await self._connected()
            if target.startswith("/"):
                far, far_writer = await connection.open_unix_connection(target)
            else:
                far, far_writer = await connection.open_connection(host, int(port))
            try:
                await asyncio.gather(_pump(near, far_writer), _pump(far, writer))
            finally:
                far_writer.close()
        except (OSError, asyncssh.Error):  # the port stays, for who tries again
            pass
        finally:
            self._led.discard(own)
            writer.close()

    # -- the connection -------------------------------------------------------------------------------

    def _wait[T](self, work: Coroutine[Any, Any, T] | Awaitable[T], timeout_s: float | None = None) -> T:
        """Do something on the connection's thread, and wait for it."""

        async def awaited() -> T:
            return await work

        future = asyncio.run_coroutine_threadsafe(awaited(), self._loop)
        try:
            return future.result(timeout_s)
        except FutureTimeout:
            future.cancel()
            raise
        except BaseException:
            future.cancel()
            raise

    def _on_connection[T](
        self, work: Callable[[asyncssh.SSHClientConnection], Awaitable[T]], *, once: bool = False
    ) -> T:
        """Do something, on a new connection where the one that was there has gone."""
        for pause in (*_PAUSES_S, None):
            connection = self._wait(self._connected())
            try:
                return self._wait(work(connection))
            except _LOST as error:
                self._connection = None
                if once or pause is None:
                    raise SiteError(
                        f"site: the connection to {self.name} has broken ({reason_of(error)})",
                        fix="try again; jobs there go on",
                    ) from error
                time.sleep(pause)
        raise AssertionError

    def _files[T](self, work: Callable[[asyncssh.SSHClientConnection], Awaitable[T]], path: str) -> T:
        try:
            return self._on_connection(work)
        except asyncssh.SFTPNoSuchFile as error:
            raise FileNotFoundError(f"{self.name}:{path}") from error
        except asyncssh.SFTPError as error:
            raise SiteError(
                f"site: {path!r} on {self.name} cannot be read or written ({reason_of(error)})",
                fix="look whether the disk is full and the folder is yours",
            ) from error

    async def _connected(self) -> asyncssh.SSHClientConnection:
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self.name)
            return self._connection

    async def _disconnect(self) -> None:
        led = [each for each in self._led if each is not None]
        for each in led:
            each.cancel()
        await asyncio.gather(*led, return_exceptions=True)
        if self._connection is not None:
            self._connection.close()
            await self._connection.wait_closed()


async def _pump(source: Any, sink: Any) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.write_eof()


def _bytes(data: bytes | str | None) -> bytes:
    """Take what asyncssh gives without an encoding for what it is."""
    return data.encode() if isinstance(data, str) else data or b""
