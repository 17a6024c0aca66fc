"""What a WebDAV server says of a folder (RFC 4918, section 9.1 and 13), read as it comes."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import ParseError, iterparse

from swath.model import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAV = "{DAV:}"
WANTED = (
    b'<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop>'
    b"<resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>"
)
"""Body of a request for what `Entry` holds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder, as the server tells it."""

    path: str
    """Its path on the host, decoded, without slashes at its ends."""
    is_folder: bool
    """True for a folder."""
    size: int = 0
    """Bytes."""
    modified: dt.datetime | None = None
    """When it was written."""
    etag: str = ""
    """Changes when it does."""
    more: dict[str, str] = field(default_factory=dict)
    """Other properties, by their name with its namespace as ``{namespace}name``."""


def read_multistatus(stream: Any, *, store: str) -> Iterator[Entry]:
    """Read the entries of an answer one by one, so that a folder of 1e5 files needs no memory.

    Parameters
    ----------
    stream : file
        The body of the answer.
    store : str
        The store's name, for errors.

    Raises
    ------
    StoreError
        The answer is no multistatus, or breaks off.
    """
    try:
        root = None
        for event, element in iterparse(stream, events=("start", "end")):  # noqa: S314 -- expat bounds entities
            if root is None:
                root = element
            if event == "end" and element.tag == f"{_DAV}response":
                if entry := _parse_response(element):
                    yield entry
                root.clear()  # what was read is not kept
        if root is None:
            raise StoreError(f"storage {store!r}: the server lists nothing, not even the folder itself")
    except ParseError as error:
        raise StoreError(
            f"storage {store!r}: the server lists a folder in a way that is no WebDAV ({error})"
        ) from error


def _parse_response(element: Any) -> Entry | None:
    path = unquote(urlsplit((element.findtext(f"{_DAV}href") or "").strip()).path).strip("/")
    found: dict[str, Any] = {}
    for group in element.iterfind(f"{_DAV}propstat"):
        if " 200 " in f"{group.findtext(f'{_DAV}status') or ' 200 '} ":
            found.update({each.tag: each for each in group.iterfind(f"{_DAV}prop/*")})
    if not found:
        return None
    kind = found.get(f"{_DAV}resourcetype")
    size = _text(found, "getcontentlength")
    modified = None
    with contextlib.suppress(ValueError, TypeError):
        modified = parsedate_to_datetime(_text(found, "getlastmodified")).astimezone(dt.UTC)
    return Entry(
        path,
        is_folder=kind is not None and kind.find(f"{_DAV}collection") is not None,
        size=int(size) if size.isdigit() else 0,
        modified=modified,
        etag=_text(found, "getetag").removeprefix("W/").strip('"'),
        more={tag: (each.text or "").strip() for tag, each in found.items() if not tag.startswith(_DAV)},
    )


def _text(found: dict[str, Any], name: str) -> str:
    element = found.get(_DAV + name)
    return (element.text or "").strip() if element is not None else ""
