"""Rows written into the catalog's tables, inside a transaction that someone else holds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from swath.catalog.embedded.made import minimal_collection, widened_extent
from swath.catalog.searching.plan import DAY_US

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from swath.catalog.intake.prepare import ItemRow

_INSERT_ITEM = (
    "INSERT OR REPLACE INTO items (pk, collection, id, start_us, end_us, instant_us, west, south, "
    "east, north, cloud_cover, created_us, updated_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def write_rows(connection: sqlite3.Connection, rows: Sequence[ItemRow]) -> tuple[int, int]:
    """Write rows; an item that is there keeps its key. Gives how many are new, how many not."""
    latest = {(row.collection, row.id): row for row in rows}
    following = (connection.execute("SELECT max(pk) FROM items").fetchone()[0] or 0) + 1
    keyed: list[tuple[int, ItemRow]] = []
    replaced: list[int] = []
    find = "SELECT pk FROM items WHERE collection = ? AND id = ?"
    for key, row in latest.items():
        held = connection.execute(find, key).fetchone()
        if held is None:
            keyed.append((following, row))
            following += 1
        else:
            keyed.append((held[0], row))
            replaced.append(held[0])
    connection.executemany("DELETE FROM boxes WHERE id IN (? * 2, ? * 2 + 1)", ((pk, pk) for pk in replaced))
    connection.executemany(_INSERT_ITEM, (_columns(pk, row) for pk, row in keyed))
    connection.executemany(
        "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)",
        ((pk, row.properties, row.geometry, row.rest) for pk, row in keyed),
    )
    connection.executemany("INSERT INTO boxes VALUES (?, ?, ?, ?, ?, ?, ?)", _boxes(keyed))
    return len(keyed) - len(replaced), len(replaced)


def _columns(pk: int, row: ItemRow) -> tuple[Any, ...]:
    box = row.box or (None,) * 4
    return (
        pk, row.collection, row.id, row.start_us, row.end_us, row.instant_us, *box,
        row.cloud_cover, row.created_us, row.updated_us,
    )  # fmt: skip


def _boxes(keyed: Iterable[tuple[int, ItemRow]]) -> Iterator[tuple[float, ...]]:
    for pk, row in keyed:
        for at, (west, south, east, north) in enumerate(row.boxes):
            yield (2 * pk + at, west, east, south, north, row.start_us / DAY_US, row.end_us / DAY_US)


def write_collections(connection: sqlite3.Connection, rows: Sequence[ItemRow]) -> list[str]:
    """Make the collections that items name and that are missing; widen those that were made so."""
    grouped: dict[str, list[ItemRow]] = {}
    for row in rows:
        grouped.setdefault(row.collection, []).append(row)
    made = []
    for name, theirs in grouped.items():
        held = connection.execute("SELECT made, body FROM collections WHERE id = ?", [name]).fetchone()
        if held is None:
            body = minimal_collection(name, theirs)
            made.append(name)
        elif held[0]:
            body = json.loads(held[1])
            body["extent"] = widened_extent(body["extent"], theirs)
        else:
            continue
        connection.execute("INSERT OR REPLACE INTO collections VALUES (?, 1, ?)", [name, json.dumps(body)])
    return made


def delete_found(connection: sqlite3.Connection, select: str, values: list[Any]) -> int:
    """Remove the items whose keys a statement gives; tells how many there were."""
    keys = [pk for (pk,) in connection.execute(select, values)]
    connection.executemany("DELETE FROM boxes WHERE id IN (? * 2, ? * 2 + 1)", ((pk, pk) for pk in keys))
    for table in ("documents", "items"):
        connection.executemany(f"DELETE FROM {table} WHERE pk = ?", ((pk,) for pk in keys))
    return len(keys)
