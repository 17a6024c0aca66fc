"""STAC collections and items: found, taken in, published, given out; in a file here or an API elsewhere."""

import sys
from pathlib import Path
from types import ModuleType

from swath.catalog.api import ApiCatalog
from swath.catalog.embedded.sqlite import SqliteCatalog
from swath.catalog.intake.ingest import ingest
from swath.catalog.opening import is_catalog_file, open_catalog
from swath.catalog.protocol import Catalog, IngestReport
from swath.catalog.search import Search

__all__ = [
    "ApiCatalog",
    "Catalog",
    "IngestReport",
    "Search",
    "SqliteCatalog",
    "ingest",
    "is_catalog_file",
    "open_catalog",
]


class _CallablePackage(ModuleType):
    """Lets ``swath.catalog(...)`` open a catalog, though it is also the name of this package."""

    def __call__(self, location: str | Path | None = None, *, create: bool = False) -> Catalog:
        """Open a catalog.

        Parameters
        ----------
        location : str or Path, optional
            A SQLite file, the address of a STAC API, or a static catalog (see `swath.search`); that of the
            settings unless given.
        create : bool
            True to make the file when it does not exist.

        Returns
        -------
        Catalog
        """
        from swath.config import Settings

        return open_catalog(location or Settings.read().catalog_path, create=create)


sys.modules[__name__].__class__ = _CallablePackage
