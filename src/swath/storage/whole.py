"""Writing files so that they are there whole or not at all, and saying why where they cannot be."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Any

import orjson

from swath.model import ConflictError, OutputError, SwathError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ADVICE = {
    errno.ENOSPC: "free some room, or write elsewhere with --output",
    errno.EDQUOT: "the quota is used up: free some room, or write elsewhere with --output",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
}
PART = ".part-"
"""How the name of a file begins that is being written."""
_SMALL_PARTS = 120
"""Longest part of a file name that is made of an id, so that name and suffix stay below 255 bytes."""


@contextlib.contextmanager
def writing(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Give a name beside ``path`` to write to; it takes that name when the block ends well.

    Parameters
    ----------
    path : Path
        The final name; its folder is made.
    overwrite : bool
        False: a file that is there stays, even one that somebody else wrote meanwhile.

    Raises
    ------
    ConflictError
        It is there, and may not be replaced.
    OutputError
        The system refuses: no room, no permission, or something else in the way. Nothing is left then
        under the final name that was not there before.
    """
    # A name of its own: two copies of a job may write the same file. The ending stays: some go by it.
    part = path.with_name(f"{PART}{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not overwrite and path.exists():
            raise ConflictError(f"output: {str(path)!r} is there already")
        yield part
        if overwrite:
            part.replace(path)
        else:
            _take_name(part, path)
    except SwathError:
        raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error.strerror or str(error)
        raise OutputError(
            f"output: cannot write {path} ({reason})", fix=_ADVICE.get(error.errno or 0, "")
        ) from error
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _take_name(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError as error:
        raise ConflictError(f"output: {str(path)!r} is there already") from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    with writing(path) as part:
        part.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write JSON whose bytes depend on the value alone."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    data = orjson.dumps(value, option=options)
    if b"null" in data:  # orjson writes NaN so, which JSON has not: let it be an error rather than a gap
        json.dumps(value, allow_nan=False)
    write_bytes(path, data)


def file_name(text: str) -> str:
    """Give a name that any file system and URL takes as it is.

    Examples
    --------
    >>> file_name("NDVI 2020/03")
    'NDVI_2020_03'
    """
    kept = "".join(each if each.isalnum() or each in "-_." else "_" for each in text)
    return kept.lstrip(".")[:_SMALL_PARTS] or "_"
