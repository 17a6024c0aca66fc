"""A static catalog, here or in a store: read once into a file of its own, then searched like any other."""

from __future__ import annotations

import shutil
import tempfile
import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from swath.catalog.embedded.sqlite import SqliteCatalog
from swath.catalog.intake.ingest import ingest
from swath.catalog.intake.reading import plain_address
from swath.catalog.intake.sources import JSON
from swath.catalog.readonly import ReadOnly
from swath.model import InputError, NotAllowedError, SwathWarning

if TYPE_CHECKING:
    from swath.catalog.protocol import IngestReport

_STORES = ("s3://", "dav://", "davs://", "dcache://")


def static_address(location: str) -> str:
    """Give the address of the document that a static catalog begins with; empty where it is none.

    Parameters
    ----------
    location : str
        A ``.json`` file or its address, or a folder of a store with a ``catalog.json`` in it.

    Raises
    ------
    InputError
        It names no store that is known.

    Examples
    --------
    >>> static_address("s3://eo/s2"), static_address("https://host/catalog.json"), static_address("a.sqlite")
    ('s3://eo/s2/catalog.json', 'https://host/catalog.json', '')
    """
    plain = plain_address(location)
    in_store = plain != location or plain.lower().startswith(_STORES)
    location = plain
    if location.lower().endswith(JSON):
        return location
    return f"{location.rstrip('/')}/catalog.json" if in_store else ""


class StaticCatalog(ReadOnly, SqliteCatalog):
    """The items that a static catalog links to; read only.

    Its documents are read when it is opened, several at a time, into a temporary file, which goes with this
    object: memory holds some thousand items at most, and every search has what a catalog file has.

    Parameters
    ----------
    address : str
        Path or address of its first document.

    Raises
    ------
    NotFoundError
        It is not there.
    InputError
        It is no STAC.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        folder = tempfile.mkdtemp(prefix="swath-catalog-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = Path(folder) / "items.sqlite"
        with SqliteCatalog(path, create=True) as filled:
            _tell(address, ingest(filled, address))
        super().__init__(path)

    @property
    def location(self) -> str:
        """Path or address of its first document."""
        return self._address

    def write_rows(self, rows: Any) -> IngestReport:  # noqa: ARG002 -- the protocol's
        """Refuse: it is only read."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotAllowedError(
            f"catalog {self._address}: a static catalog can only be read",
            fix="write to a catalog file; `swath catalog ingest` copies items into one",
        )


def _tell(address: str, report: IngestReport) -> None:
    """Tell what of a catalog cannot be read; all of it is an error."""
    if not report.rejected:
        return
    first = report.rejected[0]
    if not (report.accepted or report.collections):
        raise InputError(f"catalog {address}: nothing in it can be read: {first.id}: {first.reason}")
    warnings.warn(
        f"catalog {address}: {len(report.rejected)} of its documents are left out, such as {first.id} "
        f"({first.reason})",
        SwathWarning,
        stacklevel=4,
    )
