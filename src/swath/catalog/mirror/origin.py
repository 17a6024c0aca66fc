"""What is mirrored: the items of a source of any kind that are chosen, and their collections."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.catalog.intake.ingest import ingest, is_api
from swath.catalog.mirror.values import Failure
from swath.catalog.opening import open_catalog
from swath.storage import stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.catalog.mirror.values import Choice
    from swath.catalog.protocol import Catalog, IngestReport

_SQLITE = b"SQLite format 3\0"
_PAGE = 500


class Origin:
    """The chosen items of a catalog; they can be gone through more than once.

    Parameters
    ----------
    catalog : Catalog
        Where they are.
    choice : Choice
        Which they are.
    rejected : list of Failure
        What could not be read.
    """

    def __init__(self, catalog: Catalog, choice: Choice, rejected: list[Failure]) -> None:
        self._catalog, self._choice = catalog, choice
        self.rejected = rejected

    def items(self) -> Iterator[dict[str, Any]]:
        """Give the items, with absolute hrefs."""
        choice = self._choice
        found = self._catalog.search(
            collections=choice.collections, bbox=choice.bbox, datetime=choice.datetime, limit=_PAGE,
            max_items=choice.max_items,
        )  # fmt: skip
        return found.items_as_dicts()

    def collection(self, name: str) -> dict[str, Any]:
        """Give a collection."""
        return self._catalog.get_collection(name)


@contextlib.contextmanager
def open_origin(source: str, choice: Choice) -> Iterator[Origin]:
    """Open what is mirrored.

    Parameters
    ----------
    source : str
        A catalog file, a static catalog or collection (path, URL, or ``NAME:path`` in a store), or the
        address of a STAC API.
    choice : Choice
        Which items.

    Notes
    -----
    What is no catalog file is taken into a temporary one first: whatever it is, its items are then checked,
    counted and gone through again without asking anybody.
    """
    name, colon, rest = source.partition(":")
    if colon and not rest.startswith("//") and name in stores().named:
        source = stores().href(source)
    if _is_catalog_file(source):
        with open_catalog(source) as catalog:
            yield Origin(catalog, choice, [])
        return
    with tempfile.TemporaryDirectory(prefix="swath-mirror-") as folder:
        path = Path(folder) / "items.sqlite"
        with open_catalog(path, create=True) as catalog:
            choice, rejected = _taken_in(catalog, source, choice)
            yield Origin(catalog, choice, rejected)


def _is_catalog_file(source: str) -> bool:
    path = Path(source).expanduser()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _taken_in(catalog: Catalog, source: str, choice: Choice) -> tuple[Choice, list[Failure]]:
    """Take a source in; gives what is still to be chosen of it, and what could not be read."""
    area: dict[str, Any] = {"bbox": choice.bbox, "datetime": choice.datetime}
    reports: list[IngestReport] = []
    if choice.collections is not None and is_api(source):
        left = choice.max_items
        for name in choice.collections:
            if left is None or left > 0:
                reports.append(ingest(catalog, source, collection=name, max_items=left, **area))
                left = None if left is None else left - reports[-1].accepted
        choice = replace(choice, collections=None)  # one that the limit left out is not there to be searched
    else:
        limit = choice.max_items if choice.collections is None else None
        reports.append(ingest(catalog, source, max_items=limit, **area))
    rejected = [each for report in reports for each in report.rejected]
    return choice, [Failure(each.id, "", source, each.reason) for each in rejected]
