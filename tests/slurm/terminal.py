"""Somebody at a terminal: a command that has one, and is talked to."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PATIENCE_S = 60


class Terminal:
    """A command at a terminal of its own.

    Parameters
    ----------
    words : sequence of str
        The command.
    environ : mapping, optional
        Its environment; that of this process unless given.
    """

    def __init__(self, words: Sequence[str], environ: Mapping[str, str] | None = None) -> None:
        self._own, other = os.openpty()
        self.process = subprocess.Popen(
            ("setsid", "--ctty", "--wait", *words),
            stdin=other, stdout=other, stderr=other, env=environ, start_new_session=True,
        )  # fmt: skip
        os.close(other)
        self.shown = ""

    def wait_for(self, text: str) -> str:
        """Read on until the screen shows something new; give what it has shown since the last time."""
        until = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            ready, _, _ = select.select([self._own], [], [], max(0, until - time.monotonic()))
            assert ready, (text, self.shown)
            more = b""
            with contextlib.suppress(OSError):  # its other end is closed
                more = os.read(self._own, 65536)
            assert more, (text, self.shown)
            self.shown += more.decode()
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def type(self, text: str) -> None:
        """Type something, and Enter."""
        os.write(self._own, f"{text}\n".encode())

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._own, key)

    @property
    def echoes(self) -> bool:
        """Tell whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._own)[3] & termios.ECHO)

    def close(self) -> int:
        """Wait for the end of the command; give its exit code."""
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._own)


@contextlib.contextmanager
def at_terminal(words: Sequence[str], environ: Mapping[str, str] | None = None) -> Iterator[Terminal]:
    """Start a command at a terminal; it has ended well at the end."""
    terminal = Terminal(words, environ)
    try:
        yield terminal
    except BaseException:
        terminal.process.kill()
        terminal.close()
        raise
    assert terminal.close() == 0, terminal.shown
