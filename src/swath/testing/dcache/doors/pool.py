"""The pool: where a door sends clients for the bytes themselves."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote

from swath.testing.dcache.doors.data import DataHandler
from swath.testing.dcache.doors.door import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from swath.testing.dcache.login import Login


@dataclasses.dataclass(frozen=True)
class Transfer:
    """A transfer that a door has allowed."""

    method: str
    """GET or PUT."""
    path: str
    """The file."""
    largest: int | None
    """The most bytes that may come in."""


class Transfers:
    """The transfers that doors have allowed and pools have not ended.

    Parameters
    ----------
    address : callable
        Gives the address of the pool, without a slash at its end.
    """

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._transfers: dict[str, Transfer] = {}

    def begin(self, method: str, path: str, who: Login) -> str:
        """Allow a transfer; give the address where it will happen."""
        name = str(uuid.uuid4())
        with self._lock:
            self._transfers[name] = Transfer(method, path, who.restriction.largest)
        return f"{self._address()}{quote(path)}?dcache-http-uuid={name}"

    def find(self, name: str) -> Transfer | None:
        """Give a transfer that has not ended."""
        with self._lock:
            return self._transfers.get(name)

    def end(self, name: str) -> None:
        """Allow a transfer no more."""
        with self._lock:
            self._transfers.pop(name, None)


class PoolHandler(DataHandler):
    """Bytes, and nothing else; the id in the address is the permission."""

    def answer(self) -> Answer:
        """Answer one request."""
        name = self.params.get("dcache-http-uuid", "")
        transfer = self.dcache.transfers.find(name)
        if transfer is None:
            raise Answer(400, reason="Request is no longer valid. Please resubmit to door.")
        if self.command == "PUT":
            return self._put(name, transfer)
        if self.command not in ("GET", "HEAD"):
            raise Answer(501)
        if transfer.method == "PUT":
            raise Answer(405, reason="Resource is not open for reading")
        try:
            answer = self.content(
                transfer.path, {"Accept-Ranges": "bytes"} | self.digest_header(transfer.path)
            )
        except FileNotFoundError as error:
            raise Answer(500, reason="File was deleted") from error
        if answer.status == 200 and self.command == "GET":
            self.dcache.transfers.end(name)
        return answer

    def _put(self, name: str, transfer: Transfer) -> Answer:
        if transfer.method != "PUT":
            raise Answer(405, reason="Resource is not open for writing")
        self.dcache.transfers.end(name)
        self.receive(transfer.path, largest=transfer.largest)
        size = self.dcache.namespace.where(transfer.path).stat().st_size
        headers = {"Location": self.dcache.webdav_url + quote(transfer.path)} | self.digest_header(
            transfer.path
        )
        return Answer(201, f"{size} bytes uploaded\r\n".encode(), headers)
