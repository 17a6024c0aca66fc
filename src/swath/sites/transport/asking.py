"""Asks the person at the terminal for what a host wants to know: passwords, one-time codes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from typing import TYPE_CHECKING

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ATTEMPTS = 3
"""As often as OpenSSH asks."""


class Asker(asyncssh.SSHClient):
    """Asks for passwords and one-time codes on the terminal, where there is one; refuses other host keys.

    Parameters
    ----------
    name : str
        What people call the host.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.refused: tuple[str, str, int, asyncssh.SSHKey] | None = None
        """Host, address, port and key of a host whose key is not the one that is known."""
        self.wanted = False
        """True where the host wants to know something that only a person can tell."""
        self.limit: asyncio.Timeout | None = None
        """How long the host may take; what a person takes does not count."""
        self._asked = 0

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Refuse a key that is not in the user's ``known_hosts``."""
        self.refused = (host, addr, port, key)
        return False

    async def password_auth_requested(self) -> str | None:
        """Ask for a password."""
        return await self._ask(f"{self.name}'s password: ", shown=False) if self._may_ask() else None

    def kbdint_auth_requested(self) -> str | None:
        """Tell whether questions of the host would be answered."""
        return "" if self._may_ask() else None

    async def kbdint_challenge_received(
        self,
        name: str,
        instructions: str,
        lang: str,  # noqa: ARG002 -- asyncssh gives it
        prompts: Sequence[tuple[str, bool]],
    ) -> list[str]:
        """Ask in the host's own words."""
        for each in (name, instructions):
            if each.strip():
                print(each.strip(), file=sys.stderr)  # noqa: T201 -- what the host says to the person
        return [await self._ask(prompt, shown=shown) for prompt, shown in prompts]

    def _may_ask(self) -> bool:
        self.wanted = True
        self._asked += 1
        return self._asked <= _ATTEMPTS and has_terminal()

    async def _ask(self, prompt: str, *, shown: bool) -> str:
        loop = asyncio.get_running_loop()
        left = None
        if self.limit is not None and (until := self.limit.when()) is not None:
            left = until - loop.time()
            self.limit.reschedule(None)
        with _terminal(shown=shown) as terminal:
            os.write(terminal, prompt.encode())
            typed = asyncio.Event()  # Enter was; no thread that waits would hear of Ctrl-C
            loop.add_reader(terminal, typed.set)
            try:
                await typed.wait()
                answer = os.read(terminal, 4096)
            finally:
                loop.remove_reader(terminal)
                if not shown:
                    os.write(terminal, b"\n")
        if self.limit is not None and left is not None:
            self.limit.reschedule(loop.time() + left)
        return answer.decode(errors="replace").rstrip("\r\n")


def has_terminal() -> bool:
    """Tell whether somebody sits at a terminal who can be asked."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return sys.stdin.isatty()


@contextlib.contextmanager
def _terminal(*, shown: bool) -> Iterator[int]:
    """Open the terminal, which shows what is typed only where asked; after it as before, Ctrl-C or not."""
    terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    try:
        before = termios.tcgetattr(terminal)
        quiet = list(before)
        if not shown:
            quiet[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
        try:
            yield terminal
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
    finally:
        os.close(terminal)
