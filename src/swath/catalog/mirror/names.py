"""Keys of mirrored documents and files: safe everywhere, and never the same for two."""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = "catalog.json"
"""Key of the catalog."""
COLLECTION = "collection.json"
"""Name of a collection's document in its folder."""

_LONGEST = 100
_ENDING = re.compile(r"(\.[A-Za-z0-9]{1,8}){1,2}$")
_MARKED = re.compile(r"-[0-9a-f]{10}$")
"""What a changed name ends in; a name that does so itself is changed too, so that none is taken twice."""


@functools.lru_cache(maxsize=4096)
def safe_name(text: str) -> str:
    """Make a name of an id that any file system, URL and store takes as it is.

    It has letters, digits, ``.``, ``_`` and ``-`` of ASCII; where signs are lost, a sum of the id keeps it
    unlike all others, whatever else is there.

    Examples
    --------
    >>> safe_name("S2A_31TCJ_20200101"), safe_name("../up"), safe_name("a b")
    ('S2A_31TCJ_20200101', '_up-8c722b8ae2', 'a_b-c8687a08aa')
    """
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", text).lstrip(".")[:_LONGEST]
    taken = text in (ROOT, COLLECTION) or _MARKED.search(text)
    return plain if plain == text and text and not taken else f"{plain}-{_sum(text)}"


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]


def item_folder(collection: str, item: str) -> str:
    """Give the folder of an item, relative to the mirror.

    Examples
    --------
    >>> item_folder("s2", "a/b")
    's2/a_b-c14cddc033'
    """
    return f"{safe_name(collection)}/{safe_name(item)}"


def item_key(collection: str, item: str) -> str:
    """Give the key of an item's document, relative to the mirror.

    Examples
    --------
    >>> item_key("s2", "a")
    's2/a/a.json'
    """
    name = safe_name(item)
    return f"{safe_name(collection)}/{name}/{name}.json"


def asset_names(item: str, hrefs: Mapping[str, str]) -> dict[str, str]:
    """Give each asset of an item the name of its file.

    Parameters
    ----------
    item : str
        Id of the item.
    hrefs : mapping
        Asset key to href, for all assets of the item, so that a name does not depend on which are chosen.

    Examples
    --------
    >>> asset_names("i", {"red": "https://host/T31/B04.tif?x=1", "visual": "s3://b/TCI"})
    {'red': 'red.tif', 'visual': 'visual'}
    >>> asset_names("i", {"a.tif": "x", "a": "y.tif"})
    {'a': 'a.tif', 'a.tif': 'a.tif-ed4cf50dec'}
    """
    taken = {f"{safe_name(item)}.json"}
    names = {}
    for key in sorted(hrefs):
        name = _with_ending(safe_name(key), _ending(hrefs[key]))
        if name.lower() in taken:  # file systems that know no case hold one of them
            name = _with_ending(f"{safe_name(key)}-{_sum(key)}", _ending(hrefs[key]))
        taken.add(name.lower())
        names[key] = name
    return names


def _with_ending(name: str, ending: str) -> str:
    return name if name.lower().endswith(ending.lower()) else name + ending


def _ending(href: str) -> str:
    last = unquote(urlsplit(href).path if "://" in href else href).rstrip("/").rpartition("/")[2]
    found = _ENDING.search(last)
    if found is None:
        return ""
    parts = found[0].split(".")[1:]
    return found[0] if len(parts) == 1 or parts[-1].lower() in ("gz", "bz2", "xz", "zst") else f".{parts[-1]}"


def changed_name(key: str, stamp: str) -> str:
    """Give another key to bytes that replace those of a key: readers of the old ones are not cut off.

    Examples
    --------
    >>> changed_name("s2/a/red.tif", "etag")
    's2/a/red-fcaec3a550.tif'
    """
    folder, _, name = key.rpartition("/")
    found = _ENDING.search(name)
    at = found.start() if found else len(name)
    return f"{folder}/{name[:at]}-{_sum(stamp)}{name[at:]}"


def asset_hrefs(item: Mapping[str, Any]) -> dict[str, str]:
    """Give the href of each asset of an item that has one."""
    return {
        key: asset["href"]
        for key, asset in (item.get("assets") or {}).items()
        if isinstance(asset, dict) and isinstance(asset.get("href"), str)
    }
