"""A bulk request and its targets: what was asked, and how far it is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from swath.testing.dcache.namespace import clean, inside

if TYPE_CHECKING:
    from swath.testing.dcache.login import Login
    from swath.testing.dcache.tape.activities import Failure
    from swath.testing.dcache.tape.system import Recall

Depth = Literal["NONE", "TARGETS", "ALL"]
"""Whether folders stand for what is in them, or for all below."""
_WAITING = ("CREATED", "READY", "RUNNING")


@dataclasses.dataclass
class Target:
    """One file or folder of a bulk request."""

    number: int
    """Its number; one more for each target of all requests."""
    path: str
    """As the client asked for it, cleaned, or as it was found in a folder."""
    state: str
    """CREATED, READY, RUNNING, CANCELLED, COMPLETED, FAILED or SKIPPED."""
    submitted: float
    """When it was taken in, seconds since 1970."""
    started: float | None = None
    """When work on it began."""
    finished: float | None = None
    """When it reached its last state."""
    failure: Failure | None = None
    """Why it failed."""
    recall: Recall | None = None
    """Its way from tape."""

    @property
    def waits(self) -> bool:
        """Tell whether it has not reached its last state."""
        return self.state in _WAITING

    def end(self, state: str, at: float, failure: Failure | None = None) -> None:
        """Let it reach its last state."""
        self.state, self.finished, self.failure = state, at, failure
        self.started = at if self.started is None else self.started


@dataclasses.dataclass
class BulkRequest:
    """What somebody wants done."""

    uid: str
    """Its id."""
    number: int
    """Its number in lists."""
    activity: str
    """What is to be done: one of ACTIVITIES."""
    who: Login
    """Who wants it."""
    url: str
    """Where it can be asked for."""
    arrived: float
    """When it came, seconds since 1970."""
    arguments: dict[str, str]
    """What the activity needs to know."""
    targets: list[Target]
    """What is to be worked on."""
    depth: Depth = "NONE"
    """What folders stand for."""
    cancel_on_failure: bool = False
    """True: the first failure ends it."""
    clear_on_success: bool = False
    """True: it is forgotten when all went well."""
    clear_on_failure: bool = False
    """True: it is forgotten when something failed."""
    status: str = "QUEUED"
    """QUEUED, STARTED, COMPLETED or CANCELLED."""
    started: float | None = None
    """When work began."""
    modified: float = 0.0
    """When it changed last."""

    @property
    def prefix(self) -> str:
        """Tell what its paths are relative to."""
        return self.who.restriction.root

    def place(self, path: str) -> str:
        """Tell the path in dCache of a target: below the root of whoever wants it."""
        plain = clean(path)
        return plain if inside(plain, self.prefix) else clean(self.prefix + plain)

    @property
    def over(self) -> bool:
        """Tell whether nothing more will happen to it."""
        return self.status in ("COMPLETED", "CANCELLED")
