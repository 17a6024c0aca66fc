"""One way to open a catalog, whether it is a file, an API, or a static one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swath.catalog.api import ApiCatalog
from swath.catalog.embedded.sqlite import SqliteCatalog
from swath.catalog.static import StaticCatalog, static_address

if TYPE_CHECKING:
    from swath.catalog.protocol import Catalog


_APIS = ("http://", "https://")


def is_catalog_file(location: str) -> bool:
    """Tell whether a catalog is a file that can be written: neither an API nor a static catalog.

    Examples
    --------
    >>> is_catalog_file("here.sqlite"), is_catalog_file("https://host/stac"), is_catalog_file("catalog.json")
    (True, False, False)
    """
    return not static_address(location) and not location.lower().startswith(_APIS)


def open_catalog(path_or_url: str | Path, *, create: bool = False) -> Catalog:
    """Open a catalog.

    Parameters
    ----------
    path_or_url : str or Path
        A SQLite file, the ``http(s)://`` address of a STAC API, or a static catalog: a ``.json`` file, its
        address, or ``NAME:folder`` in a store.
    create : bool
        Make the file where it is missing.

    Raises
    ------
    NotFoundError
        There is none.
    CatalogError
        It is damaged, or it does not answer.
    """
    address = static_address(str(path_or_url))
    if address and (not create or "://" in address):
        return StaticCatalog(address)
    if isinstance(path_or_url, str) and path_or_url.lower().startswith(_APIS):
        return ApiCatalog(path_or_url)
    return SqliteCatalog(Path(path_or_url), create=create)
