"""Taking items in: from a source of any kind, in batches that go in whole."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.catalog.api import ApiCatalog
from swath.catalog.embedded.sqlite import SqliteCatalog
from swath.catalog.hrefs import absolute_href, is_url
from swath.catalog.intake.prepare import ItemRow, Located, Rejected, prepare_items
from swath.catalog.intake.reading import Reader, plain_address
from swath.catalog.intake.sources import JSON, read_api, read_source
from swath.catalog.protocol import Catalog, IngestReport
from swath.catalog.searching.query import check_limit, parse_datetime
from swath.model import BBox, InputError, Interval, NotAllowedError, microseconds, parse_bbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH = 2000
"""Items that go in together."""


def ingest(
    catalog: Catalog,
    source: str | Path,
    *,
    collection: str | None = None,
    pattern: str | None = None,
    bbox: Any = None,
    datetime: Any = None,
    max_items: int | None = None,
    progress: Callable[[IngestReport], None] | None = None,
) -> IngestReport:
    """Take the items of a source into a catalog; what is there already is replaced.

    Parameters
    ----------
    catalog : Catalog
        One that can be written.
    source : str or Path
        A static catalog, collection or item (file, folder, URL, or ``NAME:path`` in a store), an
        ItemCollection, newline-delimited JSON, stac-geoparquet, the address of a STAC API, or with
        ``pattern`` a folder of rasters.
    collection : str, optional
        Of an API: only items of this collection. Of anything else: put all items into it.
    pattern : str, optional
        How raster files are named: ``{collection}_{datetime:%Y%m%d}_{band}.tif``.
    bbox, datetime : optional
        Only items that touch them, as in ``Catalog.search``.
    max_items : int, optional
        Take this many items, then stop.
    progress : callable, optional
        Called after each batch with the report so far.

    Returns
    -------
    IngestReport
        How many were added and updated, and what was rejected, each with its reason.

    Notes
    -----
    Batches of 2000 items go in, each whole or not at all: when the source or the machine fails, those
    before it stay.
    """
    if not isinstance(catalog, SqliteCatalog):
        raise NotAllowedError(f"ingest: {catalog.location} can only be read", fix="name a catalog file")
    check_limit("max_items", max_items)
    area = None if bbox is None else bbox if isinstance(bbox, BBox) else parse_bbox(bbox)
    interval = None if datetime is None else parse_datetime(datetime)
    reader = Reader()
    try:
        found = _found(source, reader, collection=collection, pattern=pattern, area=area, interval=interval)
        return _take_in(
            catalog,
            found,
            collection=collection,
            area=area,
            interval=interval,
            max_items=max_items,
            progress=progress,
        )
    finally:
        reader.close()


def _found(
    source: str | Path,
    reader: Reader,
    *,
    collection: str | None,
    pattern: str | None,
    area: BBox | None,
    interval: Interval | None,
) -> Iterator[Located | Rejected]:
    text = plain_address(str(source))
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if pattern is not None:
        from swath.catalog.intake.rasters import read_rasters

        return read_rasters(_path_of(text), pattern, collection)
    if not is_url(text):
        return read_source(str(_path_of(text)), reader)
    if text.lower().startswith(("http://", "https://")):
        landing = None if text.lower().endswith(JSON) else reader.read_json(text)
        if _is_landing(landing):
            asked = {"collections": collection and [collection], "bbox": area, "datetime": interval}
            return _from_api(text, {key: value for key, value in asked.items() if value is not None})
        root = _api_of(landing, text)
        if isinstance(landing, dict) and root:
            asked = {"collections": [str(landing.get("id"))], "bbox": area, "datetime": interval}
            return _from_api(root, {key: value for key, value in asked.items() if value is not None})
    return read_source(text, reader)


def is_api(source: str) -> bool:
    """Tell whether a source is the address of a STAC API's landing page."""
    if not source.lower().startswith(("http://", "https://")) or source.lower().endswith(JSON):
        return False
    reader = Reader()
    try:
        return _is_landing(reader.read_json(source))
    finally:
        reader.close()


def _is_landing(document: Any) -> bool:
    return isinstance(document, dict) and (
        "conformsTo" in document or any(link.get("rel") == "search" for link in document.get("links") or ())
    )


def _api_of(document: Any, url: str) -> str:
    """Give the address of the API that a collection belongs to; empty when it is a static one."""
    if not isinstance(document, dict) or document.get("type") != "Collection":
        return ""
    links = {link.get("rel"): str(link.get("href")) for link in document.get("links") or ()}
    pages = links.get("items", ".json")
    return "" if pages.endswith(".json") or "root" not in links else absolute_href(links["root"], url)


def _from_api(url: str, parameters: dict[str, Any]) -> Iterator[Located]:
    with ApiCatalog(url) as api:
        yield from read_api(api, parameters)


def _path_of(text: str) -> Path:
    return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100 -- no symlink is resolved


def _take_in(
    catalog: SqliteCatalog,
    found: Iterator[Located | Rejected],
    *,
    collection: str | None,
    area: BBox | None,
    interval: Interval | None,
    max_items: int | None,
    progress: Callable[[IngestReport], None] | None,
) -> IngestReport:
    report = IngestReport()
    left = max_items
    items = _only_items(found, catalog, report, collection)
    while left is None or left > 0:
        some = list(itertools.islice(items, BATCH if left is None else min(BATCH, left)))
        if not some:
            break
        rows, rejected = prepare_items(some, collection=collection)
        rows = [row for row in rows if _is_wanted(row, area, interval)]
        report.take(catalog.write_rows(rows))
        report.rejected += rejected
        left = None if left is None else left - len(rows)
        if progress is not None:
            progress(report)
    return report


def _only_items(
    found: Iterator[Located | Rejected], catalog: SqliteCatalog, report: IngestReport, collection: str | None
) -> Iterator[Located]:
    """Give the items; collections go in on the way, and what cannot be read into the report."""
    for each in found:
        if isinstance(each, Rejected):
            report.rejected.append(each)
        elif isinstance(each.document, dict) and _is_collection(each.document):
            if collection is None or each.document.get("id") == collection:
                _take_collection(each, catalog, report)
        else:
            yield each


def _is_collection(document: dict[str, Any]) -> bool:
    kind = document.get("type")
    return kind == "Collection" or (kind is None and "extent" in document and "license" in document)


def _take_collection(each: Located, catalog: SqliteCatalog, report: IngestReport) -> None:
    try:
        catalog.upsert_collection(each.document, base=each.base)
        report.collections.append(each.document["id"])
    except InputError as error:
        report.rejected.append(Rejected(str(each.document.get("id", each.base)), error.what))


def _is_wanted(row: ItemRow, area: BBox | None, interval: Interval | None) -> bool:
    if interval is not None and interval.end is not None and row.start_us > microseconds(interval.end):
        return False
    if interval is not None and interval.start is not None and row.end_us < microseconds(interval.start):
        return False
    return area is None or any(
        west <= east2 and east >= west2 and south <= north2 and north >= south2
        for west, south, east, north in row.boxes
        for west2, south2, east2, north2 in area.parts()
    )
