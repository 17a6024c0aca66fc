"""The documents that show a mirror's items: written last, and right whoever else writes them meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swath.catalog.mirror.documents import (
    linked_folders,
    mirrored_catalog,
    mirrored_collection,
    read_document,
    write_document,
)
from swath.catalog.mirror.names import COLLECTION, ROOT, safe_name
from swath.model import MissingObjectError
from swath.storage import join_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swath.storage import ObjectStore

_ROUNDS = 10
"""How often a list is written anew that others add to meanwhile."""


class Publisher:
    """Writes collections and the catalog of a mirror.

    Parameters
    ----------
    target : ObjectStore
        Where the mirror is.
    prefix : str
        Key that it begins at.
    """

    def __init__(self, target: ObjectStore, prefix: str) -> None:
        self._target, self._prefix = target, prefix

    def collection(self, body: dict[str, Any], items: Iterable[str]) -> None:
        """Write a collection with all items that are there.

        Parameters
        ----------
        body : dict
            The source's.
        items : iterable of str
            Folders of items that are known to be whole.
        """
        folder = safe_name(body["id"])
        self._write(folder, COLLECTION, items, lambda names: mirrored_collection(body, names))

    def catalog(self, collections: Iterable[str]) -> None:
        """Write the catalog with all collections that are there."""
        name = self._prefix.rpartition("/")[2]
        self._write("", ROOT, map(safe_name, collections), lambda names: mirrored_catalog(name, names))

    def _write(
        self, folder: str, name: str, known: Iterable[str], make: Callable[[set[str]], dict[str, Any]]
    ) -> None:
        """Write a document, until the list in it is what is there after it was written.

        Another mirror may have listed less and written later; whoever writes last then sees what was missed.
        """
        key = join_key(folder, name)
        before = self.read(key)
        whole = {*known, *(linked_folders(before) if before else ())}
        for _ in range(_ROUNDS):
            names = self._folders(folder, whole)
            data = write_document(make(names))
            if self._bytes(key) != data:
                self._target.put(join_key(self._prefix, key), data)
            if self._folders(folder, whole) == names:
                return

    def _folders(self, folder: str, whole: set[str]) -> set[str]:
        """List folders whose document is there; those that were seen before are not asked for again."""
        found = set()
        for each in self._target.folder(join_key(self._prefix, folder)):
            name = each.key.rpartition("/")[2]
            if each.is_folder and (name in whole or self._has_document(folder, name)):
                found.add(name)
        whole |= found
        return found

    def _has_document(self, folder: str, name: str) -> bool:
        key = f"{folder}/{name}/{name}.json" if folder else f"{name}/{COLLECTION}"
        try:
            self._target.stat(join_key(self._prefix, key))
        except MissingObjectError:
            return False
        return True

    def _bytes(self, key: str) -> bytes:
        try:
            return self._target.get(join_key(self._prefix, key))
        except MissingObjectError:
            return b""

    def read(self, key: str) -> dict[str, Any] | None:
        """Read a document of the mirror; None where there is none."""
        return read_document(self._bytes(key))
