"""Where items come from: static catalogs, files of items, GeoParquet, STAC APIs."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.catalog.hrefs import absolute_href, is_url
from swath.catalog.intake.prepare import Located, Rejected
from swath.catalog.intake.reading import Reader, read_lines
from swath.model import InputError, NotFoundError, SwathError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from swath.catalog.protocol import Catalog

PARQUET = (".parquet", ".geoparquet")
LINES = (".ndjson", ".jsonl", ".geojsonl", ".geojsonseq")
JSON = (".json", ".geojson")
_FOLLOWED = ("child", "item", "items")
_AT_ONCE = 8
_ROWS = 2000


def read_source(source: str, reader: Reader) -> Iterator[Located | Rejected]:
    """Give the items and collections of a source that is no API.

    Parameters
    ----------
    source : str
        Absolute path of a file or folder, or an http(s) URL of a JSON document.
    reader : Reader
        Reads documents.

    Raises
    ------
    NotFoundError, InputError, CatalogError
        The source itself cannot be read; what it links to and cannot be read is given as rejected.
    """
    if is_url(source):
        yield from walk(source, reader.read_json(source), reader)
        return
    path = Path(source)
    if path.is_dir():
        yield from _read_folder(path, reader)
    elif not path.exists():
        raise NotFoundError(f"ingest: {path} does not exist")
    else:
        yield from _read_file(path, reader)


def _read_folder(folder: Path, reader: Reader) -> Iterator[Located | Rejected]:
    for name in ("catalog.json", "collection.json"):
        if (folder / name).is_file():
            yield from _read_file(folder / name, reader)
            return
    files = sorted(each for each in folder.iterdir() if each.suffix.lower() in JSON + LINES + PARQUET)
    if not files:
        raise InputError(
            f"ingest: the folder {folder} has no catalog.json, collection.json nor files of items",
            fix="give the file, or for plain rasters --pattern '{collection}_{datetime:%Y%m%d}_{band}.tif'",
        )
    for file in files:
        yield from _read_file(file, reader)


def _read_file(path: Path, reader: Reader) -> Iterator[Located | Rejected]:
    suffix = path.suffix.lower()
    if suffix in PARQUET:
        yield from _read_parquet(path)
    elif suffix in LINES:
        for number, document in read_lines(path):
            if isinstance(document, str):
                yield Rejected(f"{path.name}:{number}", document)
            else:
                yield Located(document, str(path), is_own=False)
    elif suffix in JSON:
        yield from walk(str(path), reader.read_json(str(path)), reader)
    else:
        raise InputError(
            f"ingest: {path} is no kind of file that can be read",
            fix="for plain rasters give their folder and --pattern",
            known=JSON + LINES + PARQUET,
        )


def walk(href: str, document: Any, reader: Reader) -> Iterator[Located | Rejected]:
    """Give a document's items and collections, and those that it links to; a circle of links does no harm.

    Parameters
    ----------
    href : str
        Where the document is.
    document
        Item, ItemCollection, Collection or Catalog.
    reader : Reader
        Reads what it links to.
    """
    seen = {href}
    waiting: deque[str] = deque()
    yield from _take(href, document, seen, waiting)
    while waiting:
        some = [waiting.popleft() for _ in range(min(len(waiting), 16 * _AT_ONCE))]
        for each, found in zip(some, _read_together(some, reader), strict=True):
            if isinstance(found, Rejected):
                yield found
            else:
                yield from _take(each, found, seen, waiting)


def _read_together(hrefs: list[str], reader: Reader) -> Iterable[Any]:
    def read(href: str) -> Any:
        try:
            return reader.read_json(href)
        except SwathError as error:
            return Rejected(href, error.what.removeprefix("catalog: "))

    if not is_url(hrefs[0]):
        return map(read, hrefs)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(read, hrefs))


def _take(href: str, document: Any, seen: set[str], waiting: deque[str]) -> Iterator[Located | Rejected]:
    kind = _kind_of(document)
    if kind == "Feature":
        yield Located(document, href, is_own=True)
    elif kind == "FeatureCollection":
        for each in document.get("features") or ():
            yield Located(each, href, is_own=False)
    elif kind in ("Catalog", "Collection"):
        if kind == "Collection":
            yield Located(document, href, is_own=True)
        for target in _targets(href, document):
            if isinstance(target, Rejected):
                yield target
            elif target not in seen:
                seen.add(target)
                waiting.append(target)
    else:
        yield Rejected(href, "it is no STAC document: its type is none of Feature, Collection, Catalog")


def _kind_of(document: Any) -> str:
    """Tell what a document is; before STAC 1.0 catalogs and collections did not say it."""
    if isinstance(document, list):
        return ""
    if not isinstance(document, dict):
        return ""
    kind = document.get("type")
    if kind in ("Feature", "FeatureCollection", "Collection", "Catalog"):
        return str(kind)
    if "stac_version" in document and "links" in document and kind is None:
        return "Collection" if "extent" in document else "Catalog"
    return ""


def _targets(href: str, document: dict[str, Any]) -> Iterator[str | Rejected]:
    for link in document.get("links") or ():
        if not isinstance(link, dict) or link.get("rel") not in _FOLLOWED:
            continue
        target = absolute_href(str(link.get("href", "")), href)
        if link["rel"] == "items" and not target.lower().endswith(JSON):
            continue  # the pages of an API, not a file
        if is_url(href) and not is_url(target):
            continue  # a server does not say which files of this machine are read
        if is_url(target) and not is_url(href):
            yield Rejected(target, f"it is on the web, and {href} here; give its address to take it in")
            continue
        yield target


def _read_parquet(path: Path) -> Iterator[Located | Rejected]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from stac_geoparquet.arrow import stac_table_to_items

    try:
        file = pq.ParquetFile(path)
        for body in _parquet_collections(file.schema_arrow.metadata or {}):
            yield Located(body, str(path), is_own=False)
        for batch in file.iter_batches(batch_size=_ROWS):
            for item in stac_table_to_items(pa.Table.from_batches([batch])):
                yield Located(without_nulls(item), str(path), is_own=False)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError, KeyError) as error:
        raise InputError(f"ingest: {path} is no stac-geoparquet file ({error})") from error


def _parquet_collections(metadata: dict[bytes, bytes]) -> Iterator[dict[str, Any]]:
    for key in (b"stac-geoparquet", b"stac:collections"):
        if key in metadata:
            held = json.loads(metadata[key])
            yield from (
                (held.get("collections") or {}).values() if key == b"stac-geoparquet" else held.values()
            )
            return


def without_nulls(item: dict[str, Any]) -> dict[str, Any]:
    """Take the nulls out that a table holds where an item has nothing; a null datetime stays.

    Examples
    --------
    >>> without_nulls({"id": "a", "properties": {"datetime": None, "gsd": None}, "assets": {"x": None}})
    {'id': 'a', 'properties': {'datetime': None}, 'assets': {}}
    """
    out: dict[str, Any] = _pruned(item)
    properties = out.get("properties")
    if isinstance(properties, dict):
        for key, value in properties.items():
            if isinstance(value, str) and value.endswith(".000000Z"):  # a table's instants have them all
                properties[key] = value.replace(".000000Z", "Z")
        properties.setdefault("datetime", None)
    if "geometry" in item and item["geometry"] is None:
        out["geometry"] = None
    return out


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_pruned(each) for each in value]
    return value


def read_api(catalog: Catalog, parameters: dict[str, Any]) -> Iterator[Located]:
    """Give the collections and items that a search of another catalog finds.

    Parameters
    ----------
    catalog : Catalog
        The other one.
    parameters : dict
        As for its ``search``.
    """
    search = catalog.search(limit=250, **parameters)
    wanted = search.query.collections
    for body in catalog.collections():
        if wanted is not None and body["id"] in wanted:
            yield Located(body, catalog.location, is_own=False)
    for item in search.items_as_dicts():
        yield Located(item, catalog.location, is_own=False)
