"""What every way to a site can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TIMEOUT_S = 60.0
"""How long a command may take that says nothing else."""
BEGIN_LINE = b"swath:begin\n"
"""Comes before a command's own output: profiles of shells print greetings and worse."""


def wrapped(command: Sequence[str], *, login: bool) -> tuple[str, ...]:
    """Put a command into a shell, a login shell where asked, whose greetings `unwrapped` takes off."""
    shell = ("bash", "-lc") if login else ("sh", "-c")
    return (*shell, f'echo {BEGIN_LINE.decode().strip()}; exec "$@"', shell[0], *command)


def unwrapped(output: bytes) -> bytes:
    """Give what a wrapped command itself has written."""
    before, mark, own = output.partition(BEGIN_LINE)
    return own if mark else before


def decode(text: bytes) -> str:
    """Read what a program wrote, whatever it is."""
    return text.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended."""

    exit_code: int
    """What it ended with; 127 where there is no such program."""
    output: str
    """What it wrote to standard output."""
    errors: str
    """What it wrote to standard error."""


class Transport(Protocol):
    """A way to a site; to be used in a ``with`` statement, from one thread or several."""

    name: str
    """What people call the other end, such as ``alice@login``; ``here`` for this machine."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def run(
        self,
        command: Sequence[str],
        *,
        input: str = "",
        login: bool = False,
        once: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> Completed:
        """Run a program and wait for its end; no word of ``command`` is ever read by a shell.

        Parameters
        ----------
        command : sequence of str
            Program and arguments.
        input : str
            What it reads from standard input.
        login : bool
            True to run it from a login shell, which sets what the site's profile says.
        once : bool
            True for a command that must not run twice: a connection that breaks is an error then, while all
            others are made again on a new connection.
        timeout_s : float
            When to give it up.

        Raises
        ------
        SiteError
            The other end is away, or the command does not end.
        """

    def follow(self, command: Sequence[str]) -> contextlib.AbstractContextManager[Iterator[bytes]]:
        """Run a program, and give what it writes as it comes; leaving the ``with`` ends it."""

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a folder there, over what is there."""

    def get(self, source: str, target: Path) -> None:
        """Copy a file or a folder from there, over what is here."""

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file there, by a rename at the end; folders above it are made."""

    def read(self, path: str) -> bytes:
        """Read a file there.

        Raises
        ------
        FileNotFoundError
            There is none.
        """

    def forward(self, target: str) -> contextlib.AbstractContextManager[int]:
        """Open a port on the loopback of this machine that leads to a place there.

        Parameters
        ----------
        target : str
            ``host:port`` as the other end sees it, or the path of a socket there.
        """
