"""The tree of files: names and bytes lie in a folder, what only dCache knows of them in memory."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import errno
import hashlib
import posixpath
import shutil
import uuid
import zlib
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Kind = Literal["adler32", "md5", "sha", "sha-256", "sha-512"]
"""A checksum as RFC 3230 calls it."""
KINDS: tuple[Kind, ...] = ("sha-512", "sha-256", "sha", "md5", "adler32")
"""Checksums that dCache gives over HTTP, the preferred first."""
_UPLOADS = ".dcache-emulator-uploads"
_PIECE = 1 << 20


@dataclasses.dataclass
class Entry:
    """What dCache knows of a file or folder, beside its name and bytes."""

    pnfsid: str = dataclasses.field(default_factory=lambda: "0000" + uuid.uuid4().hex.upper())
    """Its id, 36 hexadecimal digits."""
    on_disk: bool = True
    """True where a pool has a copy."""
    on_tape: bool = False
    """True where the tape has a copy."""
    custodial: bool = False
    """Retention policy: CUSTODIAL (it belongs on tape) or REPLICA."""
    online: bool = True
    """Access latency: ONLINE (it belongs on disk) or NEARLINE."""
    trouble: Literal["", "LOST", "UNAVAILABLE"] = ""
    """A locality that says that nobody gets it."""
    pins: dict[str, float] = dataclasses.field(default_factory=dict)
    """Until when the copy on disk is kept, by the id of a request; seconds since 1970."""
    known: set[Kind] = dataclasses.field(default_factory=set)
    """Checksums that dCache has beside the usual ones."""
    sums: dict[Kind, str] = dataclasses.field(default_factory=dict)
    """Checksums that were computed, hexadecimal."""
    stamp: tuple[int, int] = (-1, -1)
    """Size and time of change of the bytes that they were computed of."""
    wrong: bool = False
    """True where dCache is to tell checksums that do not fit the bytes."""
    xattrs: dict[str, str] = dataclasses.field(default_factory=dict)
    """Extended attributes."""
    labels: set[str] = dataclasses.field(default_factory=set)
    """Labels."""

    def locality(self) -> str:
        """Tell where the bytes of a file are, in dCache's word."""
        if self.trouble:
            return self.trouble
        if self.on_tape:
            return "ONLINE_AND_NEARLINE" if self.on_disk else "NEARLINE"
        return "ONLINE" if self.on_disk else "UNAVAILABLE"


def clean(path: str) -> str:
    """Write a path without ``.``, ``..`` and doubled slashes; nothing leads out of the root.

    Examples
    --------
    >>> clean("/pnfs//a/../../../b/"), clean("")
    ('/b', '/')
    """
    if "\0" in path:
        raise ValueError("a name has a zero byte")
    return posixpath.normpath("/" + path.lstrip("/"))


def inside(path: str, folder: str) -> bool:
    """Tell whether a clean path is a folder or lies below it.

    Examples
    --------
    >>> inside("/a/b", "/a"), inside("/ab", "/a"), inside("/a", "/")
    (True, False, True)
    """
    return folder in ("/", path) or path.startswith(folder + "/")


def digest(kind: Kind, value: str) -> str:
    """Write a checksum as RFC 3230 does: adler32 in hexadecimal, the others in base64.

    Examples
    --------
    >>> digest("adler32", "00000001"), digest("md5", "d41d8cd98f00b204e9800998ecf8427e")
    ('adler32=00000001', 'md5=1B2M2Y8AsgTpgAmY7PhCfg==')
    """
    if kind == "adler32":
        return f"adler32={value}"
    return f"{kind}={base64.b64encode(bytes.fromhex(value)).decode()}"


def compute(path: Path, kinds: Iterable[Kind]) -> dict[Kind, str]:
    """Compute checksums of a file, hexadecimal."""
    names = {"md5": "md5", "sha": "sha1", "sha-256": "sha256", "sha-512": "sha512"}
    wanted = tuple(kinds)
    running = {kind: hashlib.new(names[kind], usedforsecurity=False) for kind in wanted if kind != "adler32"}
    adler = 1
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            adler = zlib.adler32(piece, adler)
            for each in running.values():
                each.update(piece)
    found: dict[Kind, str] = {kind: each.hexdigest() for kind, each in running.items()}
    if "adler32" in wanted:
        found["adler32"] = f"{adler:08x}"
    return found


class Namespace:
    """Files and folders by their dCache paths, which are clean and begin with a slash.

    Parameters
    ----------
    folder : Path
        Where they lie; what is put there by hand is a file on disk.
    checksums : tuple of str
        What dCache computes of every file; by its default adler32.
    """

    def __init__(self, folder: Path, *, checksums: tuple[Kind, ...]) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.checksums = checksums
        self._entries: dict[str, Entry] = {}

    def where(self, path: str) -> Path:
        """Tell where the bytes of a path lie; links that lead out are not followed."""
        place = self.folder / path.lstrip("/")
        if not place.resolve().is_relative_to(self.folder) or path.split("/")[1:2] == [_UPLOADS]:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return place

    def entry(self, path: str) -> Entry:
        """Give what dCache knows of a file or folder that is there."""
        if not self.where(path).exists():
            raise FileNotFoundError(errno.ENOENT, f"No such file or directory {path}")
        return self._entries.setdefault(path, Entry())

    def entries(self) -> list[Entry]:
        """Give what is known of everything that was looked at."""
        return list(self._entries.values())

    def exists(self, path: str) -> bool:
        """Tell whether something has that name."""
        with contextlib.suppress(OSError):
            return self.where(path).exists()
        return False

    def is_folder(self, path: str) -> bool:
        """Tell whether a folder has that name."""
        return self.exists(path) and self.where(path).is_dir()

    def is_file(self, path: str) -> bool:
        """Tell whether a file has that name."""
        return self.exists(path) and self.where(path).is_file()

    def children(self, path: str) -> list[str]:
        """List the names in a folder."""
        return sorted(each.name for each in self.where(path).iterdir() if each.name != _UPLOADS)

    def make_folder(self, path: str) -> None:
        """Make a folder; the one above has to be there."""
        self.where(path).mkdir()

    def make_folders(self, path: str) -> None:
        """Make a folder and those above it."""
        self.where(path).mkdir(parents=True, exist_ok=True)

    def remove(self, path: str) -> None:
        """Remove a file or an empty folder."""
        place = self.where(path)
        place.rmdir() if place.is_dir() else place.unlink()
        self._entries.pop(path, None)

    def remove_tree(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it."""
        place = self.where(path)
        if not place.is_dir():
            place.unlink()
        else:
            shutil.rmtree(place)
        for each in [each for each in self._entries if inside(each, path)]:
            del self._entries[each]

    def move(self, path: str, to: str) -> None:
        """Give something another name; a file of that name is replaced."""
        self.where(path).replace(self.where(to))
        self._entries.pop(to, None)
        for each in [each for each in self._entries if inside(each, path)]:
            self._entries[to + each[len(path) :]] = self._entries.pop(each)

    def upload(self) -> Path:
        """Give a new empty file for bytes that are coming in."""
        uploads = self.folder / _UPLOADS
        uploads.mkdir(exist_ok=True)
        made = uploads / uuid.uuid4().hex
        made.touch(exist_ok=False)
        return made

    def keep(self, upload: Path, path: str) -> Entry:
        """Give an upload its name: a new file, which replaces an old one."""
        upload.replace(self.where(path))
        above = self._entries.get(posixpath.dirname(path), Entry())
        self._entries[path] = made = Entry(custodial=above.custodial, online=above.online)
        return made

    def sums(self, path: str) -> dict[Kind, str]:
        """Give the checksums that dCache has of a file, hexadecimal, the preferred first."""
        entry, place = self.entry(path), self.where(path)
        status = place.stat()
        stamp = (status.st_size, status.st_mtime_ns)
        if entry.stamp != stamp:
            entry.sums, entry.stamp = {}, stamp
        kinds = [kind for kind in KINDS if kind in entry.known or kind in self.checksums]
        if missing := [kind for kind in kinds if kind not in entry.sums]:
            entry.sums |= compute(place, missing)
        return {kind: _other(entry.sums[kind]) if entry.wrong else entry.sums[kind] for kind in kinds}


def _other(value: str) -> str:
    return f"{int(value[:1], 16) ^ 1:x}{value[1:]}"
