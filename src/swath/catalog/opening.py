"""One way to open a catalog, whether it is a file or an API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swath.catalog.api import ApiCatalog
from swath.catalog.embedded.sqlite import SqliteCatalog

if TYPE_CHECKING:
    from swath.catalog.protocol import Catalog


def open_catalog(path_or_url: str | Path, *, create: bool = False) -> Catalog:
    """Open a catalog.

    Parameters
    ----------
    path_or_url : str or Path
        A SQLite file, or the ``http(s)://`` address of a STAC API.
    create : bool
        Make the file where it is missing.

    Raises
    ------
    NotFoundError
        There is none.
    CatalogError
        It is damaged, or it does not answer.
    """
    if isinstance(path_or_url, str) and path_or_url.lower().startswith(("http://", "https://")):
        return ApiCatalog(path_or_url)
    return SqliteCatalog(Path(path_or_url), create=create)
