"""What is searched for: parameters as people give them, checked and made one frozen value."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.catalog.geometry import parse_geometry
from swath.catalog.searching.cql2 import parse_filter
from swath.catalog.searching.fields import Fields, parse_fields
from swath.catalog.searching.order import SortKey, fingerprint, parse_sortby
from swath.model import BBox, InputError, Interval, format_instant, parse_bbox, parse_interval

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

PAGE_LIMIT = 10_000
"""The most items that a page may have."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search, without its paging."""

    ids: tuple[str, ...] | None = None
    """Only these items; None: all."""
    collections: tuple[str, ...] | None = None
    """Only of these collections; None: all."""
    bbox: BBox | None = None
    """Items whose box touches this one."""
    intersects: str | None = None
    """GeoJSON text: items whose geometry meets it."""
    interval: Interval | None = None
    """Items whose time overlaps it."""
    filter: dict[str, Any] | bool | None = None
    """CQL2 as JSON."""
    sortby: tuple[SortKey, ...] = ()
    """The order; empty: the newest first."""
    fields: Fields | None = None
    """Parts of items to give; None: whole items."""

    @property
    def mark(self) -> str:
        """A sum of all that decides which items come in which order."""
        return fingerprint(
            [self.ids, self.collections, self.bbox and self.bbox.to_list(), self.intersects,
             str(self.interval), self.filter, [key.to_dict() for key in self.sortby]]
        )  # fmt: skip


def parse_query(
    *,
    ids: Iterable[str] | str | None = None,
    collections: Iterable[str] | str | None = None,
    bbox: Any = None,
    intersects: Any = None,
    datetime: Any = None,
    filter: Any = None,
    filter_lang: str | None = None,
    sortby: Any = None,
    fields: Any = None,
) -> Query:
    """Check the parameters of a search; ``Catalog.search`` tells what each may be.

    Examples
    --------
    >>> parse_query(collections="s2", datetime="2020").collections
    ('s2',)
    """
    if bbox is not None and intersects is not None:
        raise InputError("search: bbox and intersects are both given", fix="give one of them")
    return Query(
        ids=_names("ids", ids),
        collections=_names("collections", collections),
        bbox=None if bbox is None else bbox if isinstance(bbox, BBox) else parse_bbox(bbox),
        intersects=None if intersects is None else _geojson(intersects),
        interval=None if datetime is None else parse_datetime(datetime),
        filter=None if filter is None else parse_filter(filter, filter_lang),
        sortby=() if sortby is None else parse_sortby(sortby),
        fields=None if fields is None else parse_fields(fields),
    )


def _names(what: str, value: Iterable[str] | str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    names = [each.strip() for each in value.split(",")] if isinstance(value, str) else list(value)
    for each in names:
        if not isinstance(each, str):
            raise InputError(f"search: {what} are texts, got {each!r}")
    return tuple(dict.fromkeys(names))


def _geojson(value: Any) -> str:
    from shapely import to_geojson

    return str(to_geojson(parse_geometry(value)))


def parse_datetime(value: Any) -> Interval:
    """Read an interval from a text, an Interval, a datetime, or a pair of datetimes or texts.

    Examples
    --------
    >>> str(parse_datetime(["2019", None]))
    '2019-01-01T00:00:00Z/..'
    """
    if isinstance(value, Interval):
        return value
    if isinstance(value, str):
        return parse_interval(value)
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return parse_interval("/".join(_end(each) for each in value))
    return parse_interval(_end(value))


def _end(value: dt.datetime | dt.date | str | None) -> str:
    import datetime as dt

    if value is None:
        return ".."
    if isinstance(value, dt.datetime):
        return format_instant(value if value.tzinfo else value.replace(tzinfo=dt.UTC))
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str):
        return value
    raise InputError(f"datetime: {value!r} is not a date or time", fix="write it like 2018/2020")


def check_limit(what: str, value: Any, largest: int | None = None) -> None:
    """Refuse a count that is none.

    Raises
    ------
    InputError
        Below 1, or above ``largest``.
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"search: {what} is 1 or more, got {value!r}")
    if largest is not None and value > largest:
        raise InputError(
            f"search: {what} is at most {largest}, got {value}", fix="take the next page instead"
        )


def to_parameters(query: Query) -> dict[str, Any]:
    """Write a search as the body of a STAC API request."""
    body: dict[str, Any] = {}
    if query.ids is not None:
        body["ids"] = list(query.ids)
    if query.collections is not None:
        body["collections"] = list(query.collections)
    if query.bbox is not None:
        body["bbox"] = query.bbox.to_list()
    if query.intersects is not None:
        body["intersects"] = json.loads(query.intersects)
    if query.interval is not None:
        body["datetime"] = str(query.interval)
    if query.filter is not None:
        body["filter"], body["filter_lang"] = query.filter, "cql2-json"
    if query.sortby:
        body["sortby"] = [key.to_dict() for key in query.sortby]
    if query.fields is not None:
        body["fields"] = {
            "include": [".".join(each) for each in query.fields.include],
            "exclude": [".".join(each) for each in query.fields.exclude],
        }
    return body
