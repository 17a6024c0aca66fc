"""What goes wrong on purpose, and the log of what was asked."""

from __future__ import annotations

import dataclasses
import fnmatch
import threading
from typing import Literal
from urllib.parse import parse_qsl, urlencode

DoorName = Literal["webdav", "api", "pool"]
"""webdav: the WebDAV door; api: the REST frontend; pool: where data are when a door redirects."""
_SECRET = ("authorization", "cookie", "transferheader", "x-auth")


@dataclasses.dataclass
class Fault:
    """Something that goes wrong with the next requests that it fits."""

    next: int
    """How many more requests."""
    door: DoorName | None = None
    """Which door; None: any."""
    method: str | None = None
    """Which method; None: any."""
    path: str | None = None
    """Which paths, with ``*``; None: any."""
    status: int = 0
    """The answer; 0: the usual one."""
    message: str = ""
    """What the answer says."""
    retry_after_s: float | None = None
    """The header Retry-After."""
    redirect: str = ""
    """Where the answer 307 sends the client."""
    wait_s: float = 0.0
    """Real seconds before anything is answered."""
    bytes_per_s: float = 0.0
    """How fast a body comes; 0: at once."""
    cut_after: int = -1
    """After how many bytes of the body the connection breaks; -1: never."""
    shorter_by: int = 0
    """Bytes that are missing at the end of a body whose Content-Length says nothing of it."""
    corrupt: bool = False
    """True: one bit of the body is another."""

    def fits(self, door: str, method: str, path: str) -> bool:
        """Tell whether a request is meant."""
        return (
            self.next > 0
            and self.door in (None, door)
            and self.method in (None, method)
            and (self.path is None or fnmatch.fnmatchcase(path, self.path))
        )


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that a door has answered."""

    door: str
    """webdav, api or pool."""
    method: str
    """GET, PUT, ..."""
    path: str
    """The path, decoded and without the query."""
    query: str
    """The query, without its secrets."""
    status: int
    """The status of the answer; 0: the connection was cut before."""
    headers: dict[str, str]
    """The headers of the request by their names in lower case, without their secrets."""


class Faults:
    """The faults that wait for their requests."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let a fault wait; faults happen in the order in which they were added."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._faults.clear()

    def take(self, door: str, method: str, path: str) -> Fault | None:
        """Give the fault of a request, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.fits(door, method, path):
                    fault.next -= 1
                    return fault
        return None


def without_secrets(headers: list[tuple[str, str]]) -> dict[str, str]:
    """Keep of secret headers only their scheme.

    Examples
    --------
    >>> without_secrets([("Authorization", "Bearer abc"), ("Range", "bytes=0-1")])
    {'authorization': 'Bearer ***', 'range': 'bytes=0-1'}
    """
    kept = {}
    for name, value in headers:
        if name.lower().startswith(_SECRET):
            scheme, space, _ = value.partition(" ")
            kept[name.lower()] = f"{scheme} ***" if space else "***"
        else:
            kept[name.lower()] = value
    return kept


def query_without_secrets(query: str) -> str:
    """Take the token out of a query.

    Examples
    --------
    >>> query_without_secrets("authz=abc&children=true")
    'authz=***&children=true'
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "***" if name == "authz" else value) for name, value in pairs], safe="*/")
