"""How a search is done: which index finds the items, whether they are sorted or an index is run along."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.catalog.searching.cql2 import compile_filter, spatial_parts
from swath.catalog.searching.order import Order, Segment
from swath.catalog.searching.sql import Values
from swath.model import BBox, microseconds

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from swath.catalog.searching.query import Query

DAY_US = 86_400_000_000
"""Microseconds of a day; the R*Tree keeps days, as its numbers have 24 bits."""
_MOST_PARTS = 32
_INDEXES = {
    "items.id": "items_id",
    "items.collection": "items_key",
    "items.cloud_cover": "items_cloud",
    "items.created_us": "items_created",
    "items.updated_us": "items_updated",
}

Part = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT of the plan."""

    sql: str
    """Gives pk, then the order's values."""
    values: dict[str, Any]
    """What it binds."""


class Plan:
    """One search on one state of the catalog.

    Parameters
    ----------
    connection : sqlite3.Connection
        In a transaction.
    query : Query
        What is searched.
    limit : int
        How many items are wanted; decides which way is the shortest.
    """

    def __init__(self, connection: sqlite3.Connection, query: Query, limit: int) -> None:
        self._connection = connection
        self._query = query
        self.order = Order(query.sortby)
        self.values = Values()
        self._conditions = self._all_conditions()
        self._limit = limit

    def statements(self, after: Sequence[Any] | None) -> Iterator[Statement]:
        """Give the statements whose rows, one after the other, are the items in order."""
        source = self._gathered() or self._by_property()
        if source is not None:
            segments = [self.order.whole(self.values, after)]
            if "INDEXED BY" in source or "items ON items.pk = documents.pk" in source:
                segments = self.order.segments(self.values, after)
        else:
            source = f"items INDEXED BY {self._running_index()}"
            segments = self.order.segments(self.values, after)
        for segment in segments:
            yield self._statement(source, segment)

    def count_statement(self) -> Statement:
        """Give the statement that counts the items, or gives their keys where geometries decide."""
        source = self._gathered() or "items"
        selected = "items.pk" if self._query.intersects else "count(*)"
        sql = f"SELECT {selected} FROM {self._with_documents(source)}{_where(self._conditions)}"
        return Statement(sql, self.values.held)

    def _statement(self, source: str, segment: Segment) -> Statement:
        where = _where([*self._conditions, *([segment.where] if segment.where else [])])
        sql = (
            f"SELECT items.pk, {self.order.selected} FROM {self._with_documents(source)}{where} "
            f"ORDER BY {segment.by}"
        )
        return Statement(sql, self.values.held)

    def _with_documents(self, source: str) -> str:
        asked = self.order.needs_documents or any("documents." in each for each in self._conditions)
        if "documents" in source or not asked:
            return source
        return f"{source} CROSS JOIN documents ON documents.pk = items.pk"

    def _all_conditions(self) -> list[str]:
        query, bind, names = self._query, self.values.bind, self._query.collections
        out = []
        if query.ids is not None:
            out.append(f"items.id IN (SELECT value FROM json_each({bind(json.dumps(query.ids))}))")
        if names is not None:
            if len(names) == 1:
                out.append(f"items.collection = {bind(names[0])}")
            else:
                out.append(f"items.collection IN (SELECT value FROM json_each({bind(json.dumps(names))}))")
        if query.bbox is not None:
            out.append(_touches(query.bbox, self.values))
        if query.intersects is not None:
            out.append(_touches(_bounds_of(query.intersects), self.values))
        out += self._time_conditions()
        if query.filter is not None:
            out.append(compile_filter(query.filter, self.values))
        return out

    def _time_conditions(self) -> list[str]:
        interval = self._query.interval
        out: list[str] = []
        if interval is None:
            return out
        if interval.end is not None:
            out.append(f"items.start_us <= {self.values.bind(microseconds(interval.end))}")
        if interval.start is not None:
            start = microseconds(interval.start)
            out.append(f"items.end_us >= {self.values.bind(start)}")
            longest = self._connection.execute(
                "SELECT max(end_us - start_us) FROM items WHERE end_us > start_us"
            ).fetchone()[0]
            out.append(f"items.start_us >= {self.values.bind(start - (longest or 0))}")
        return out

    def _gathered(self) -> str | None:
        """Give the source that holds all candidates, when they are so few that sorting them is quick."""
        if self._query.ids is not None:
            return "items INDEXED BY items_id" if self.order.first == "items.id" else "items"
        most = self._most_candidates()
        best: tuple[int, str] | None = None
        for inner, source in self._candidates():
            sql = f"SELECT count(*) FROM (SELECT 1 FROM {inner} LIMIT {most + 1})"
            count = self._connection.execute(sql, self.values.held).fetchone()[0]
            if count <= most and (best is None or count < best[0]):
                best = (count, source)
        return best and best[1]

    def _most_candidates(self) -> int:
        """Balance sorting n candidates (3 us each) with running along an index until the page is full.

        With N items in all, the index gives N/n rows (0.4 us each) for each one that fits.
        """
        total = self._connection.execute("SELECT max(pk) FROM items").fetchone()[0] or 0
        if self.order.first == "items.start_us":
            total *= self._share_of_time()
        most = 0.5 * math.sqrt(self._limit * total)
        if self._query.filter is not None:
            most *= 6  # less fits, so that running along takes longer
        return int(max(300, most))

    def _share_of_time(self) -> float:
        """Estimate which share of all items lies in the asked interval, if they come evenly."""
        interval = self._query.interval
        first, last = (
            self._connection.execute(f"SELECT {which}(start_us) FROM items").fetchone()[0]
            for which in ("min", "max")
        )
        if interval is None or first is None or first == last:
            return 1.0
        start = first if interval.start is None else max(first, microseconds(interval.start))
        end = last if interval.end is None else min(last, microseconds(interval.end))
        return max(0.0, float(end - start) / float(last - first))

    def _candidates(self) -> Iterator[tuple[str, str]]:
        for parts in self._places():
            inner = " UNION ALL ".join(
                f"SELECT id >> 1 AS pk FROM boxes WHERE {self._in_tree(part)}" for part in parts
            )
            yield (
                f"({inner})",
                f"(SELECT DISTINCT pk FROM ({inner})) AS found CROSS JOIN items ON items.pk = found.pk",
            )
        if self._query.collections is not None and len(self._query.collections) > 1:
            named = self.values.bind(json.dumps(self._query.collections))
            inner = f"items INDEXED BY items_key WHERE collection IN (SELECT value FROM json_each({named}))"
            yield inner, f"(SELECT pk FROM {inner}) AS found CROSS JOIN items ON items.pk = found.pk"
        elif self._query.collections and self.order.first not in ("items.start_us", "items.collection"):
            name = self.values.bind(self._query.collections[0])
            inner = f"items INDEXED BY items_key WHERE collection = {name}"
            yield inner, f"(SELECT pk FROM {inner}) AS found CROSS JOIN items ON items.pk = found.pk"
        if self._query.interval is not None and self.order.first != "items.start_us":
            times = " AND ".join(each for each in self._time_conditions() if "start_us" in each)
            if times:
                inner = f"items INDEXED BY items_time WHERE {times}"
                yield inner, f"(SELECT pk FROM {inner}) AS found CROSS JOIN items ON items.pk = found.pk"

    def _places(self) -> Iterator[list[Part]]:
        """Give the boxes that every item of the answer must touch, from each parameter that has some."""
        if self._query.bbox is not None:
            yield list(self._query.bbox.parts())
        texts = [self._query.intersects] if self._query.intersects else []
        if self._query.filter is not None:
            texts += spatial_parts(self._query.filter)
        for text in texts:
            yield _parts_of(text)

    def _in_tree(self, part: Part) -> str:
        bind = self.values.bind
        west, south, east, north = (bind(float(each)) for each in part)
        out = f"west <= {east} AND east >= {west} AND south <= {north} AND north >= {south}"
        interval = self._query.interval
        if interval is not None and interval.end is not None:
            out += f" AND first_day <= {bind(microseconds(interval.end) / DAY_US)}"
        if interval is not None and interval.start is not None:
            out += f" AND last_day >= {bind(microseconds(interval.start) / DAY_US)}"
        return out

    def _by_property(self) -> str | None:
        """Give the source for an order by a property without a column: its own index where it has one."""
        if not self.order.first.startswith("json_extract"):
            return None
        known = self._connection.execute(
            "SELECT 1 FROM sqlite_master WHERE tbl_name = 'documents' AND sql LIKE ? ESCAPE '\\'",
            ["%(" + _escaped(self.order.first.replace("documents.", "")) + ")%"],
        ).fetchone()
        if known:
            return "documents CROSS JOIN items ON items.pk = documents.pk"
        return "items"

    def _running_index(self) -> str:
        if self.order.first == "items.start_us":
            one = self._query.collections is not None and len(self._query.collections) == 1
            return "items_collection_time" if one else "items_time"
        return _INDEXES[self.order.first]


def _where(conditions: Sequence[str]) -> str:
    return " WHERE " + " AND ".join(conditions) if conditions else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _touches(bbox: BBox, values: Values) -> str:
    """Give the condition that an item's box touches another; either may cross the antimeridian."""
    west, south, east, north = (values.bind(float(each)) for each in bbox.to_list())
    beside = f"items.west <= {east}", f"items.east >= {west}"
    plain = " OR ".join(beside) if bbox.crosses_antimeridian else " AND ".join(beside)
    crossing = "1" if bbox.crosses_antimeridian else " OR ".join(beside)
    return (
        f"items.south <= {north} AND items.north >= {south} AND "
        f"CASE WHEN items.west <= items.east THEN ({plain}) ELSE ({crossing}) END"
    )


def _bounds_of(text: str) -> BBox:
    import shapely

    return BBox(*(float(each) for each in shapely.bounds(shapely.from_geojson(text))))


def _parts_of(text: str) -> list[Part]:
    import shapely

    geometry = shapely.from_geojson(text)
    parts = [each.bounds for each in shapely.get_parts(geometry) if not each.is_empty]
    return parts if len(parts) <= _MOST_PARTS else [geometry.bounds]
