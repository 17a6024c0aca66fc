"""A folder of this machine as a store."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from swath.model import ConflictError, MissingObjectError, NotAllowedError, OutputError, StoreError
from swath.storage.address import Root, check_key, join_key
from swath.storage.protocol import Checksum, Stat
from swath.storage.whole import PART, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PIECE = 4 << 20


class FolderStore:
    """Files under a folder.

    Parameters
    ----------
    folder : str or Path
        The folder; made when something is written.
    name : str
        What errors call it.
    """

    def __init__(self, folder: str | Path, *, name: str = "") -> None:
        self._folder = Path(folder).expanduser().absolute()
        self.root = Root("", "", str(self._folder))
        self.name = name or str(self._folder)

    def path(self, key: str) -> Path:
        """Give the file of a key; links that lead out of the folder are not followed.

        Raises
        ------
        InputError, NotAllowedError
            It would lie elsewhere.
        """
        return Path(self._place(key))

    def _place(self, key: str) -> str:
        """Give the file of a key as text: quick, for very many files."""
        place = self.root.prefix
        for part in check_key(key).split("/"):
            place = f"{place}/{part}"
            if os.path.islink(place):  # noqa: PTH114
                self._check_inside(key)
        return place

    def _check_inside(self, key: str) -> None:
        inside = Path(os.path.realpath(self._folder / key))
        if not inside.is_relative_to(os.path.realpath(self._folder)):
            raise NotAllowedError(f"storage {self.name!r}: {key!r} is a link out of the folder")

    def stat(self, key: str) -> Stat:
        """Tell what a file or a folder is."""
        with self._failures(key):
            return self._stat(self._place(key), key)

    def _stat(self, path: str | Path, key: str) -> Stat:
        told = os.stat(path)  # noqa: PTH116
        modified = dt.datetime.fromtimestamp(told.st_mtime, dt.UTC)
        if stat.S_ISDIR(told.st_mode):
            return Stat(key, 0, modified, is_folder=True)
        return Stat(key, told.st_size, modified, f"{told.st_ino:x}-{told.st_mtime_ns:x}-{told.st_size:x}")

    def get(self, key: str) -> bytes:
        """Give all of a file."""
        with self._failures(key):
            return self.path(key).read_bytes()

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
        """Give several (offset, count) parts."""
        with self._failures(key), self.path(key).open("rb") as file:
            found = [memoryview(os.pread(file.fileno(), count, offset)) for offset, count in ranges]
        if any(len(part) != count for part, (_, count) in zip(found, ranges, strict=True)):
            raise StoreError(f"storage {self.name!r}: {key}: it is shorter than that")
        return found

    def stream(self, key: str) -> Iterator[memoryview]:
        """Give a file in pieces."""
        with self._failures(key), open(self._place(key), "rb", buffering=0) as file:  # noqa: PTH123
            while piece := file.read(_PIECE):
                yield memoryview(piece)

    def opened(self, key: str) -> tuple[Stat, Iterator[memoryview]]:
        """Open a file: what it is, and its pieces."""
        return self.stat(key), self.stream(key)

    def leftovers(self, prefix: str = "") -> Iterator[Stat]:
        """Give the files under a folder that are being written, or that somebody was stopped over."""
        for folder, _, names in os.walk(self._folder / prefix):
            for name in names:
                if name.startswith(PART):
                    path = Path(folder, name)
                    with contextlib.suppress(FileNotFoundError):
                        yield self._stat(path, path.relative_to(self._folder).as_posix())

    def put(self, key: str, data: bytes | Path | Iterable[bytes], *, overwrite: bool = True) -> Stat:
        """Write a file, whole or not at all."""
        path = self.path(key)
        with self._failures(key), writing(path, overwrite=overwrite) as part, part.open("wb") as file:
            for piece in _pieces(data):
                file.write(piece)
        return self.stat(key)

    def list(self, prefix: str = "") -> Iterator[Stat]:
        """Give all files under a folder; those that are being written are left out."""
        if prefix:
            check_key(prefix)
        waiting = [prefix]
        while waiting:
            for each in self._entries(waiting.pop()):
                if each.is_folder:
                    waiting.append(each.key)
                else:
                    yield each

    def folder(self, prefix: str = "") -> Sequence[Stat]:
        """Give what lies directly in a folder."""
        if prefix:
            check_key(prefix)
        return sorted(self._entries(prefix), key=lambda each: each.key)

    def _entries(self, prefix: str) -> Iterator[Stat]:
        with contextlib.suppress(MissingObjectError), self._failures(prefix):
            for entry in os.scandir(self._folder / prefix):
                if not entry.name.startswith(PART):
                    with contextlib.suppress(FileNotFoundError):  # it went meanwhile
                        yield self._stat(Path(entry.path), join_key(prefix, entry.name))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove files, and folders that are empty then."""
        for key in keys:
            path = self.path(key)
            with contextlib.suppress(FileNotFoundError), self._failures(key):
                path.unlink()
                self._prune(path.parent)

    def _prune(self, folder: Path) -> None:
        with contextlib.suppress(OSError):
            while folder != self._folder:
                folder.rmdir()
                folder = folder.parent

    def move(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Give a file another key."""
        old, new = self.path(source), self.path(target)
        with self._failures(f"{source} to {target}"):
            new.parent.mkdir(parents=True, exist_ok=True)
            if overwrite:
                old.replace(new)
            else:
                os.link(old, new)
                old.unlink()
            self._prune(old.parent)

    def checksum(self, key: str) -> Checksum | None:
        """Give the SHA-256 of a file, which is read."""
        with self._failures(key), self.path(key).open("rb") as file:
            return Checksum("sha256", hashlib.file_digest(file, "sha256").hexdigest())

    def close(self) -> None:
        """Do nothing."""

    @contextlib.contextmanager
    def _failures(self, key: str) -> Iterator[None]:
        where = f"storage {self.name!r}: {key}"
        try:
            yield
        except (OutputError, ConflictError, StoreError, NotAllowedError):
            raise
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingObjectError(f"{where}: there is nothing") from error
        except FileExistsError as error:
            raise ConflictError(f"{where}: it is there already") from error
        except PermissionError as error:
            raise NotAllowedError(f"{where}: you may not do that here") from error
        except OSError as error:
            what = "is a folder" if error.errno == errno.EISDIR else (error.strerror or str(error)).lower()
            raise StoreError(f"{where}: {what}") from error


def _pieces(data: bytes | Path | Iterable[bytes]) -> Iterator[bytes | memoryview]:
    if isinstance(data, (bytes, bytearray, memoryview)):
        yield data
    elif isinstance(data, Path):
        with data.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    else:
        yield from data
