"""The machine at hand as the other end: a login node that one sits on already."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Self

from swath.model import SiteError
from swath.sites.transport.way import TIMEOUT_S, Completed, decode, unwrapped, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Here:
    """Commands and files on this machine."""

    name = "here"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def run(
        self,
        command: Sequence[str],
        *,
        input: str = "",
        login: bool = False,
        once: bool = False,  # noqa: ARG002 -- nothing breaks here
        timeout_s: float = TIMEOUT_S,
    ) -> Completed:
        """See `Transport.run`."""
        words = wrapped(command, login=True) if login else tuple(command)
        try:
            done = subprocess.run(
                words, input=input.encode(), capture_output=True, timeout=timeout_s, check=False
            )
        except (FileNotFoundError, PermissionError) as error:
            return Completed(127, "", str(error))
        except subprocess.TimeoutExpired as error:
            raise SiteError(f"site: {command[0]} has not ended in {timeout_s:g} s") from error
        output = unwrapped(done.stdout) if login else done.stdout
        return Completed(done.returncode, decode(output), decode(done.stderr))

    @contextlib.contextmanager
    def follow(self, command: Sequence[str]) -> Iterator[Iterator[bytes]]:
        """See `Transport.follow`."""
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
        output = process.stdout
        assert output is not None  # noqa: S101 -- asked for above
        try:
            yield iter(lambda: output.read1(65536), b"")  # type: ignore[attr-defined]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            output.close()
            process.wait()

    def put(self, source: Path, target: str) -> None:
        """See `Transport.put`."""
        _copy(source, Path(target))

    def get(self, source: str, target: Path) -> None:
        """See `Transport.get`."""
        _copy(Path(source), target)

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """See `Transport.write`."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)

    def read(self, path: str) -> bytes:
        """See `Transport.read`."""
        return Path(path).read_bytes()

    @contextlib.contextmanager
    def forward(self, target: str) -> Iterator[int]:
        """See `Transport.forward`."""
        from swath.sites.transport.relay import relay

        with relay(target) as port:
            yield port


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
