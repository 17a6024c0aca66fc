"""Reads back what a mirror has, and compares it with what its items say."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from typing import TYPE_CHECKING, Any

from swath.catalog.mirror.documents import linked_folders, mirrored_assets, read_document
from swath.catalog.mirror.folders import folder_digest, folder_of
from swath.catalog.mirror.names import COLLECTION, ROOT, safe_name
from swath.catalog.mirror.values import Failure
from swath.model import MissingObjectError, SwathError
from swath.storage import join_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from swath.catalog.mirror.journal import Journal
    from swath.catalog.mirror.kept import Kept
    from swath.catalog.mirror.limits import Bandwidth
    from swath.catalog.mirror.values import MirrorReport
    from swath.storage import ObjectStore

_FRESH = dt.timedelta(hours=1)
"""Age from which a file that no item refers to is nobody's: before, its item may be on the way."""


class Verifier:
    """Verifies one mirror.

    Parameters
    ----------
    target : ObjectStore
        Where it is.
    prefix : str
        Key that it begins at.
    journal : Journal
        Its list of what is there.
    bandwidth : Bandwidth
        Limit.
    """

    def __init__(self, target: ObjectStore, prefix: str, journal: Journal, bandwidth: Bandwidth) -> None:
        self._target, self._prefix, self._journal, self._bandwidth = target, prefix, journal, bandwidth
        self._lock = threading.Lock()
        self._failures: list[Failure] = []
        self._wrong: set[str] = set()
        self._folders: dict[str, list[str]] = {}

    def run(
        self,
        pool: Executor,
        collections: Sequence[str] | None,
        report: MirrorReport,
        tell: Callable[[], None],
    ) -> tuple[list[Failure], list[str], list[str]]:
        """Verify.

        Returns
        -------
        failures : list of Failure
            What is wrong or missing.
        wrong : list of str
            Keys of it.
        strays : list of str
            Keys that no item refers to.
        """
        keys = self._journal.listed_keys()
        wanted = None if collections is None else {safe_name(each) for each in collections}
        items = [each for each in keys if is_item(each)]
        for each in keys:
            if folder := folder_of(each):
                self._folders.setdefault(folder, []).append(each)
        objects: dict[str, tuple[str, str, Kept]] = {}
        for found in pool.map(self._item, items):
            for item, asset, kept in found:
                objects.setdefault(kept.key, (item, asset, kept))
        self._documents(items)
        chosen = [
            each for each in objects.values() if wanted is None or each[2].key.partition("/")[0] in wanted
        ]
        report.files = len(chosen)

        def check(each: tuple[str, str, Kept]) -> None:
            self._object(*each)
            with self._lock:
                report.verified += 1
                report.moved_bytes += each[2].size
            tell()

        list(pool.map(check, chosen))
        strays = [
            each for each in keys
            if each not in objects and folder_of(each) not in objects and not _is_document(each)
        ]  # fmt: skip
        return self._failures, sorted(self._wrong), strays

    def _wrong_at(self, key: str, reason: str, item: str = "", asset: str = "") -> None:
        href = self._target.root.href(join_key(self._prefix, key))
        with self._lock:
            self._failures.append(Failure(item, asset, href, f"{key}: {reason}"))
            self._wrong.add(key)

    def _item(self, key: str) -> list[tuple[str, str, Kept]]:
        try:
            document = read_document(self._target.get(join_key(self._prefix, key)))
        except SwathError as error:
            self._wrong_at(key, error.what)
            return []
        if document is None or document.get("type") != "Feature":
            self._wrong_at(key, "it is no item")
            return []
        return [(str(document.get("id")), name, kept) for name, _, kept in mirrored_assets(document, key)]

    def _documents(self, items: list[str]) -> None:
        """Look whether catalog and collections name what is there."""
        there: dict[str, set[str]] = {}
        for each in items:
            folder, name, _ = each.split("/")
            there.setdefault(folder, set()).add(name)
        self._list_of(ROOT, set(there))
        for folder, names in there.items():
            self._list_of(f"{folder}/{COLLECTION}", names)

    def _list_of(self, key: str, names: set[str]) -> None:
        if not names:
            return
        try:
            document: Any = read_document(self._target.get(join_key(self._prefix, key)))
        except MissingObjectError:
            document = None
        if document is None:
            self._wrong_at(key, "it is not there, or no document")
        elif lacking := sorted(names - linked_folders(document)):
            self._wrong_at(key, f"it does not name {', '.join(lacking[:5])}")
        elif gone := sorted(linked_folders(document) - names):
            self._wrong_at(key, f"it names what is not there: {', '.join(gone[:5])}")

    def _object(self, item: str, asset: str, kept: Kept) -> None:
        try:
            if kept.key in self._folders:
                digest, size = self._read_folder(kept.key)
            else:
                digest, size = self._read(kept.key)
        except SwathError as error:
            self._wrong_at(kept.key, error.what, item, asset)
            return
        if digest != kept.digest:
            has = f"{size} of {kept.size} bytes" if size != kept.size else "other bytes"
            self._wrong_at(kept.key, f"it is not what was copied: {has}", item, asset)

    def _read(self, key: str) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        for piece in self._target.stream(join_key(self._prefix, key)):
            self._bandwidth.take(len(piece))
            digest.update(piece)
            size += len(piece)
        return digest.hexdigest(), size

    def _read_folder(self, folder: str) -> tuple[str, int]:
        found = {each[len(folder) + 1 :]: self._read(each) for each in sorted(self._folders[folder])}
        return folder_digest((name, read[0]) for name, read in found.items()), sum(
            e[1] for e in found.values()
        )

    def remove(self, strays: list[str]) -> None:
        """Remove what no item refers to, unless it is so new that its item may be on the way."""
        now = dt.datetime.now(dt.UTC)
        old, fresh = [], set()
        for key in strays:
            try:
                stat = self._target.stat(join_key(self._prefix, key))
            except MissingObjectError:
                continue
            if stat.modified is not None and now - stat.modified > _FRESH:
                old.append(key)
            else:
                fresh.add(folder_of(key) or key)
        old = [key for key in old if folder_of(key) not in fresh]  # a large folder takes hours to come
        for key in old:
            self._journal.forget(key)
        self._target.delete([join_key(self._prefix, key) for key in old])


def is_item(key: str) -> bool:
    """Tell whether a key is that of an item's document.

    Examples
    --------
    >>> is_item("s2/a/a.json"), is_item("s2/a/b.json"), is_item("s2/collection.json")
    (True, False, False)
    """
    parts = key.split("/")
    return len(parts) == 3 and parts[2] == f"{parts[1]}.json"


def _is_document(key: str) -> bool:
    parts = key.split("/")
    return key == ROOT or (len(parts) == 2 and parts[1] == COLLECTION) or is_item(key)
