"""Opens raster files, and refuses those that are not what their items say."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.errors import RasterioError

from swath.cube.placing import place, same_crs
from swath.model import MissingAssetError, SwathError, UnreadableAssetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from odc.geo.geobox import GeoBox

    from swath.cube.placing import Pixels
    from swath.cube.sources import BandSource

_GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "VSI_CACHE": "FALSE",
}


class RasterFile:
    """An open raster file.

    Parameters
    ----------
    href : str
        Path or address.
    dataset : rasterio.DatasetReader
        The open file.
    """

    def __init__(self, href: str, dataset: Any) -> None:
        self.href = href
        self._dataset = dataset

    def read(self, sources: Sequence[BandSource], geobox: GeoBox, *, resampling: str = "nearest") -> Pixels:
        """Read layers onto a geobox.

        Parameters
        ----------
        sources : sequence of BandSource
            Layers of this file.
        geobox : GeoBox
            Target grid.
        resampling : str
            How to come to another grid; see `swath.cube.placing.RESAMPLING`.

        Returns
        -------
        Pixels
            (layer, y, x), in the order of ``sources``.

        Raises
        ------
        UnreadableAssetError
            The file is cut short, lacks a layer, or contradicts its item.
        """
        _check_agrees(self._dataset, sources)
        try:
            return place(self._dataset, sources, geobox, resampling)
        except RasterioError as error:
            raise describe_failure(self.href, error) from error


@contextlib.contextmanager
def open_raster(href: str) -> Iterator[RasterFile]:
    """Open a raster file.

    Raises
    ------
    MissingAssetError
        There is no such file.
    UnreadableAssetError
        The file is no raster.
    """
    with rasterio.Env(**_GDAL):
        try:
            dataset = rasterio.open(href, sharing=False)
        except RasterioError as error:
            raise describe_failure(href, error) from error
        with dataset:
            yield RasterFile(href, dataset)


def describe_failure(href: str, error: Exception) -> SwathError:
    """Make our error of what rasterio says of a file: it is not there, or it cannot be read."""
    cause = error.__cause__ or error
    reason = " ".join(str(cause).split())
    path = href.split('"')[1] if href.startswith("ZARR:") else href
    is_local = "://" not in path and not path.startswith("/vsi")
    gone = (is_local and not Path(path).exists()) or "HTTP response code: 404" in reason
    if gone:
        return MissingAssetError(
            f"asset: there is no file {href!r}", fix="restore it, or leave it out with --skip-bad"
        )
    return UnreadableAssetError(
        f"asset: {href!r} cannot be read as a raster ({reason})",
        fix="fetch it again, or leave it out with --skip-bad",
    )


def _check_agrees(dataset: Any, sources: Sequence[BandSource]) -> None:
    """Refuse a file that is not what its item says: a wrong position would go unseen into a product."""
    said = sources[0]
    where = f"asset: {said.href!r}"
    fix = "correct the item, or leave the asset out with --skip-bad"
    if max(each.index for each in sources) > dataset.count:
        most = max(each.index for each in sources)
        raise UnreadableAssetError(f"{where} has {dataset.count} layers, its item says {most}", fix=fix)
    if dataset.crs is None:
        raise UnreadableAssetError(f"{where} has no coordinate reference system", fix=fix)
    if said.crs and not same_crs(said.crs, dataset.crs):
        found = dataset.crs.to_string()
        raise UnreadableAssetError(f"{where} is in {found[:60]}, its item says {said.crs[:60]}", fix=fix)
    if said.transform and not _same_transform(said.transform, dataset.transform):
        found, wanted = [round(each, 6) for each in dataset.transform[:6]], list(said.transform)
        raise UnreadableAssetError(f"{where} lies at {found}, its item says {wanted}", fix=fix)


def _same_transform(said: Sequence[float], found: Any) -> bool:
    pixel = max(abs(found.a), abs(found.b))
    return all(abs(a - b) <= 0.01 * pixel for a, b in zip(said, found[:6], strict=True))
