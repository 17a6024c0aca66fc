"""The folder of a cluster at its site, closed to all others: order, size, standing, certificate, logs."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from swath.model import InputError, NotFoundError, SiteError
from swath.sites.cluster.certificates import CERTIFICATE, KEY, make_certificate
from swath.sites.cluster.record import (
    Order,
    Standing,
    Wanted,
    format_record,
    parse_order,
    parse_standing,
    parse_wanted,
)

if TYPE_CHECKING:
    from pathlib import Path

    from swath.sites.transport import Transport

# mkdir without -p fails where a cluster of this name is, which makes it the lock as well.
_MAKE = 'umask 077; mkdir -p "$(dirname "$1")" && mkdir "$1" && mkdir "$1/tls" "$1/logs"'
_EMPTY = 'umask 077; rm -rf "$1" && mkdir -p "$1/tls" "$1/logs"'


class ClusterFolder:
    """The files of one cluster.

    Parameters
    ----------
    transport : Transport
        The way to them.
    path : str
        The folder there.
    """

    def __init__(self, transport: Transport, path: str) -> None:
        self.transport, self.path = transport, path.rstrip("/")

    @property
    def name(self) -> str:
        """Name of the folder, which is the cluster's."""
        return self.path.rpartition("/")[2]

    def make(self, *, anew: bool = False) -> None:
        """Make it, readable for nobody else.

        Parameters
        ----------
        anew : bool
            True to take the place of one that is there.

        Raises
        ------
        InputError
            There is one already.
        SiteError
            It cannot be made.
        """
        script = _EMPTY if anew else _MAKE
        done = self.transport.run(("sh", "-c", script, "sh", self.path))
        if done.exit_code == 0:
            return
        if "File exists" in done.errors:
            raise InputError(
                f"cluster: there is one called {self.name!r} already",
                fix=f"choose another name, or end it: swath cluster stop {self.name}",
            )
        raise SiteError(
            f"cluster: its folder {self.path!r} cannot be made ({done.errors.strip()})",
            fix="set folder in the site's settings to a place of yours that all nodes share",
        )

    def fill(self, order: Order, wanted: Wanted) -> None:
        """Write what was ordered, and a certificate."""
        for name, content in make_certificate().items():
            self.transport.write(f"{self.path}/tls/{name}", content, mode=0o600)
        self._write("order.json", order)
        self._write("wanted.json", wanted)
        self._write("cluster.json", Standing(wanted=wanted.minimum))

    def remove(self) -> None:
        """Delete it."""
        self.transport.run(("rm", "-rf", self.path))

    # -- records ------------------------------------------------------------------------------------

    def _write(self, name: str, record: Order | Wanted | Standing) -> None:
        self.transport.write(f"{self.path}/{name}", format_record(record), mode=0o600)

    def _read(self, name: str) -> bytes:
        try:
            return self.transport.read(f"{self.path}/{name}")
        except FileNotFoundError as error:
            raise NotFoundError(
                f"cluster: there is none called {self.name!r}", fix="list them: swath cluster list"
            ) from error

    def read_order(self) -> Order:
        """Read what was ordered."""
        return parse_order(self._read("order.json"))

    def read_wanted(self) -> Wanted:
        """Read how large it is to be."""
        return parse_wanted(self._read("wanted.json"))

    def write_wanted(self, wanted: Wanted) -> None:
        """Say how large it is to be; its keeper sees that within a second or two."""
        self._read("order.json")
        self._write("wanted.json", wanted)

    def read_standing(self) -> Standing:
        """Read how it stands."""
        return parse_standing(self._read("cluster.json"))

    def write_standing(self, standing: Standing) -> None:
        """Write how it stands."""
        self._write("cluster.json", standing)

    # -- the first workers ----------------------------------------------------------------------------

    def write_submitted(self) -> None:
        """Say that the first workers are in the queue, so that the keeper may count them."""
        self.transport.write(f"{self.path}/submitted", b"", mode=0o600)

    def is_submitted(self) -> bool:
        """Tell whether the first workers are in the queue; only where the folder is at hand."""
        return "submitted" in os.listdir(self.path)  # noqa: PTH208 -- asks a network file system anew

    # -- files ----------------------------------------------------------------------------------------

    def log_tail(self, name: str) -> str:
        """Give the last lines of a log; empty where there is none."""
        told = self.transport.run(("tail", "-n", "3", f"{self.path}/logs/{name}.txt")).output
        return " / ".join(line.strip() for line in told.splitlines() if line.strip())

    def fetch_certificate(self, target: Path) -> None:
        """Copy the certificate into a folder of this machine that nobody else may enter."""
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (CERTIFICATE, KEY):
            content = self.transport.read(f"{self.path}/tls/{name}")
            with contextlib.suppress(FileNotFoundError):
                (target / name).unlink()
            with os.fdopen(os.open(target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
