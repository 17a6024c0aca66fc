"""PROPFIND: the properties that dCache has, and the XML around them."""

from __future__ import annotations

import datetime as dt
import mimetypes
import posixpath
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree as ET

from swath.testing.dcache.doors.door import Answer
from swath.testing.dcache.namespace import digest

if TYPE_CHECKING:
    from swath.testing.dcache.namespace import Namespace

_DAV = "{DAV:}"
_SRM = "{http://srm.lbl.gov/StorageResourceManager}"
_DCACHE = "{http://www.dcache.org/2013/webdav}"
_XATTR = "{http://www.dcache.org/2020/xattr}"
_LARGEST = 1 << 16

_USUAL = [
    f"{_DAV}{name}"
    for name in (
        "getcreated",
        "creationdate",
        "getlastmodified",
        "getetag",
        "iscollection",
        "displayname",
        "isreadonly",
        "name",
        "getcontentlength",
        "getcontenttype",
        "resourcetype",
    )
]
_OF_FILES = [
    f"{_SRM}AccessLatency",
    f"{_SRM}RetentionPolicy",
    f"{_DCACHE}Checksums",
    f"{_SRM}FileLocality",
]


def parse_propfind(body: bytes) -> list[str] | None:
    """Read which properties are wanted, ``{namespace}name``; None: all.

    Examples
    --------
    >>> parse_propfind(b'<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>')
    ['{DAV:}getetag']
    >>> parse_propfind(b'<propfind xmlns="DAV:"><allprop/></propfind>') is None
    True
    """
    if not body.strip():
        return list(_USUAL)
    if len(body) > _LARGEST or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise Answer(400, b"Received a bad PROPFIND request.\n")
    try:
        root = ET.fromstring(body)  # noqa: S314 - small, and without entities
    except ET.ParseError as error:
        raise Answer(400, b"Received a bad PROPFIND request.\n") from error
    named = root.find(f"{_DAV}prop")
    return None if named is None else [each.tag for each in named]


def multistatus(names: Namespace, shown: list[tuple[str, str]], wanted: list[str] | None) -> bytes:
    """Write the answer to a PROPFIND.

    Parameters
    ----------
    names : Namespace
        The files.
    shown : list of (str, str)
        The path by which the client knows each thing, and its path in dCache.
    wanted : list of str, optional
        The properties; None: all.
    """
    root = ET.Element(f"{_DAV}multistatus")
    for seen, path in shown:
        _response(root, names, seen, path, wanted)
    for prefix, space in (("d", _DAV), ("srm", _SRM), ("dc", _DCACHE), ("xa", _XATTR)):
        ET.register_namespace(prefix, space[1:-1])
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root)


def _response(root: ET.Element, names: Namespace, seen: str, path: str, wanted: list[str] | None) -> None:
    folder = names.is_folder(path)
    response = ET.SubElement(root, f"{_DAV}response")
    href = quote(seen) + ("/" if folder and not seen.endswith("/") else "")
    ET.SubElement(response, f"{_DAV}href").text = href
    if wanted is None:
        xattrs = [f"{_XATTR}{name}" for name in names.entry(path).xattrs]
        wanted = xattrs + ([] if folder else _OF_FILES) + _USUAL
    found = [(name, _value(names, path, name)) for name in wanted]
    for status, group in (
        ("HTTP/1.1 200 OK", [each for each in found if each[1] is not None]),
        ("HTTP/1.1 404 Not Found", [(name, "") for name, value in found if value is None]),
    ):
        if not group:
            continue
        propstat = ET.SubElement(response, f"{_DAV}propstat")
        prop = ET.SubElement(propstat, f"{_DAV}prop")
        for name, value in group:
            element = ET.SubElement(prop, name)
            if name == f"{_DAV}resourcetype" and value:
                ET.SubElement(element, f"{_DAV}collection")
            else:
                element.text = value
        ET.SubElement(propstat, f"{_DAV}status").text = status


def _value(names: Namespace, path: str, name: str) -> str | None:
    """Give the text of a property; None: it has none."""
    folder, entry = names.is_folder(path), names.entry(path)
    if name.startswith(_XATTR):
        return entry.xattrs.get(name.removeprefix(_XATTR))
    if name in _OF_FILES:
        return None if folder else _of_file(names, path, name)
    status = names.where(path).stat()
    made = (
        dt.datetime.fromtimestamp(status.st_ctime, dt.UTC)
        .isoformat(timespec="seconds")
        .replace("+00:00", "Z")
    )
    usual = {
        "getcreated": made,
        "creationdate": made,
        "getlastmodified": formatdate(status.st_mtime, usegmt=True),
        "getetag": f'"{entry.pnfsid}_{int(status.st_mtime * 1000)}"',
        "iscollection": "TRUE" if folder else "FALSE",
        "displayname": posixpath.basename(path),
        "isreadonly": "FALSE" if folder else "TRUE",
        "name": posixpath.basename(path),
        "getcontentlength": None if folder else str(status.st_size),
        "getcontenttype": "text/html" if folder else mimetypes.guess_type(path)[0],
        "resourcetype": "collection" if folder else None,
    }
    return usual.get(name.removeprefix(_DAV)) if name.startswith(_DAV) else None


def _of_file(names: Namespace, path: str, name: str) -> str:
    entry = names.entry(path)
    if name == f"{_SRM}AccessLatency":
        return "ONLINE" if entry.online else "NEARLINE"
    if name == f"{_SRM}RetentionPolicy":
        return "CUSTODIAL" if entry.custodial else "REPLICA"
    if name == f"{_SRM}FileLocality":
        return entry.locality()
    return ",".join(digest(kind, value) for kind, value in names.sums(path).items())
