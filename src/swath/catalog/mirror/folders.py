"""Assets that are folders of objects, such as Zarr stores: copied one by one, what describes them last."""

from __future__ import annotations

import hashlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from swath.catalog.mirror.kept import AssetKept, Kept
from swath.catalog.mirror.names import changed_name
from swath.catalog.mirror.reading import ChangedError
from swath.model import ConflictError, StoreError, UnreadableAssetError
from swath.storage import join_key, stores
from swath.storage.checksum import parse_multihash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from swath.catalog.mirror.copying import Copier, Wanted
    from swath.catalog.mirror.journal import Journal
    from swath.storage import ObjectStore, Stat

_TYPES = ("application/vnd+zarr", "application/vnd.zarr", "application/x-zarr")
_DESCRIBING = ("zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs")
"""Names of what describes arrays and groups (Zarr 2 and 3): without them nobody reads the chunks."""
_AHEAD = 4
"""Objects that wait for each that is on its way."""


def is_folder_asset(asset: Mapping[str, Any]) -> bool:
    """Tell whether an asset is a folder of objects: by its media type, or by the ending of its name.

    Examples
    --------
    >>> is_folder_asset({"href": "s3://b/cube.zarr/"}), is_folder_asset({"href": "s3://b/cube.zarr.zip"})
    (True, False)
    >>> is_folder_asset({"href": "s3://b/cube", "type": "application/vnd.zarr; version=3"})
    True
    """
    kind = str(asset.get("type") or "").partition(";")[0].strip().lower()
    href = str(asset.get("href", ""))
    path = urlsplit(href).path if "://" in href else href
    return kind in _TYPES or path.rstrip("/").endswith(".zarr")


def folder_of(key: str) -> str:
    """Give the folder asset that an object of a mirror is in; empty for one that is in none.

    Examples
    --------
    >>> folder_of("s2/a/cube.zarr/red/0.0"), folder_of("s2/a/red.tif")
    ('s2/a/cube.zarr', '')
    """
    parts = key.split("/")
    return "/".join(parts[:3]) if len(parts) > 3 else ""


def folder_digest(sums: Iterable[tuple[str, str]]) -> str:
    """Sum up a folder, as `swath.storage.checksum.folder_checksum` does.

    Parameters
    ----------
    sums : iterable of (str, str)
        Name relative to the folder, and SHA-256 in hexadecimal, of each object.
    """
    whole = hashlib.sha256()
    for name, digest in sorted(sums):
        whole.update(f"{digest}  {name}\n".encode())
    return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Listing:
    """What is in a folder."""

    sizes: Mapping[str, int]
    """Name relative to the folder, and bytes."""
    stamp: str
    """What changes when one of them does."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(self.sizes.values())

    def names(self) -> list[list[str]]:
        """Give the names in the order in which they are written: one list after the other.

        Examples
        --------
        >>> Listing(dict.fromkeys(["zarr.json", "a/zarr.json", "a/c/0", "a/c/1"], 1), "").names()
        [['a/c/0', 'a/c/1'], ['a/zarr.json'], ['zarr.json']]
        """
        describing = [each for each in self.sizes if each.rpartition("/")[2] in _DESCRIBING]
        depths = sorted({each.count("/") for each in describing}, reverse=True)
        chunks = sorted(set(self.sizes) - set(describing))
        return [chunks, *(sorted(e for e in describing if e.count("/") == depth) for depth in depths)]


def list_folder(store: ObjectStore, key: str) -> Listing:
    """List what is in a folder, however deep."""
    found: dict[str, Stat] = {}
    for each in store.list(key):
        name = each.key[len(key) + 1 :] if key else each.key
        if name and not name.endswith("/"):
            found[name] = each
    stamp = hashlib.sha256()
    for name, stat in sorted(found.items()):
        tag = stat.etag.removeprefix("W/").strip('"') or (stat.modified and stat.modified.isoformat())
        stamp.update(f"{name}\0{tag}\0{stat.size}\n".encode())
    return Listing({name: stat.size for name, stat in found.items()}, f"folder|{stamp.hexdigest()}")


class FolderCopier:
    """Brings folders to one mirror.

    Parameters
    ----------
    target : ObjectStore
        Where the mirror is.
    prefix : str
        Key that it begins at.
    journal : Journal
        What is known of it.
    copier : Copier
        Copies each object.
    concurrency : int
        Objects at once.
    """

    def __init__(
        self, target: ObjectStore, prefix: str, journal: Journal, copier: Copier, concurrency: int
    ) -> None:
        self._target, self._prefix, self._journal, self._copier = target, prefix, journal, copier
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def copy(self, wanted: Wanted) -> tuple[AssetKept, Kept, str] | None:
        """Bring a folder to the mirror, unless it is there.

        The name of its copy has a sum of what is in it: another state of it lies elsewhere, and nobody reads
        a mixture.

        Returns
        -------
        origin : AssetKept
            Where it came from.
        kept : Kept
            What it is; the digest is that of `folder_digest`.
        how : str
            ``copied`` or ``kept``.

        None where nothing is in it: it may be a file that is called so.
        """
        source, key = stores().locate(wanted.href.rstrip("/"))
        listing = list_folder(source, key)
        if not listing.sizes:
            return None
        place = changed_name(wanted.key, listing.stamp)
        origin = AssetKept(wanted.href, listing.stamp, place)
        before = self._journal.asset(wanted.item, wanted.asset)
        kept = self._journal.kept(place)
        if before == origin and kept and self._sizes(place) == listing.sizes:
            return origin, kept, "kept"
        digest = folder_digest(self._copy_all(wanted, source, key, listing, place))
        if list_folder(source, key).stamp != listing.stamp:
            raise ChangedError
        self._check_there(place, listing)
        stated = parse_multihash(wanted.checksum)
        if stated and stated[0] == "sha256" and stated[1] != digest:
            raise UnreadableAssetError(
                f"mirror: {wanted.href} has another checksum than its item says "
                f"(file:checksum {stated[1][:12]}…, its objects {digest[:12]}…)",
                fix="it is damaged, or its item is out of date: ask who publishes it",
            )
        kept = Kept(place, listing.size, digest)
        self._journal.keep(kept)
        return origin, kept, "copied"

    def _copy_all(
        self, wanted: Wanted, source: ObjectStore, key: str, listing: Listing, place: str
    ) -> list[tuple[str, str]]:
        """Copy what is not there; gives name and SHA-256 of each."""
        sums: list[tuple[str, str]] = []

        def one(name: str) -> tuple[str, str]:
            to, href = f"{place}/{name}", f"{wanted.href.rstrip('/')}/{name}"
            kept = self._copier.whole(to)
            if kept is None or kept.size != listing.sizes[name]:
                kept = self._copier.copy_object(href, source, join_key(key, name), to)
            return name, kept.digest

        pool = self._threads()
        for names in listing.names():  # each list is there before the next one begins
            for some in itertools.batched(names, _AHEAD * self._concurrency):
                waiting = [pool.submit(one, name) for name in some]
                try:
                    sums += [each.result() for each in waiting]
                finally:
                    for each in waiting:
                        each.cancel()
        return sums

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._concurrency, thread_name_prefix="swath-folder")
            return self._pool

    def _check_there(self, place: str, listing: Listing) -> None:
        """Look that nobody took away or added what is shown next, such as somebody who repairs meanwhile."""
        there = self._sizes(place)
        if more := sorted(set(there) - set(listing.sizes)):
            raise ConflictError(
                f"mirror: {place} has objects that the source has not: {', '.join(more[:3])}",
                fix="remove them, and run the mirror again",
            )
        if there != listing.sizes:
            self._journal.forget_below(place)
            raise StoreError(f"mirror: {place} has not all objects that were written")

    def _sizes(self, place: str) -> Mapping[str, int]:
        return list_folder(self._target, join_key(self._prefix, place)).sizes

    def whole(self, key: str) -> Kept | None:
        """Give a folder that is on the mirror as it was written; None where it is not."""
        kept = self._journal.kept(key)
        return kept if kept and self._journal.listed_below(key) == kept.size else None

    def close(self) -> None:
        """Let go of the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
