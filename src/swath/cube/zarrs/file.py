"""An open image of a Zarr array, with the questions that placing asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.tiff import CorruptError, MalformedError, Unsupported
from swath.cube.zarrs.boxes import Source, read_box
from swath.cube.zarrs.georeference import georeference
from swath.cube.zarrs.header import parse_array
from swath.cube.zarrs.store import ZarrStore, open_store, parse_place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Window = tuple[int, int, int, int]

_LONGEST_AXIS = 1 << 24
"""Numbers of a coordinate."""


class ZarrFile:
    """An open image of a Zarr array.

    Parameters
    ----------
    href : str
        What GDAL calls it.
    source : Source
        The array.
    at : tuple of int
        Place of the image on the axes before y and x.
    crs, transform
        Where it lies.
    """

    count = 1
    has_mask = False
    overviews: tuple[Any, ...] = ()

    def __init__(self, href: str, source: Source, at: tuple[int, ...], crs: Any, transform: Any) -> None:
        self.href, self._source, self._at = href, source, at
        self.image = source.array
        self.crs, self.transform, self.nodata = crs, transform, self.image.nodata
        self.height, self.width, self.dtype = self.image.height, self.image.width, self.image.dtype

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""

    def read(
        self, layers: Sequence[int], window: Window, *, level: int | None = None, threads: int = 1
    ) -> NDArray[Any]:
        """Read part of the image.

        Parameters
        ----------
        layers : sequence of int
            Zeros: there is one layer.
        window : (first_row, last_row, first, last)
            Within the image.
        level : int, optional
            There are no overviews.
        threads : int
            For decoding.

        Returns
        -------
        (layer, y, x) of the array's type
        """
        if level is not None or any(layers):
            raise Unsupported("layers or overviews of an image of Zarr")
        top, bottom, left, right = window
        box = (*((each, each + 1) for each in self._at), (top, bottom), (left, right))
        found = read_box(self._source, box, threads=threads).reshape(1, bottom - top, right - left)
        return found if len(layers) == 1 else np.repeat(found, len(layers), axis=0)

    def read_mask(self, window: Window, *, level: int | None = None) -> NDArray[np.bool_]:
        """Give (y, x) True: an array has no mask beside its nodata."""
        if level is not None:
            raise Unsupported("overviews of an image of Zarr")
        return np.ones((window[1] - window[0], window[3] - window[2]), bool)


def open_zarr(href: str) -> ZarrFile:
    """Open an image of a Zarr array, named as GDAL does: ``ZARR:"path":/array:place``.

    Raises
    ------
    OSError
        The store is not there, or cannot be read.
    CorruptError
        It has no such array, or no such image.
    MalformedError
        Its metadata makes no sense.
    Unsupported
        It is one that GDAL must read.
    """
    place = parse_place(href)
    if place is None:
        raise Unsupported("an address for GDAL")
    store, path = open_store(place.root), place.array
    if store.is_array and not (path and store.node(path)):  # the asset is the array itself
        root, _, path = place.root.rpartition("/")
        store = _store_around(root, store)
    source, crs, transform = _source(store, path)
    leading = source.array.shape[:-2]
    at = () if not leading and place.at == (0,) else place.at
    if len(at) != len(leading):
        raise Unsupported(f"{len(at)} places on {len(leading)} axes before y and x")
    for number, count in zip(at, leading, strict=True):
        if number >= count:
            raise CorruptError(f"array {path!r} has {count} images, its item asks for number {number + 1}")
    return ZarrFile(href, source, at, crs, transform)


def _store_around(root: str, array: ZarrStore) -> ZarrStore:
    """Open the group that an array lies in, with or without metadata of its own."""
    try:
        return open_store(root)
    except FileNotFoundError:
        raise Unsupported(f"an array without a group ({array.root})") from None


def _source(store: ZarrStore, path: str) -> tuple[Source, Any, Any]:
    """Understand an array, once."""
    stamp = store.stamp_of(path)
    with store.lock:
        known: tuple[Source, Any, Any] | None = store.known.get(("source", path))
        if known is None or known[0].stamp != stamp:
            known = store.known[("source", path)] = _understood(store, path, stamp)
    return known


def _understood(store: ZarrStore, path: str, stamp: tuple[Any, ...]) -> tuple[Source, Any, Any]:
    node = store.node(path)
    if node is None or "shape" not in node:
        store.check()
        raise CorruptError(f"it has no array {path!r}")
    source = Source(store, path, parse_array(node), stamp)
    if len(source.array.shape) < 2:
        raise CorruptError(f"array {path!r} has {len(source.array.shape)} axes, an image needs two")
    around = list(_upwards(path.rpartition("/")[0]))

    def find(name: str) -> Any:
        found = (store.node(f"{each}/{name}".strip("/")) for each in around)
        return next((each for each in found if each is not None), None)

    def numbers(name: str) -> NDArray[Any] | None:
        return _numbers(store, [f"{each}/{name}".strip("/") for each in around])

    return (source, *georeference(source.array, find, numbers))


def _upwards(group: str) -> Iterator[str]:
    while group:
        yield group
        group = group.rpartition("/")[0]
    yield ""


def _numbers(store: ZarrStore, paths: Sequence[str]) -> NDArray[Any] | None:
    """Read a coordinate, with its scale."""
    for path in paths:
        node = store.node(path)
        if node is None or "shape" not in node:
            continue
        array = parse_array(node)
        if len(array.shape) != 1 or array.shape[0] > _LONGEST_AXIS:
            raise MalformedError(f"coordinate {path!r} has shape {array.shape}")
        found = read_box(Source(store, path, array, ()), ((0, array.shape[0]),)).astype("f8")
        scale, offset = (array.attributes.get(each) for each in ("scale_factor", "add_offset"))
        return np.asarray(found * float(1 if scale is None else scale) + float(offset or 0))
    return None
