"""Hrefs: made absolute when items come in, relative again when they are written to a folder."""

from __future__ import annotations

import os.path
import re
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
STRUCTURE = frozenset({"self", "root", "parent", "item", "items", "child", "collection", "next", "prev"})
"""Relations that say where a document hangs in its catalog: each catalog writes its own."""


def is_url(href: str) -> bool:
    """Tell whether an href begins with a scheme (a drive letter is none).

    Examples
    --------
    >>> is_url("https://example.com/a.tif"), is_url("/data/a.tif"), is_url("C:/a.tif")
    (True, False, False)
    """
    return _SCHEME.match(href) is not None


def is_absolute(href: str) -> bool:
    """Tell whether an href means the same from everywhere.

    Examples
    --------
    >>> is_absolute("/data/a.tif"), is_absolute("../a.tif"), is_absolute("s3://eo/a.tif")
    (True, False, True)
    """
    return href.startswith("/") or is_url(href)


def absolute_href(href: str, base: str) -> str:
    """Resolve an href against the document that it stands in.

    Parameters
    ----------
    href : str
        As written in the document.
    base : str
        Absolute path or URL of the document (not of its folder).

    Examples
    --------
    >>> absolute_href("./b/../a.tif", "/data/s2/item.json")
    '/data/s2/a.tif'
    >>> absolute_href("../a.tif", "https://example.com/s2/item.json")
    'https://example.com/a.tif'
    """
    href = href.strip()
    if is_url(href) or href.startswith("/vsi"):
        return href[7:] if href.startswith("file:///") else href
    if is_url(base):
        if urlsplit(base).scheme in ("http", "https", "file"):
            return urljoin(base, href)
        scheme, rest = base.split("://", 1) if "://" in base else ("", base)
        joined = os.path.normpath(os.path.join(os.path.dirname("/" + rest), href))  # noqa: PTH118, PTH120 -- no local path
        return f"{scheme}:/{joined}"
    if href.startswith("/"):
        return href
    return os.path.normpath(os.path.join(os.path.dirname(base), href))  # noqa: PTH118, PTH120 -- text, not a file


def relative_href(href: str, base: str) -> str:
    """Write an absolute local path relative to a document; a URL stays.

    Examples
    --------
    >>> relative_href("/data/s2/a.tif", "/data/catalog/items/item.json")
    '../../s2/a.tif'
    """
    if is_url(href) or not href.startswith("/") or href.startswith("/vsi"):
        return href
    path = os.path.relpath(href, os.path.dirname(base))  # noqa: PTH120 -- text, not a file
    return path if path.startswith("..") else f"./{path}"


def with_absolute_hrefs(document: dict[str, Any], base: str) -> dict[str, Any]:
    """Copy an item or collection with absolute hrefs, without the links that only hold its catalog together.

    Parameters
    ----------
    document : dict
        STAC item or collection.
    base : str
        Absolute path or URL of the document.
    """
    links = [
        {**link, "href": absolute_href(link["href"], base)} if _is_linked(link) else link
        for link in document.get("links") or ()
        if not isinstance(link, dict) or link.get("rel") not in STRUCTURE
    ]
    out = {**document, "links": links}
    if isinstance(document.get("assets"), dict):
        out["assets"] = {key: _asset_from(asset, base) for key, asset in document["assets"].items()}
    return out


def _is_linked(link: Any) -> bool:
    """Tell whether a link's href is to be resolved; some have a blank too much."""
    if not isinstance(link, dict) or not isinstance(link.get("href"), str):
        return False
    return not is_absolute(link["href"]) or link["href"] != link["href"].strip()


def _asset_from(asset: Any, base: str) -> Any:
    if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
        return asset
    out = asset
    if not is_absolute(asset["href"]) or asset["href"].startswith("file:"):
        out = {**asset, "href": absolute_href(asset["href"], base)}
    alternates = asset.get("alternate")
    if isinstance(alternates, dict):
        out = {**out, "alternate": {key: _asset_from(each, base) for key, each in alternates.items()}}
    return out


def with_relative_hrefs(document: dict[str, Any], base: str) -> dict[str, Any]:
    """Copy an item or collection with local hrefs written relative to where it will lie."""
    out = {**document, "links": [_relative(link, base) for link in document.get("links", [])]}
    if "assets" in document:
        out["assets"] = {key: _relative(asset, base) for key, asset in document["assets"].items()}
    return out


def _relative(held: dict[str, Any], base: str) -> dict[str, Any]:
    out = {**held, "href": relative_href(held["href"], base)}
    if isinstance(held.get("alternate"), dict):
        out["alternate"] = {
            key: _relative(each, base) if "href" in each else each for key, each in held["alternate"].items()
        }
    return out


def document_base(document: dict[str, Any], fallback: str) -> str:
    """Give the place that relative hrefs of a loose item refer to: its own self link, else its file."""
    for link in document.get("links") or ():
        if isinstance(link, dict) and link.get("rel") == "self":
            href = link.get("href")
            if isinstance(href, str) and is_absolute(href):
                return href
    return fallback


def collection_link(document: dict[str, Any], collection: str, base: str) -> dict[str, Any]:
    """Give an item's link to its collection: where it had one, resolved, else a name that stands for it."""
    if document.get("collection") == collection:
        for link in document.get("links") or ():
            if (
                isinstance(link, dict)
                and link.get("rel") == "collection"
                and isinstance(link.get("href"), str)
            ):
                return {**link, "href": absolute_href(link["href"], base)}
    return {"rel": "collection", "href": f"urn:stac:collection:{quote(collection)}"}
