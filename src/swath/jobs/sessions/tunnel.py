"""The way from this machine to the gate of a session; made again when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.model import SiteError
from swath.sites.session import AppAwayError, enter_gate
from swath.sites.session.gate import hang_up

if TYPE_CHECKING:
    import ssl

    from swath.jobs.sessions.session import Session
    from swath.sites.session import Key
    from swath.sites.session.gate import Streams

_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Way:
    """A way that was open when it was made."""

    port: int
    """Port of this machine's loopback that leads to the gate."""
    key: Key
    """What opens the gate."""
    context: ssl.SSLContext
    """TLS settings that believe this gate only."""


class Tunnel:
    """The way to a session.

    One thread keeps it (`mend`), another one uses it (`enter`); who finds it broken says so and waits.

    Parameters
    ----------
    session : Session
        Where it leads.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.broken = threading.Event()
        self._way: Way | None = None
        self._closing = contextlib.ExitStack()

    def mend(self) -> None:
        """Make the way anew, and prove it.

        Raises
        ------
        SiteError
            The site, the node or the app does not answer.
        """
        self.close()
        session = self.session
        key = session.key()
        port = self._closing.enter_context(session.place.transport.forward(session.target()))
        way = Way(port, key, key.context())
        try:
            asyncio.run(_prove(way))
        except AppAwayError:
            pass  # the gate is there, and tells so itself
        except OSError as error:
            self.close()
            raise SiteError(
                f"session {session.id}: {session.target()} does not answer",
                fix="where login nodes may not connect to compute nodes, no session can be opened: "
                "ask the site's administrators",
            ) from error
        self._way = way
        self.broken.clear()

    def works(self) -> bool:
        """Try whether the way is still open; where it is not, say so to all."""
        way = self._way
        if way is None:
            return False
        try:
            asyncio.run(_prove(way))
        except AppAwayError:
            return True
        except OSError:
            self._report(way)
            return False
        return True

    async def enter(self, patience_s: float) -> Streams:
        """Come to the app; wait for the way where it is being made.

        Raises
        ------
        AppAwayError
            The app does not answer.
        TimeoutError
            The way was not open in that time.
        """
        async with asyncio.timeout(patience_s):
            while True:
                if (way := self._way) is not None:
                    try:
                        return await enter_gate(way.port, way.key, way.context)
                    except AppAwayError:
                        raise
                    except OSError:
                        self._report(way)
                await asyncio.sleep(_POLL_S)

    def _report(self, way: Way) -> None:
        if self._way is way:
            self._way = None
            self.broken.set()

    @property
    def password(self) -> str:
        """The password of the app behind it, where it takes one."""
        way = self._way
        return way.key.password if way is not None else ""

    def close(self) -> None:
        """Close the way."""
        self._way = None
        with contextlib.suppress(OSError):
            self._closing.close()
        self._closing = contextlib.ExitStack()


async def _prove(way: Way) -> None:
    _, writer = await enter_gate(way.port, way.key, way.context)
    await hang_up(writer)
    writer.transport.abort()  # the loop ends now, whatever the other end does
    await asyncio.sleep(0)
