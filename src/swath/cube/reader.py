"""Opens raster files, and refuses those that are not what their items say."""

from __future__ import annotations

import contextlib
import logging
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import rasterio
from rasterio.errors import CRSError, RasterioError
from rasterio.windows import Window as GdalWindow

from swath.cube.own_file import open_own
from swath.cube.placing import lattice_of, picks, place, same_crs
from swath.cube.sketch import sketch
from swath.cube.sources import UNAVAILABLE
from swath.cube.tiff import CorruptError, MalformedError, ServerError, Unsupported
from swath.model import (
    InputError,
    MissingAssetError,
    NotAllowedError,
    RefusedAssetError,
    SwathError,
    UnreadableAssetError,
)
from swath.storage import stores
from swath.storage.gdal import gdal_env, gdal_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from odc.geo.geobox import GeoBox

    from swath.cube.own_file import OwnFile
    from swath.cube.placing import Pixels, Window
    from swath.cube.sources import BandSource
    from swath.storage.web import WebStore

_GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "120",
    "VSI_CACHE": "FALSE",
}
_FAILURES = (RasterioError, CRSError, UnicodeDecodeError, ServerError, CorruptError, FileNotFoundError)
"""What comes of a file that is not there or no raster; a name in it may be no UTF-8."""
_GONE = ("HTTP response code: 404", "ObjectNotFound", "BucketNotFound")
_NOT_TAKEN = re.compile("says 401|HTTP response code: 401")

log = logging.getLogger(__name__)


class RasterFile:
    """An open raster file: read by one of our own readers where that can, by GDAL where not.

    Parameters
    ----------
    href : str
        Path or address.
    files : contextlib.ExitStack
        Closes what is opened.

    Raises
    ------
    RasterioError, CRSError, UnicodeDecodeError
        GDAL cannot open it either.
    ServerError, FileNotFoundError
        The server does not give it; GDAL is asked only where that may have credentials of its own.
    """

    def __init__(self, href: str, files: contextlib.ExitStack) -> None:
        self.href = href
        self._files = files
        self._dataset: Any = None
        self._levels: dict[int, Any] = {}
        self._own: OwnFile | None = None
        self._refused: ServerError | None = None
        try:
            self._own = open_own(href)
            files.callback(self._own.close)
        except (Unsupported, MalformedError, OSError) as error:
            self._leave_to_gdal(error)
        found = self._own or self.gdal()
        self.crs, self.transform = found.crs, found.transform
        if not math.isfinite(self.transform.determinant) or self.transform.determinant == 0:
            raise _unreadable(href, f"its pixels have no size: transform {tuple(self.transform[:6])}")
        self.height, self.width, self.count = int(found.height), int(found.width), int(found.count)

    def _leave_to_gdal(self, reason: Exception) -> None:
        if isinstance(reason, ServerError):
            if reason.final:
                raise reason
            self._refused = reason
        elif isinstance(reason, CorruptError) or (
            isinstance(reason, FileNotFoundError) and "://" in self.href
        ):
            raise reason
        log.debug("GDAL reads %s: %s", self.href, reason)
        self._own = None

    @property
    def by_gdal(self) -> bool:
        """True where none of our own readers reads it."""
        return self._own is None

    def gdal(self) -> Any:
        """Open the file with rasterio, once."""
        if self._dataset is None:
            place, options = gdal_place(self.href)
            self._files.enter_context(gdal_env(options, **_GDAL))
            try:
                self._dataset = self._files.enter_context(rasterio.open(place, sharing=False))
            except RasterioError as error:
                if self._refused is not None:
                    raise self._refused from error
                raise
        return self._dataset

    def dtype_of(self, layer: int) -> np.dtype[Any]:
        """Give the type of a layer's numbers; layers count from 1."""
        return self._own.dtype if self._own else np.dtype(self.gdal().dtypes[layer - 1])

    def nodata_of(self, layer: int) -> float | None:
        """Give the number that marks a missing pixel, as the file says."""
        if self._own:
            return self._own.nodata
        number: float | None = self.gdal().nodatavals[layer - 1]
        return number

    def has_mask(self) -> bool:
        """Tell whether the file has a mask or an alpha layer."""
        if self._own:
            return self._own.has_mask
        flags = {each.name for layer in self.gdal().mask_flag_enums for each in layer}
        return bool(flags & {"per_dataset", "alpha"})

    def has_points(self) -> bool:
        """Tell whether control points place the file, and no transform."""
        return self._own is None and bool(self.gdal().gcps[0])

    def overviews(self) -> tuple[tuple[int, int], ...]:
        """Give height and width of the overviews."""
        if self._own:
            return tuple((each.height, each.width) for each in self._own.overviews)
        levels = range(len(self.gdal().overviews(1)))
        return tuple((each.height, each.width) for each in map(self._gdal_level, levels))

    def _gdal_level(self, level: int | None) -> Any:
        if level is None:
            return self.gdal()
        if level not in self._levels:
            opened = rasterio.open(gdal_place(self.href)[0], sharing=False, overview_level=level)
            self._levels[level] = self._files.enter_context(opened)
        return self._levels[level]

    def read(self, layers: list[int], window: Window, level: int | None = None) -> NDArray[Any]:
        """Read stored numbers, of the file or of an overview: (layer, y, x)."""
        if self._own:
            try:
                return self._own.read([each - 1 for each in layers], window, level=level)
            except (Unsupported, MalformedError, OSError) as error:
                self._leave_to_gdal(error)  # it may know better; if not, it says what is wrong
        return np.asarray(self._gdal_level(level).read(layers, window=_gdal_window(window)))

    def read_mask(self, layers: list[int], window: Window, level: int | None = None) -> NDArray[np.bool_]:
        """Read where pixels are present: (layer, y, x)."""
        if self._own:
            try:
                mask = self._own.read_mask(window, level=level)
                return np.repeat(mask[np.newaxis], len(layers), axis=0)
            except (Unsupported, MalformedError, OSError) as error:
                self._leave_to_gdal(error)
        return np.asarray(self._gdal_level(level).read_masks(layers, window=_gdal_window(window)) > 0)

    def blocks_on(self, geobox: GeoBox) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """Tell where blocks of this file lie on a geobox with the same pixels: (first edge, size) in y and x.

        None where the pixels are not the same, or GDAL reads the file.
        """
        lattice = lattice_of(self, geobox)
        if self._own is None or lattice is None or not lattice.is_shift:
            return None
        image = self._own.image
        return (-round(lattice.y), image.block_height), (-round(lattice.x), image.block_width)

    def place(self, sources: Sequence[BandSource], geobox: GeoBox, *, resampling: str = "nearest") -> Pixels:
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
            The file is cut short, corrupt, lacks a layer, or contradicts its item.
        """
        _check_agrees(self, sources)
        try:
            with self._for_gdal(geobox, resampling):
                return place(self, sources, geobox, resampling)
        except (*_FAILURES, Unsupported, MalformedError) as error:
            raise describe_failure(self.href, error) from error

    @contextlib.contextmanager
    def _for_gdal(self, geobox: GeoBox, resampling: str) -> Iterator[None]:
        """Put a sketch where GDAL's view of the file is, when it must be warped and GDAL cannot open it."""
        if self._own is None or self._dataset or picks(lattice_of(self, geobox), resampling):
            yield
            return
        try:
            self.gdal()
        except RasterioError:
            with sketch(self._own, geobox) as self._dataset:
                yield
            self._dataset = None
        else:
            yield


def _gdal_window(window: Window) -> GdalWindow:
    top, bottom, left, right = window
    return GdalWindow(left, top, right - left, bottom - top)


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
    if href.startswith(UNAVAILABLE):
        why, _, href = href.removeprefix(UNAVAILABLE).partition("\n")
        raise MissingAssetError(f"asset: {href!r} cannot be had ({why})", fix="leave it out with --skip-bad")
    with contextlib.ExitStack() as files:
        try:
            file = RasterFile(href, files)
        except _FAILURES as error:
            raise describe_failure(href, error) from error
        yield file


def describe_failure(href: str, error: Exception) -> SwathError:
    """Make our error of what rasterio or a server says of a file: it is not there, or it cannot be read."""
    is_ours = isinstance(error, (ServerError, CorruptError, UnicodeDecodeError))
    cause = error if is_ours else error.__cause__ or error
    reason = " ".join(str(cause).split())
    path = href.split('"')[1] if href.startswith("ZARR:") else href
    is_local = "://" not in path and not path.startswith("/vsi")
    gone = (is_local and not Path(path).exists()) or any(each in reason for each in _GONE)
    gone = gone or isinstance(error, FileNotFoundError)
    if not is_local and (isinstance(error, NotAllowedError) or _NOT_TAKEN.search(reason)):
        return _refused(path, reason)
    if gone:
        return MissingAssetError(
            f"asset: there is no file {href!r}", fix="restore it, or leave it out with --skip-bad"
        )
    return _unreadable(href, reason)


def _refused(href: str, reason: str) -> UnreadableAssetError:
    """Tell of credentials that a store does not take; where there are none, that some are needed."""
    try:
        store, _ = stores().locate(href)
        secret = cast("WebStore", store).client.secret()
    except NotAllowedError as error:  # the file or command that gave them fails now
        return RefusedAssetError(f"asset: {href!r} cannot be read ({error.what})", fix=error.fix)
    except InputError:
        return _unreadable(href, reason)
    if secret is None or not (secret.authorization or secret.key):
        return _unreadable(href, reason)
    who = f"the credentials of {store.name!r} have ended, or are refused"
    return RefusedAssetError(f"asset: {href!r} cannot be read: {who} ({reason})", fix="renew them")


def _unreadable(href: str, reason: str) -> UnreadableAssetError:
    refused = "says 401" in reason or "says 403" in reason
    remedy = "set credentials for its store in the settings ([stores.NAME])" if refused else "fetch it again"
    return UnreadableAssetError(
        f"asset: {href!r} cannot be read as a raster ({reason})",
        fix=f"{remedy}, or leave it out with --skip-bad",
    )


def _check_agrees(file: RasterFile, sources: Sequence[BandSource]) -> None:
    """Refuse a file that is not what its item says: a wrong position would go unseen into a product."""
    said = sources[0]
    where = f"asset: {said.href!r}"
    fix = "correct the item, or leave the asset out with --skip-bad"
    if max(each.index for each in sources) > file.count:
        most = max(each.index for each in sources)
        raise UnreadableAssetError(f"{where} has {file.count} layers, its item says {most}", fix=fix)
    if file.crs is None:
        raise UnreadableAssetError(f"{where} has no coordinate reference system", fix=fix)
    if said.crs and not same_crs(said.crs, file.crs):
        found = file.crs.to_string()
        raise UnreadableAssetError(f"{where} is in {found[:60]}, its item says {said.crs[:60]}", fix=fix)
    if said.transform and not _same_transform(said.transform, file.transform):
        found, wanted = [round(each, 6) for each in file.transform[:6]], list(said.transform)
        raise UnreadableAssetError(f"{where} lies at {found}, its item says {wanted}", fix=fix)


def _same_transform(said: Sequence[float], found: Any) -> bool:
    pixel = max(abs(found.a), abs(found.b))
    return all(abs(a - b) <= 0.01 * pixel for a, b in zip(said, found[:6], strict=True))
