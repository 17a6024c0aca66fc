"""The documents of a mirror: items, collections and the catalog, with hrefs that hold wherever it is put."""

from __future__ import annotations

import hashlib
import json
import posixpath
from typing import TYPE_CHECKING, Any

import orjson

from swath.catalog.hrefs import STRUCTURE, is_absolute
from swath.catalog.mirror.kept import AssetKept, Kept
from swath.catalog.mirror.names import COLLECTION, ROOT
from swath.storage.checksum import format_multihash, parse_multihash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_EXTENSIONS = (
    "https://stac-extensions.github.io/alternate-assets/v1.2.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)
_STAMP = "swath:stamp"
"""Field of the alternate ``origin``: what changes when the source does."""


def mirrored_item(
    item: Mapping[str, Any], key: str, places: Mapping[str, tuple[AssetKept, Kept]]
) -> dict[str, Any]:
    """Write an item as it stands on the mirror.

    Parameters
    ----------
    item : dict
        The source's, with absolute hrefs.
    key : str
        Key of the document.
    places : mapping
        Of each asset that is on the mirror: where it came from, and what it is there. Others keep their href.
    """
    out = dict(item)
    assets = {
        name: _mirrored_asset(asset, key, *places[name]) if name in places else asset
        for name, asset in (item.get("assets") or {}).items()
    }
    if places:
        before = item.get("stac_extensions") or []
        kept = [each for each in before if "/alternate-assets/" not in each and "/file/" not in each]
        out["stac_extensions"] = [*kept, *_EXTENSIONS]
    out["assets"] = assets
    out["links"] = [
        {"rel": "root", "href": f"../../{ROOT}", "type": "application/json"},
        {"rel": "parent", "href": f"../{COLLECTION}", "type": "application/json"},
        {"rel": "collection", "href": f"../{COLLECTION}", "type": "application/json"},
        *_free_links(item),
    ]
    return out


def _mirrored_asset(asset: Mapping[str, Any], key: str, origin: AssetKept, kept: Kept) -> dict[str, Any]:
    return {
        **asset,
        "href": _relative(kept.key, key),
        "file:size": kept.size,
        "file:checksum": format_multihash(kept.digest),
        "alternate": {
            **(asset.get("alternate") or {}),
            "origin": {"href": origin.href, _STAMP: origin.stamp},
        },
    }


def _relative(key: str, base: str) -> str:
    folder = base.rpartition("/")[0] + "/"
    if key.startswith(folder):
        return f"./{key[len(folder) :]}"
    path = posixpath.relpath(key, folder)
    return path if path.startswith("..") else f"./{path}"


def _free_links(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (each for each in document.get("links") or () if each.get("rel") not in STRUCTURE)


def mirrored_assets(document: Mapping[str, Any], key: str) -> Iterator[tuple[str, AssetKept, Kept]]:
    """Give the assets of a mirrored item that are on the mirror, as the item says it.

    Yields
    ------
    asset : str
        Its key in the item.
    origin : AssetKept
        Where it came from.
    kept : Kept
        What it is.
    """
    for name, asset in (document.get("assets") or {}).items():
        href, origin = asset.get("href", ""), (asset.get("alternate") or {}).get("origin") or {}
        sum_ = parse_multihash(asset.get("file:checksum", ""))
        if is_absolute(href) or sum_ is None or "href" not in origin:
            continue
        place = posixpath.normpath(posixpath.join(posixpath.dirname(key), href))
        if not place.startswith(".."):
            yield (
                name,
                AssetKept(origin["href"], origin.get(_STAMP, ""), place),
                Kept(place, int(asset.get("file:size", -1)), sum_[1]),
            )


def with_places(document: Mapping[str, Any], key: str, place: Callable[[str], str]) -> dict[str, Any]:
    """Copy a mirrored item with absolute hrefs, for a catalog elsewhere.

    Parameters
    ----------
    document : dict
        The item as it stands on the mirror.
    key : str
        Its key.
    place : callable
        Gives the address of a key.
    """
    folder = posixpath.dirname(key)

    def placed(asset: dict[str, Any]) -> dict[str, Any]:
        if is_absolute(asset["href"]):
            return asset
        return {**asset, "href": place(posixpath.normpath(posixpath.join(folder, asset["href"])))}

    assets = {name: placed(asset) for name, asset in document["assets"].items()}
    return {**document, "assets": assets, "links": list(_free_links(document))}


def mirrored_collection(body: Mapping[str, Any], items: Iterable[str]) -> dict[str, Any]:
    """Write a collection as it stands on the mirror.

    Parameters
    ----------
    body : dict
        The source's, with absolute hrefs.
    items : iterable of str
        Folders of its items.
    """
    links = [
        {"rel": "root", "href": f"../{ROOT}", "type": "application/json"},
        {"rel": "parent", "href": f"../{ROOT}", "type": "application/json"},
        *_free_links(body),
    ]
    links += [
        {"rel": "item", "href": f"./{name}/{name}.json", "type": "application/geo+json"}
        for name in sorted(items)
    ]
    return {**body, "links": links}


def mirrored_catalog(name: str, collections: Iterable[str]) -> dict[str, Any]:
    """Write the catalog of a mirror.

    Examples
    --------
    >>> mirrored_catalog("eo", ["s2"])["links"][1]["href"]
    './s2/collection.json'
    """
    children = [
        {"rel": "child", "href": f"./{each}/{COLLECTION}", "type": "application/json"}
        for each in sorted(collections)
    ]
    return {
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": name or "mirror",
        "description": "Mirrored by swath",
        "links": [{"rel": "root", "href": f"./{ROOT}", "type": "application/json"}, *children],
    }


def linked_folders(document: Mapping[str, Any]) -> set[str]:
    """Give the folders that a collection's items, or a catalog's collections, are in."""
    return {
        str(each["href"]).split("/")[1]
        for each in document.get("links") or ()
        if each.get("rel") in ("item", "child") and str(each.get("href", "")).count("/") == 2
    }


def write_document(document: Any) -> bytes:
    """Write JSON whose bytes depend on the value alone."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_document(data: bytes) -> dict[str, Any] | None:
    """Read what should be a document; None where it is none."""
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def document_tag(data: bytes) -> str:
    """Give what the journal calls a document's bytes."""
    return f"document-{hashlib.sha256(data).hexdigest()}"
