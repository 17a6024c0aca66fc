"""Where a Zarr store lies, and its metadata, which is read once and kept as long as it stays the same."""

from __future__ import annotations

import copy
import json
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.cube.tiff import MalformedError, Unsupported, is_known_address
from swath.cube.tiff.origin import LocalFile, RemoteFile, open_origin
from swath.storage import stores

if TYPE_CHECKING:
    from swath.cube.tiff.origin import Origin

_KEPT = 1024
"""Stores whose metadata is kept."""
_LONGEST = 1 << 28
"""Bytes of metadata."""
_ROOTS = ("zarr.json", ".zmetadata", ".zarray", ".zgroup")
"""Files that tell that here is something of Zarr, the most telling first."""

Node = dict[str, Any]
"""Metadata of a group or an array: ``zarr.json``; or ``.zarray`` with ``.zattrs`` as ``attributes``."""


@dataclass(frozen=True, slots=True)
class ZarrPlace:
    """One image of an array of a store."""

    root: str
    """Path or address of the store."""
    array: str
    """Path of the array in it; empty where the store is the array."""
    at: tuple[int, ...]
    """Its place on the axes before y and x."""


def parse_place(href: str) -> ZarrPlace | None:
    """Understand what GDAL calls an array of a Zarr store, or an image of one.

    Examples
    --------
    >>> parse_place('ZARR:"/data/a.zarr":/red:3')
    ZarrPlace(root='/data/a.zarr', array='red', at=(3,))
    >>> parse_place("/data/a.tif") is None
    True
    """
    found = re.fullmatch(r'ZARR:"([^"]+?)/*"(?::/?([^:]*?)/*)?((?::\d+)*)', href)
    if found is None:
        return None
    at = tuple(int(each) for each in found[3].split(":") if each)
    return ZarrPlace(found[1], found[2] or "", at)


class _Remote(RemoteFile):
    """A file of a store, next to others."""

    def beside(self, path: str) -> _Remote:
        """Give another one, without asking whether it is there."""
        other = copy.copy(self)
        _, other._path = stores().locate(path)
        return other

    def first(self, most: int) -> bytes:
        """Give all of it, or as much as may be."""
        return bytes(self._ask("get_range", start=0, length=most))


class ZarrStore:
    """A Zarr store where it lies, with its metadata.

    Parameters
    ----------
    root : str
        Path or address.
    marker : str
        The file of `_ROOTS` that it has.
    origin : Origin
        That file, which is closed here.
    """

    def __init__(self, root: str, marker: str, origin: Origin) -> None:
        self.root, self.marker, self.stamp, self.remote = root, marker, origin.stamp, origin.remote
        self._beside = origin if isinstance(origin, _Remote) else None
        self._nodes: dict[str, Node | None] = {}
        self.lock = threading.RLock()
        """Held by who makes something of the metadata, so that it is made once."""
        self.known: dict[Any, Any] = {}
        """What was made of the metadata, by readers of it."""
        self.whole = False
        """True where all metadata of the store lies in one file."""
        node = _parse(origin.read(0, min(origin.size, _LONGEST)))
        inside = (node.get("consolidated_metadata") or {}).get("metadata")
        if marker == "zarr.json" and isinstance(inside, dict):
            self._nodes, self.whole = dict(inside), True
        elif marker == ".zmetadata":
            self._nodes, self.whole = _nodes_v2(node), True
        self.is_array = marker == ".zarray" or node.get("node_type") == "array"
        if marker == "zarr.json":
            self._nodes[""] = node

    def path(self, key: str) -> str:
        """Give path or address of a file in it."""
        return f"{self.root}/{key}"

    def open(self, key: str) -> Origin:
        """Open a file in it, with its size and stamp."""
        return _open(self.path(key))

    def read(self, key: str, most: int) -> bytes:
        """Read all of a file in it, or what ``most`` allows; behind a server by one request."""
        if self._beside is not None:
            return self._beside.beside(self.path(key)).first(most)
        origin = self.open(key)
        try:
            return origin.read(0, min(origin.size, most))
        finally:
            origin.close()

    def check(self) -> None:
        """Raise FileNotFoundError if it has gone, so that no chunk of it is there."""
        self.open(self.marker).close()

    def stamp_of(self, array: str) -> tuple[Any, ...]:
        """Give what changes when the metadata of an array does, and forget that metadata if it did."""
        if self.whole or not array:
            return self.stamp
        name = "zarr.json" if self.marker == "zarr.json" else ".zarray"
        stamp = self.stamp_of_file(f"{array}/{name}")
        with self.lock:
            if self.known.get(("stamp", array)) != stamp:
                self._nodes = {key: node for key, node in self._nodes.items() if not key}
                self.known[("stamp", array)] = stamp
        return (*self.stamp, *stamp)

    def stamp_of_file(self, key: str) -> tuple[Any, ...]:
        """Give what changes when a file in it does; nothing where there is none."""
        try:
            origin = self.open(key)
        except FileNotFoundError:
            return ()
        origin.close()
        return origin.stamp

    def node(self, path: str) -> Node | None:
        """Give the metadata of a group or an array; None where there is none."""
        if path not in self._nodes and not self.whole:
            self._nodes[path] = self._node(f"{path}/" if path else "")
        return self._nodes.get(path)

    def _node(self, folder: str) -> Node | None:
        if self.marker == "zarr.json":
            return self._json(f"{folder}zarr.json")
        node = self._json(f"{folder}.zarray") or self._json(f"{folder}.zgroup")
        return None if node is None else {**node, "attributes": self._json(f"{folder}.zattrs") or {}}

    def _json(self, key: str) -> Node | None:
        try:
            return _parse(self.read(key, _LONGEST))
        except FileNotFoundError:
            return None


def _parse(content: bytes) -> Node:
    try:
        node = json.loads(content)
    except ValueError as error:
        raise MalformedError(f"its metadata is no JSON ({error})") from error
    if not isinstance(node, dict):
        raise MalformedError("its metadata is no JSON object")
    return node


def _nodes_v2(consolidated: Node) -> dict[str, Node | None]:
    """Take apart what version 2 writes of all arrays of a store."""
    files = consolidated.get("metadata")
    if not isinstance(files, dict):
        raise MalformedError("its metadata makes no sense (.zmetadata without metadata)")
    nodes: dict[str, Node | None] = {}
    for key, content in files.items():
        folder, _, name = key.rpartition("/")
        if name in (".zarray", ".zgroup"):
            nodes[folder] = {**content, "attributes": files.get(f"{folder}/.zattrs".lstrip("/")) or {}}
    return nodes


def _open(path: str) -> Origin:
    if "://" in path and not path.startswith("file:"):
        if not is_known_address(path):
            raise Unsupported("an address for GDAL")
        return _Remote(path)
    origin = open_origin(path)
    if not isinstance(origin, LocalFile):
        raise Unsupported("an address for GDAL")
    return origin


_stores: OrderedDict[str, ZarrStore] = OrderedDict()
_lock = threading.Lock()
_opening = [threading.Lock() for _ in range(64)]


def open_store(root: str) -> ZarrStore:
    """Open a Zarr store; what is known of it is kept as long as its metadata stays the same.

    Raises
    ------
    OSError
        It is not there, or cannot be read.
    MalformedError
        Its metadata makes no sense.
    Unsupported
        It lies where only GDAL reads.
    """
    with _lock:
        kept = _stores.get(root)
    origin, marker = _marker(root, (kept.marker,) if kept else ())
    try:
        with _opening[hash(root) % len(_opening)]:  # so that many threads read it once
            with _lock:
                kept = _stores.get(root)
            if kept is None or (kept.marker, kept.stamp) != (marker, origin.stamp):
                kept = ZarrStore(root, marker, origin)
            with _lock:
                _stores[root] = kept
                _stores.move_to_end(root)
                while len(_stores) > _KEPT:
                    _stores.popitem(last=False)
    finally:
        origin.close()
    return kept


def _marker(root: str, first: tuple[str, ...]) -> tuple[Origin, str]:
    """Find the file that tells of a store, where it was last, or in the usual order."""
    for name in dict.fromkeys((*first, *_ROOTS)):
        try:
            return _open(f"{root}/{name}"), name
        except (FileNotFoundError, NotADirectoryError) as error:
            last = error
    raise FileNotFoundError(f"there is no Zarr store ({last})") from last
