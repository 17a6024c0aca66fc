"""Giving a catalog out: as one stac-geoparquet file, or as a static STAC catalog in a folder."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from swath.catalog.hrefs import STRUCTURE, with_relative_hrefs
from swath.model import InputError, OutputError, SwathError, SwathWarning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swath.catalog.protocol import Catalog
    from swath.catalog.search import Search

_PAGE = 1000


def export(
    catalog: Catalog, target: str | Path, *, collections: Iterable[str] | str | None = None, **search: Any
) -> int:
    """Write a catalog, or what a search of it finds.

    Parameters
    ----------
    catalog : Catalog
        What is written.
    target : str or Path
        A file that ends in ``.parquet``: stac-geoparquet. Anything else: an empty or new folder, which gets
        ``catalog.json`` and below it ``collections/``; hrefs of local files are relative.
    collections : iterable of str, optional
        Only these.
    **search
        As for ``Catalog.search``.

    Returns
    -------
    int
        How many items were written.
    """
    path = Path(os.path.abspath(Path(target).expanduser()))  # noqa: PTH100 -- no symlink is resolved
    found = catalog.search(collections=collections, limit=_PAGE, **search)
    names = found.query.collections
    bodies = [each for each in catalog.collections() if names is None or each["id"] in names]
    try:
        if path.suffix.lower() in (".parquet", ".geoparquet"):
            return _write_parquet(found, bodies, path)
        return _write_static(found, bodies, path)
    except OSError as error:
        if isinstance(error, SwathError):
            raise
        raise OutputError(f"export: {path} cannot be written ({error.strerror or error})") from error


def _write_parquet(found: Search, bodies: list[dict[str, Any]], path: Path) -> int:
    """Write one file; items go through a temporary one: the columns are known at the end."""
    import pyarrow as pa
    from stac_geoparquet.arrow import parse_stac_ndjson_to_parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    count = without = 0
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        lines, made = Path(folder) / "items.ndjson", Path(folder) / "items.parquet"
        with lines.open("wb") as out:
            for item in found.items_as_dicts():
                if item["geometry"] is None:
                    without += 1
                    continue
                out.write(orjson.dumps({**item, "geometry": _whole(item["geometry"])}) + b"\n")
                count += 1
        if count == 0:
            raise InputError("export: there are no items to write")
        try:
            parse_stac_ndjson_to_parquet(lines, made, collections={each["id"]: each for each in bodies})
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise OutputError(
                f"export: these items do not fit into one table ({' '.join(str(error).split())[:200]})",
                fix="write collections apart with --collections, or name a folder for static STAC",
            ) from error
        made.replace(path)
    if without:
        warnings.warn(
            f"export: {without} items without geometry are left out, as GeoParquet cannot hold them",
            SwathWarning,
            stacklevel=3,
        )
    return count


def _whole(geometry: dict[str, Any]) -> dict[str, Any]:
    """Take the empty parts out of a multipolygon: some catalogs have them, and the table's writer fails."""
    if geometry["type"] != "MultiPolygon":
        return geometry
    return {**geometry, "coordinates": [part for part in geometry["coordinates"] if part and part[0]]}


def _write_static(found: Search, bodies: list[dict[str, Any]], folder: Path) -> int:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"export: {folder} is not empty", fix="name a new folder, or a .parquet file")
    folder.mkdir(parents=True, exist_ok=True)
    places = {each["id"]: folder / "collections" / file_name(each["id"]) for each in bodies}
    linked: dict[str, list[dict[str, Any]]] = {each["id"]: [] for each in bodies}
    count = 0
    for item in found.items_as_dicts():
        name = item["collection"]
        href = f"items/{file_name(item['id'])}.json"
        _write_json(places[name] / href, _static_item(item, places[name] / href))
        linked[name].append({"rel": "item", "href": f"./{href}", "type": "application/geo+json"})
        count += 1
    for body in bodies:
        path = places[body["id"]] / "collection.json"
        _write_json(path, _static_collection(body, path, linked[body["id"]]))
    _write_json(folder / "catalog.json", _static_root(folder, places))
    return count


def file_name(name: str) -> str:
    """Make a file's name of an id; where signs are lost, a sum of the id keeps it unique.

    Examples
    --------
    >>> file_name("S2A_31TCJ"), file_name("a/b")
    ('S2A_31TCJ', 'a_b-c14cddc033')
    """
    plain = re.sub(r"[^\w.-]", "_", name)[:120]
    if plain == name and not name.startswith("."):
        return name
    return f"{plain.lstrip('.')}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"


def _static_item(item: dict[str, Any], path: Path) -> dict[str, Any]:
    out = with_relative_hrefs(item, str(path))
    out["links"] = [
        {"rel": "root", "href": "../../../catalog.json", "type": "application/json"},
        {"rel": "parent", "href": "../collection.json", "type": "application/json"},
        {"rel": "collection", "href": "../collection.json", "type": "application/json"},
        *_free_links(out),
    ]
    return out


def _static_collection(body: dict[str, Any], path: Path, items: list[dict[str, Any]]) -> dict[str, Any]:
    out = with_relative_hrefs(body, str(path))
    out["links"] = [
        {"rel": "root", "href": "../../catalog.json", "type": "application/json"},
        {"rel": "parent", "href": "../../catalog.json", "type": "application/json"},
        *_free_links(out),
        *items,
    ]
    return out


def _free_links(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (link for link in document["links"] if link["rel"] not in STRUCTURE)


def _static_root(folder: Path, places: dict[str, Path]) -> dict[str, Any]:
    return {
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": folder.name or "catalog",
        "description": "Written by swath",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": "application/json"},
            *(
                {"rel": "child", "href": f"./{place.relative_to(folder).as_posix()}/collection.json",
                 "type": "application/json", "title": name}
                for name, place in places.items()
            ),
        ],
    }  # fmt: skip


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
