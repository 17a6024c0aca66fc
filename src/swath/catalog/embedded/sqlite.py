"""The embedded catalog: STAC in one SQLite file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from swath.catalog.embedded.database import Database
from swath.catalog.embedded.tables import delete_found, write_collections, write_rows
from swath.catalog.intake.prepare import ItemRow, item_of, prepare_collection, prepare_items
from swath.catalog.protocol import IngestReport
from swath.catalog.search import Page, Search
from swath.catalog.searching.order import Order, format_token, parse_token
from swath.catalog.searching.plan import Plan
from swath.catalog.searching.query import Query, parse_query
from swath.catalog.searching.sql import json_value, property_name
from swath.model import InputError, NotFoundError, nearest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from swath.catalog.searching.plan import Statement

_CHUNK = 256
"""Rows whose geometries are tested together."""


class SqliteCatalog:
    """A catalog in one SQLite file: many readers, and one writer at a time, in any number of processes.

    Parameters
    ----------
    path : Path or str
        The file.
    create : bool
        Make it where it is missing.
    journal : {"", "wal", "delete"}
        How SQLite keeps changes safe; empty: ``wal``, or ``delete`` on a network file system.
    timeout_s : float
        How long to wait while another process writes.

    Raises
    ------
    NotFoundError
        There is no such file, and ``create`` is False.
    CatalogError
        It is damaged, or no catalog.
    """

    def __init__(
        self, path: Path | str, *, create: bool = False, journal: str = "", timeout_s: float = 60.0
    ) -> None:
        self._db = Database(Path(path), create=create, journal=journal, timeout_s=timeout_s)

    @property
    def location(self) -> str:
        """Path of the file."""
        return str(self._db.path)

    @property
    def journal(self) -> str:
        """The journal in use: ``wal`` or ``delete``."""
        return self._db.journal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ---- reading

    def collections(self) -> list[dict[str, Any]]:
        """Give all collections, by id."""
        with self._db.reading() as connection:
            rows = connection.execute("SELECT body FROM collections ORDER BY id").fetchall()
        return [json.loads(body) for (body,) in rows]

    def get_collection(self, collection: str) -> dict[str, Any]:
        """Give one collection.

        Raises
        ------
        NotFoundError
            There is none of that id; the nearest is named.
        """
        with self._db.reading() as connection:
            row = connection.execute("SELECT body FROM collections WHERE id = ?", [collection]).fetchone()
            if row is None:
                raise self._unknown(connection, collection)
        body: dict[str, Any] = json.loads(row[0])
        return body

    def get_item(self, collection: str, item: str) -> dict[str, Any]:
        """Give one item.

        Raises
        ------
        NotFoundError
            There is no such collection, or no such item in it.
        """
        with self._db.reading() as connection:
            held = _document(connection, collection, item)
            if held is None:
                self._check_collections(connection, (collection,))
                raise NotFoundError(f"catalog: collection {collection!r} has no item {item!r}")
        return held

    def search(
        self,
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
        limit: int = 100,
        max_items: int | None = None,
        token: str | None = None,
    ) -> Search:
        """Search items; see ``Catalog.search``."""
        query = parse_query(
            ids=ids, collections=collections, bbox=bbox, intersects=intersects, datetime=datetime,
            filter=filter, filter_lang=filter_lang, sortby=sortby, fields=fields,
        )  # fmt: skip
        if query.collections:
            with self._db.reading() as connection:
                self._check_collections(connection, query.collections)
        if token is not None:
            parse_token(token, query.mark, Order(query.sortby).width)
        return Search(self, query, limit=limit, max_items=max_items, token=token)

    def page(self, query: Query, *, limit: int, token: str | None) -> Page:
        """Give one page of a search; its items are of one state of the catalog."""
        mark = query.mark
        with self._db.reading() as connection:
            plan = Plan(connection, query, limit)
            after = None if token is None else parse_token(token, mark, plan.order.width)
            rows = self._first(connection, plan, query, after, limit + 1)
            items = self._documents(connection, [row[0] for row in rows[:limit]])
        more = len(rows) > limit
        following = format_token(mark, rows[limit - 1][1 : 1 + plan.order.width]) if more else None
        if query.fields is not None:
            items = [query.fields.apply(item) for item in items]
        return Page(items, following)

    def matched(self, query: Query) -> int:
        """Count the items of a search."""
        with self._db.reading() as connection:
            statement = Plan(connection, query, 1000).count_statement()
            cursor = connection.execute(statement.sql, statement.values)
            if query.intersects is None:
                return int(cursor.fetchone()[0])
            return sum(1 for _ in _meeting(connection, cursor, query.intersects))

    def count(self, collection: str | None = None) -> int:
        """Count the items, of one collection or of all."""
        with self._db.reading() as connection:
            if collection is None:
                return int(connection.execute("SELECT count(*) FROM items").fetchone()[0])
            self._check_collections(connection, (collection,))
            sql = "SELECT count(*) FROM items WHERE collection = ?"
            return int(connection.execute(sql, [collection]).fetchone()[0])

    def _first(
        self,
        connection: sqlite3.Connection,
        plan: Plan,
        query: Query,
        after: Sequence[Any] | None,
        count: int,
    ) -> list[Sequence[Any]]:
        rows: list[Sequence[Any]] = []
        for statement in plan.statements(after):
            rows += _some(connection, statement, query.intersects, count - len(rows))
            if len(rows) >= count:
                break
        return rows

    def _documents(self, connection: sqlite3.Connection, keys: list[int]) -> list[dict[str, Any]]:
        sql = "SELECT pk, properties, rest FROM documents WHERE pk IN (SELECT value FROM json_each(?))"
        held = {
            pk: (properties, rest) for pk, properties, rest in connection.execute(sql, [json.dumps(keys)])
        }
        return [item_of(*held[pk]) for pk in keys]

    def _check_collections(self, connection: sqlite3.Connection, names: Iterable[str]) -> None:
        for name in names:
            if connection.execute("SELECT 1 FROM collections WHERE id = ?", [name]).fetchone() is None:
                raise self._unknown(connection, name)

    def _unknown(self, connection: sqlite3.Connection, name: str) -> NotFoundError:
        known = nearest(name, (each for (each,) in connection.execute("SELECT id FROM collections")))
        if not known:
            return NotFoundError(
                f"catalog: there is no collection {name!r}; {self.location} is empty",
                fix="fill it with `swath catalog ingest SOURCE`",
            )
        return NotFoundError(
            f"catalog: there is no collection {name!r}", fix=f"did you mean {known[0]!r}?", known=known
        )

    # ---- writing

    def upsert_items(
        self, items: Iterable[Any], collection: str | None = None, *, base: str = ""
    ) -> IngestReport:
        """Add or replace items in one transaction.

        Parameters
        ----------
        items : iterable of dict or pystac.Item
            Those that are not valid are reported; the others go in.
        collection : str, optional
            Put them into this collection, whatever they say.
        base : str
            What relative hrefs refer to: a path or URL of a document; the working folder unless given.
        """
        dicts = (_as_dict(each) if hasattr(each, "to_dict") else each for each in items)
        rows, rejected = prepare_items(dicts, base=base, collection=collection)
        report = self.write_rows(rows)
        report.rejected = rejected
        return report

    def write_rows(self, rows: Sequence[ItemRow]) -> IngestReport:
        """Add or replace prepared items in one transaction."""
        report = IngestReport()
        if rows:
            with self._db.writing() as connection:
                report.added, report.updated = write_rows(connection, rows)
                report.collections = write_collections(connection, rows)
        return report

    def upsert_collection(self, collection: Any, *, base: str = "") -> bool:
        """Add or replace a collection; True when it is new.

        Raises
        ------
        InputError
            It is no valid STAC collection.
        """
        document = prepare_collection(
            collection if isinstance(collection, dict) else _as_dict(collection), base=base
        )
        with self._db.writing() as connection:
            known = connection.execute("SELECT 1 FROM collections WHERE id = ?", [document["id"]]).fetchone()
            connection.execute(
                "INSERT OR REPLACE INTO collections VALUES (?, 0, ?)", [document["id"], json.dumps(document)]
            )
        return known is None

    def change_item(
        self, collection: str, item: str, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> dict[str, Any] | None:
        """Replace an item by what a function makes of it, with nobody writing in between.

        Returns
        -------
        dict or None
            The item as it is then; None where it is not there.

        Raises
        ------
        InputError
            It is no valid item any more; the one that was there stays.
        """
        with self._db.writing() as connection:
            held = _document(connection, collection, item)
            if held is None:
                return None
            changed = change(held)
            rows, rejected = prepare_items([changed], base="", collection=collection)
            if rejected:
                raise InputError(f"catalog: item {item!r} would not be valid: {rejected[0].reason}")
            write_rows(connection, rows)
        return changed

    def delete_items(self, collection: str, ids: Iterable[str]) -> int:
        """Remove items; gives how many there were."""
        with self._db.writing() as connection:
            self._check_collections(connection, (collection,))
            return delete_found(
                connection,
                "SELECT pk FROM items WHERE collection = ? AND id IN (SELECT value FROM json_each(?))",
                [collection, json.dumps(list(ids))],
            )

    def delete_collection(self, collection: str) -> int:
        """Remove a collection and its items; gives how many items there were."""
        with self._db.writing() as connection:
            self._check_collections(connection, (collection,))
            count = delete_found(connection, "SELECT pk FROM items WHERE collection = ?", [collection])
            connection.execute("DELETE FROM collections WHERE id = ?", [collection])
        return count

    def index_property(self, name: str) -> None:
        """Keep an index of a property, so that sorting by it is quick.

        Parameters
        ----------
        name : str
            As in ``sortby``: ``view:sun_elevation``.
        """
        value = json_value(property_name(name)).replace("documents.", "")
        quoted = '"by ' + property_name(name) + '"'
        with self._db.writing() as connection:
            connection.execute(f"CREATE INDEX IF NOT EXISTS {quoted} ON documents ({value})")


def _document(connection: sqlite3.Connection, collection: str, item: str) -> dict[str, Any] | None:
    row = connection.execute(
        "SELECT properties, rest FROM items JOIN documents USING (pk) WHERE collection = ? AND id = ?",
        [collection, item],
    ).fetchone()
    return None if row is None else item_of(*row)


def _some(
    connection: sqlite3.Connection, statement: Statement, intersects: str | None, count: int
) -> list[Sequence[Any]]:
    if intersects is None:
        return connection.execute(f"{statement.sql} LIMIT {count}", statement.values).fetchall()
    rows: list[Sequence[Any]] = []
    for row in _meeting(connection, connection.execute(statement.sql, statement.values), intersects):
        rows.append(row)
        if len(rows) == count:
            break
    return rows


def _meeting(connection: sqlite3.Connection, cursor: sqlite3.Cursor, text: str) -> Iterator[Sequence[Any]]:
    """Give the rows (pk first) of the items whose geometry meets another, in their order."""
    import shapely

    wanted = shapely.from_geojson(text)
    shapely.prepare(wanted)
    sql = "SELECT pk, geometry FROM documents WHERE pk IN (SELECT value FROM json_each(?))"
    count = 32
    while rows := cursor.fetchmany(count):
        held = dict(connection.execute(sql, [json.dumps([row[0] for row in rows])]).fetchall())
        hits = shapely.intersects(wanted, shapely.from_wkb([held[row[0]] for row in rows]))
        yield from (row for row, hit in zip(rows, hits, strict=True) if hit)
        count = _CHUNK


def _as_dict(document: Any) -> dict[str, Any]:
    """Give a pystac object's JSON, its hrefs as they are."""
    out: dict[str, Any] = document.to_dict(include_self_link=True, transform_hrefs=False)
    return out
