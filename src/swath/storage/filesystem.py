"""The stores for everything that opens files by fsspec: xarray, pandas, zarr, pyarrow, rasterio."""

# ruff: noqa: ARG002, FBT001, FBT002 -- the methods have the arguments that fsspec gives them

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from swath.model import MissingObjectError, NotAllowedError
from swath.storage.address import check_key
from swath.storage.book import stores
from swath.storage.protocol import CopyingStore
from swath.storage.webdav import WebdavStore

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from swath.storage.protocol import ObjectStore, Stat

_SPOOL = 64 << 20


class StoreFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Files of stores; paths are addresses without what all have in common.

    ``swath://NAME/path`` is ``NAME:path`` of the settings. ``dcache://``, ``dav://`` and ``davs://`` are
    addresses as they are. Other addresses have a file system of their own by `filesystem`.

    Parameters
    ----------
    within : str
        Address that all paths begin at; empty: paths are whole addresses.
    **options
        Of fsspec.
    """

    protocol = ("swath", "dcache", "dav", "davs")
    root_marker = ""
    cachable = False

    def __init__(self, within: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.within = within.rstrip("/") if within.rstrip("/") else within

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        text = str(path).removeprefix("swath://")
        return text.rstrip("/") if text.rpartition("://")[2].strip("/") else text

    def unstrip_protocol(self, name: str) -> str:
        """Give the whole address of a path."""
        return name if "://" in name else f"swath://{name}"

    def _locate(self, path: str) -> tuple[ObjectStore, str]:
        path = self._strip_protocol(path)
        if self.within:
            store, prefix = stores().locate(self.within)
            inner = path.strip("/")
            key = "/".join(each for each in (prefix, inner) if each)
            return store, check_key(key) if key else ""
        if "://" in path:
            return stores().locate(path)
        name, _, inner = path.strip("/").partition("/")
        return stores().locate(f"{name}:{inner}")

    def _told(self, path: str, key: str, stat: Stat) -> dict[str, Any]:
        base = self._strip_protocol(path).rstrip("/")
        inner = stat.key[len(key) :].strip("/") if key else stat.key
        return {
            "name": "/".join(each for each in (base, inner) if each),
            "size": 0 if stat.is_folder else stat.size,
            "type": "directory" if stat.is_folder else "file",
            "mtime": stat.modified,
            "etag": stat.etag,
        }

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder, or give the file itself."""
        store, key = self._locate(path)
        found = [self._told(path, key, each) for each in store.folder(key)]
        if not found and key:
            told = store.stat(key)
            found = [] if told.is_folder else [self._told(path, key, told)]
        return found if detail else [each["name"] for each in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Tell what is at a path."""
        store, key = self._locate(path)
        if not key:
            return {"name": self._strip_protocol(path), "size": 0, "type": "directory"}
        try:
            return self._told(path, key, store.stat(key))
        except MissingObjectError:
            try:
                inside = store.folder(key)
            except NotAllowedError:  # a plain server has no lists
                inside = ()
            if not inside:
                raise
            return {"name": self._strip_protocol(path), "size": 0, "type": "directory"}

    def modified(self, path: str) -> dt.datetime | None:
        """Tell when a file was written."""
        store, key = self._locate(path)
        return store.stat(key).modified

    def checksum(self, path: str) -> str:
        """Give what changes when a file does."""
        store, key = self._locate(path)
        return "-".join(store.stat(key).stamp)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Give a file, or a part of it."""
        store, key = self._locate(path)
        if start is None and end is None:
            return store.get(key)
        size = store.stat(key).size if end is None or (start or 0) < 0 or end < 0 else 0
        first = (start or 0) + (size if (start or 0) < 0 else 0)
        last = size if end is None else end + (size if end < 0 else 0)
        return bytes(store.get_ranges(key, [(first, last - first)])[0]) if last > first else b""

    def cat_ranges(
        self,
        paths: Sequence[str],
        starts: Any,
        ends: Any,
        max_gap: Any = None,
        on_error: str = "return",
        **_: Any,
    ) -> list[Any]:
        """Give parts of files; those of one file together."""
        starts = starts if isinstance(starts, list) else [starts] * len(paths)
        ends = ends if isinstance(ends, list) else [ends] * len(paths)
        found: list[Any] = [None] * len(paths)
        groups: dict[str, list[int]] = {}
        for at, path in enumerate(paths):
            groups.setdefault(path, []).append(at)
        for path, ats in groups.items():
            try:
                if any(
                    starts[at] is None or ends[at] is None or starts[at] < 0 or ends[at] < 0 for at in ats
                ):
                    parts: Sequence[Any] = [self.cat_file(path, starts[at], ends[at]) for at in ats]
                else:
                    store, key = self._locate(path)
                    parts = store.get_ranges(key, [(starts[at], ends[at] - starts[at]) for at in ats])
            except OSError as error:
                if on_error == "raise":
                    raise
                parts = [error] * len(ats)
            for at, part in zip(ats, parts, strict=True):
                found[at] = part if isinstance(part, OSError) else bytes(part)
        return found

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write a file, whole or not at all."""
        store, key = self._locate(path)
        store.put(key, value, overwrite=mode != "create")

    def put_file(
        self, lpath: str, rpath: str, callback: Any = None, mode: str = "overwrite", **_: Any
    ) -> None:
        """Write a file of this machine, whole or not at all."""
        if Path(lpath).is_dir():
            return
        store, key = self._locate(rpath)
        store.put(key, Path(lpath), overwrite=mode != "create")

    def get_file(self, rpath: str, lpath: Any, callback: Any = None, **_: Any) -> None:
        """Copy a file to this machine."""
        from swath.storage.whole import writing

        store, key = self._locate(rpath)
        if hasattr(lpath, "write"):
            for piece in store.stream(key):
                lpath.write(piece)
            return
        if not key or self.isdir(rpath):
            Path(lpath).mkdir(parents=True, exist_ok=True)
            return
        with writing(Path(lpath)) as part, part.open("wb") as file:
            for piece in store.stream(key):
                file.write(piece)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Copy a file, through this machine where the store cannot."""
        source, key = self._locate(path1)
        target, other = self._locate(path2)
        if not isinstance(target, CopyingStore) or target.copy_from(source, key, other) is None:
            target.put(other, (bytes(piece) for piece in source.stream(key)))

    def mv(self, path1: str, path2: str, recursive: bool = False, maxdepth: Any = None, **more: Any) -> None:
        """Give a file another path."""
        source, key = self._locate(path1)
        target, other = self._locate(path2)
        if source is target and not recursive:
            source.move(key, other)
        else:
            super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **more)

    def _rm(self, path: str) -> None:
        store, key = self._locate(path)
        store.delete([key])

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Remove files, and what is below them if that is wanted."""
        for each in [path] if isinstance(path, str) else path:
            store, key = self._locate(each)
            if recursive:
                store.delete([found.key for found in store.list(key)])
                if isinstance(store, WebdavStore) and key:
                    store.remove_folder(key)
            else:
                store.delete([key])

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Make a folder where the store has such; elsewhere nothing is needed."""
        store, key = self._locate(path)
        if isinstance(store, WebdavStore):
            store.make_folder(key)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder and those that it lies in."""
        self.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Remove a folder that is empty."""
        store, key = self._locate(path)
        if store.folder(key):
            raise OSError(f"{path} is not empty")
        if isinstance(store, WebdavStore):
            store.remove_folder(key)

    def _open(
        self, path: str, mode: str = "rb", block_size: int | None = None, autocommit: bool = True,
        cache_options: Any = None, **more: Any,
    ) -> StoreFile:  # fmt: skip
        size = more.pop("size", None)
        return StoreFile(
            self,
            path,
            mode,
            block_size or 4 << 20,
            autocommit=autocommit,
            cache_options=cache_options,
            size=size,
        )


class StoreFile(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file of a store, open for reading or writing; what is written is there when it is closed."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        store, key = self.fs._locate(self.path)
        end = min(end, self.size)
        return bytes(store.get_ranges(key, [(start, end - start)])[0]) if end > start else b""

    def _initiate_upload(self) -> None:
        import tempfile

        self._spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 -- closed when it is stored

    def _upload_chunk(self, final: bool = False) -> bool:
        self._spool.write(self.buffer.getvalue())
        if final and self.autocommit:
            self.commit()
        return True

    def commit(self) -> None:
        """Write it."""
        store, key = self.fs._locate(self.path)
        self._spool.seek(0)
        with self._spool as spool:
            store.put(key, iter(lambda: spool.read(4 << 20), b""))

    def discard(self) -> None:
        """Forget what was written."""
        self._spool.close()


def filesystem(address: str = "") -> StoreFileSystem:
    """Give a file system of fsspec for a store.

    Parameters
    ----------
    address : str
        ``NAME:path``, ``s3://bucket/prefix``, a URL or a folder; all paths are relative to it. Empty: paths
        are ``NAME/path`` or whole addresses.

    Examples
    --------
    >>> import tempfile
    >>> files = filesystem(tempfile.mkdtemp())
    >>> files.pipe_file("a/b.txt", b"text")
    >>> files.find("")
    ['a/b.txt']
    """
    return StoreFileSystem(within=address)
