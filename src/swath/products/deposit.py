"""Products that are in a folder of this machine, put into a store: files first, then their item."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.model import MissingObjectError, OutputError
from swath.products.place import stamped
from swath.products.raster import write_raster
from swath.storage.upload import upload_many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.products.lineage import Lineage
    from swath.products.place import Place
    from swath.products.raster import Raster


def deposit_raster(place: Place, raster: Raster, lineage: Lineage) -> dict[str, Any]:
    """Write layers as COGs into a store; the item is given, and not written.

    GDAL's COG driver needs a file that it can go back and forth in: each is written to the folder of
    temporary files first. Files that are in the store already, from a call that was broken off, are not
    sent again.

    Parameters
    ----------
    place : Place
        Where they go, as ``<id>_<layer>-<beginning of the checksum>.tif``.
    raster, lineage
        As `write_raster` has them.

    Raises
    ------
    OutputError
        There is no room for temporary files.
    """
    with tempfile.TemporaryDirectory(prefix="swath-save-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        try:
            item = write_raster(folder, raster, lineage)
        except OutputError as error:
            advice = "temporary files need room: free some, or set TMPDIR to a folder that has it"
            raise OutputError(error.what, fix=advice) from error
        upload_many(place.store, _lacking(place, folder, item), concurrency=4)
    return item


def _lacking(place: Place, folder: Path, item: dict[str, Any]) -> Iterator[tuple[str, Path]]:
    """Give the files that the store has not, and let the item name them where they will be."""
    for asset in item["assets"].values():
        path = folder / asset["href"].removeprefix("./")
        name = stamped(path.name, asset["file:checksum"])
        asset["href"] = place.href(name)
        if not _is_there(place, name, asset["file:size"]):
            yield place.key(name), path


def _is_there(place: Place, name: str, size: int) -> bool:
    try:
        return place.store.stat(place.key(name)).size == size
    except MissingObjectError:
        return False
