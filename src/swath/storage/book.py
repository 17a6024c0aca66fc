"""Which stores there are, by name and by address; each is opened once, for all threads."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.config import Settings, StoreSettings
from swath.model import unknown
from swath.storage.address import Root, check_key, parse_root
from swath.storage.credentials import find_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.storage.protocol import ObjectStore

_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]+):(?!//)(.*)", re.DOTALL)


class StoreBook:
    """The stores of the settings, and those that an address alone describes.

    Parameters
    ----------
    named : mapping of StoreSettings
        By name.
    """

    def __init__(self, named: Mapping[str, StoreSettings] | None = None) -> None:
        self.named = dict(named or {})
        self._roots = {name: parse_root(each.url) for name, each in self.named.items()}
        self._open: dict[str, ObjectStore] = {}
        self._lock = threading.Lock()

    def store(self, name: str) -> ObjectStore:
        """Open a store by its name.

        Raises
        ------
        InputError
            There is none of this name.
        """
        if name not in self.named:
            raise unknown(f"storage: there is no store {name!r} in the settings", name, self.named)
        return self._opened(name, self._roots[name], self.named[name])

    def locate(self, address: str) -> tuple[ObjectStore, str]:
        """Find the store that an address lies in, and its key there; the key may be empty.

        Parameters
        ----------
        address : str
            ``NAME:path`` with a name of the settings, a URL, or a path of this machine. A URL inside a named
            store is read with what is set for that store.

        Raises
        ------
        InputError
            It is no address, leads out of its store, or names no store that is known.
        """
        named = _NAMED.fullmatch(address)
        if named and (named[1] in self.named or not Path(address).exists()):
            key = named[2].strip("/")
            return self.store(named[1]), check_key(key) if key else ""
        root = parse_root(address)
        if not root.scheme:
            folder, name = _split_path(address.removeprefix("file://"))
            return self._open.get(f"{folder}/") or self._opened(
                f"{folder}/", Root("", "", folder), StoreSettings(url="/")
            ), name
        inside = [(name, key) for name, each in self._roots.items() if (key := each.key_of(root)) is not None]
        if inside:
            name, key = min(inside, key=lambda each: len(each[1]))
            return self.store(name), key
        top = Root(root.scheme, root.host, "")
        scheme = address.partition("://")[0]
        return self._opened(
            f"{scheme}://{root.host}", top, StoreSettings(url=f"{scheme}://{root.host}")
        ), root.prefix

    def _opened(self, name: str, root: Root, settings: StoreSettings) -> ObjectStore:
        with self._lock:
            if name not in self._open:
                self._open[name] = make_store(name, root, settings)
            return self._open[name]

    def href(self, address: str) -> str:
        """Give the address that others understand too: ``NAME:path`` becomes a URL or a path."""
        store, key = self.locate(address)
        return store.root.href(key) if key else store.root.url

    def close(self) -> None:
        """Close what was opened."""
        with self._lock:
            for each in self._open.values():
                each.close()
            self._open.clear()


def _split_path(text: str) -> tuple[str, str]:
    """Give folder and name of a path."""
    folder, _, name = text.rpartition("/")
    if folder.startswith("/") and name and "//" not in text and "/." not in text:
        return folder, name
    path = Path(text).expanduser().absolute()
    return str(path.parent), path.name


_KINDS = {"s3": "s3", "dav": "webdav", "davs": "webdav", "dcache": "dcache"}


def kind_of(settings: StoreSettings, root: Root) -> str:
    """Tell the kind of a store: as set, or as the scheme of its address says."""
    if not root.scheme:
        return "folder"
    return settings.kind or _KINDS.get(settings.url.partition("://")[0], "http")


def make_store(name: str, root: Root, settings: StoreSettings) -> ObjectStore:
    """Make the store of a kind."""
    kind = kind_of(settings, root)
    if kind == "folder":
        from swath.storage.folder import FolderStore

        return FolderStore(root.prefix, name=name.rstrip("/"))
    credentials = find_credentials(name, settings, host=root.host, s3=kind == "s3")
    made: dict[str, Any] = {"root": root, "settings": settings, "credentials": credentials, "name": name}
    if kind == "s3":
        from swath.storage.s3 import S3Store

        return S3Store(**made)
    if kind == "webdav":
        from swath.storage.webdav import WebdavStore

        return WebdavStore(**made)
    if kind == "dcache":
        from swath.storage.dcache.store import DcacheStore

        return DcacheStore(**made)
    from swath.storage.web import WebStore

    return WebStore(**made)


_book: StoreBook | None = None
_book_lock = threading.Lock()


def use_stores(named: Mapping[str, StoreSettings]) -> StoreBook:
    """Say which stores there are; readers deep inside find them by address."""
    global _book  # noqa: PLW0603 -- GDAL and obstore are the process's too; a store is opened once in it
    with _book_lock:
        if _book is None or _book.named != dict(named):
            _book = StoreBook(named)
        return _book


def stores() -> StoreBook:
    """Give the stores that this process knows: those of the settings, unless somebody has said which."""
    global _book  # noqa: PLW0603
    with _book_lock:
        if _book is None:
            _book = StoreBook(Settings.read().stores)
        return _book


def forget_stores() -> None:
    """Forget what is open, so that settings and environment are looked at again."""
    global _book  # noqa: PLW0603
    with _book_lock:
        if _book is not None:
            _book = StoreBook(_book.named)
