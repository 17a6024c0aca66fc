"""The ledger of orders: one SQLite file that lets one process make what several ask for.

An order has one owner, who makes it. The owner says every few seconds that it is there; whoever finds that
it is not, becomes the owner and goes on with the same job folder.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import sqlite3
import threading
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from swath.model import CatalogError
from swath.sites import is_alive, own_handle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BEAT_S = 5.0
"""How often an owner says that it is there."""
SILENT_S = 60.0
"""After this long without a word an owner on another machine counts as gone."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, catalog TEXT NOT NULL, collection TEXT NOT NULL, item TEXT NOT NULL,
  recipe TEXT NOT NULL, folder TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL, beat INTEGER NOT NULL,
  asked REAL NOT NULL, used REAL NOT NULL, ended REAL NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  assets TEXT NOT NULL DEFAULT '{}', message TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS holds (id TEXT NOT NULL, job TEXT NOT NULL, PRIMARY KEY (id, job));
"""
_COLUMNS = (
    "id", "catalog", "collection", "item", "recipe", "folder", "state", "owner", "beat", "asked", "used",
    "ended", "bytes", "assets", "message",
)  # fmt: skip


class OrderState(StrEnum):
    """Where an order stands."""

    MAKING = "making"
    MADE = "made"
    FAILED = "failed"
    DROPPING = "dropping"


@dataclass(frozen=True, slots=True)
class OrderKey:
    """What is ordered."""

    id: str
    """Sum of all that decides what is made, and of the item it is for."""
    catalog: str
    """The catalog: the name of its file, or its address."""
    collection: str
    """Collection of the item."""
    item: str
    """The item."""
    recipe: str
    """Name of the recipe."""
    folder: str
    """The job folder that it is made in, and stays in."""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """What the ledger holds of an order."""

    key: OrderKey
    """What is ordered."""
    state: OrderState
    """Where it stands."""
    owner: str
    """Who makes or drops it: host, process, and a random part; empty where nobody does."""
    beat: int
    """Grows while the owner is there."""
    asked: float
    """When it was asked for first, seconds since 1970."""
    used: float
    """When it was asked for last, seconds since 1970."""
    ended: float
    """When it was made or has failed, seconds since 1970."""
    bytes: int
    """Size of its folder."""
    assets: dict[str, Any]
    """The assets, as the item has them."""
    message: str
    """Why it has failed."""


class Ledger:
    """Who makes what, what there is, and when it was used last; safe with several processes.

    Parameters
    ----------
    path : Path
        The file; made when it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: dict[str, tuple[str, int, float]] = {}
        """Owner and beat of orders of other machines, and when that was first seen, by this one's clock."""

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
            try:
                connection.executescript(_SCHEMA)
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            finally:
                connection.close()
        except (sqlite3.DatabaseError, OSError) as error:
            raise CatalogError(
                f"orders: the ledger {str(self.path)!r} cannot be used ({error})",
                fix="look at its folder's permissions; a damaged file may be moved away",
            ) from error

    # -- making ---------------------------------------------------------------------------------------

    def claim(self, key: OrderKey, owner: str, *, since: float) -> tuple[bool, OrderRow]:
        """Become the owner of an order that nobody makes and that is not there.

        Parameters
        ----------
        key : OrderKey
            What is ordered.
        owner : str
            Who asks; see `Owner`.
        since : float
            When it was asked for: what has failed after that, has failed for this one too, and is not
            tried again.

        Returns
        -------
        is_mine : bool
            True: it is to be made, now, by who asks.
        row : OrderRow
            How it stands; of one that was taken over, how it stood before.
        """
        with self._open() as connection:
            row = self._row(connection, key.id)
            now = time.time()
            if row is None:
                values = (key.id, key.catalog, key.collection, key.item, key.recipe, key.folder)
                connection.execute(
                    "INSERT INTO orders (id, catalog, collection, item, recipe, folder, state, owner, beat, "
                    "asked, used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
                    (*values, OrderState.MAKING, owner, now, now),
                )
                return True, OrderRow(key, OrderState.MAKING, owner, 1, now, now, 0.0, 0, {}, "")
            connection.execute("UPDATE orders SET used = ? WHERE id = ?", (now, key.id))
            is_free = row.state is OrderState.FAILED and row.ended < since
            is_left = row.state in (OrderState.MAKING, OrderState.DROPPING) and not self._is_there(row)
            if is_free or is_left:
                connection.execute(
                    "UPDATE orders SET state = ?, owner = ?, beat = beat + 1, message = '' WHERE id = ?",
                    (OrderState.MAKING, owner, key.id),
                )
                return True, row
            return False, replace(row, used=now)

    def _is_there(self, row: OrderRow) -> bool:
        """Tell whether the owner of an order is at work: its process here, its word from elsewhere."""
        if not row.owner:
            return False
        host, _, rest = row.owner.partition("/")
        if host == socket.gethostname():
            return is_alive(rest.partition("/")[0])
        known = self._seen.get(row.key.id)
        if known is None or known[:2] != (row.owner, row.beat):
            self._seen[row.key.id] = (row.owner, row.beat, time.monotonic())
            return True
        return time.monotonic() - known[2] < SILENT_S

    def beat(self, owner: str) -> None:
        """Say that an owner is there."""
        with self._open() as connection:
            connection.execute("UPDATE orders SET beat = beat + 1 WHERE owner = ?", (owner,))

    def finish(self, id: str, owner: str, *, assets: dict[str, Any], size: int) -> bool:
        """Note that an order is made; False where another owner has taken it over meanwhile."""
        with self._open() as connection:
            now = time.time()
            done = connection.execute(
                "UPDATE orders SET state = ?, owner = '', ended = ?, used = ?, bytes = ?, assets = ? "
                "WHERE id = ? AND owner = ?",
                (OrderState.MADE, now, now, size, json.dumps(assets), id, owner),
            )
            return done.rowcount == 1

    def fail(self, id: str, owner: str, message: str) -> None:
        """Note that an order has failed; the next who asks may try again."""
        with self._open() as connection:
            connection.execute(
                "UPDATE orders SET state = ?, owner = '', ended = ?, message = ? WHERE id = ? AND owner = ?",
                (OrderState.FAILED, time.time(), message, id, owner),
            )

    def release(self, owner: str) -> None:
        """Let go of all that an owner has not made; who asks next goes on with it."""
        with self._open() as connection:
            connection.execute("UPDATE orders SET owner = '' WHERE owner = ?", (owner,))

    def touch(self, ids: Iterable[str]) -> set[str]:
        """Note that what is made is used; from then on it stays for a while.

        Returns
        -------
        set of str
            Those that are made, and that nobody drops just now.
        """
        with self._open() as connection:
            found = connection.execute(
                "UPDATE orders SET used = ? WHERE state = ? AND id IN (SELECT value FROM json_each(?)) "
                "RETURNING id",
                (time.time(), OrderState.MADE, json.dumps(list(ids))),
            )
            return {each for (each,) in found}

    # -- keeping --------------------------------------------------------------------------------------

    def hold(self, ids: Iterable[str], job: str) -> None:
        """Keep what a job reads until it has ended.

        Parameters
        ----------
        ids : iterable of str
            Orders.
        job : str
            The job's folder.
        """
        with self._open() as connection:
            connection.executemany("INSERT OR IGNORE INTO holds VALUES (?, ?)", ((each, job) for each in ids))

    def holds(self) -> dict[str, set[str]]:
        """Give the folders of the jobs that read what was made, by order."""
        found: dict[str, set[str]] = {}
        with self._open() as connection:
            for id, job in connection.execute("SELECT id, job FROM holds"):
                found.setdefault(id, set()).add(job)
        return found

    def let_go(self, job: str) -> None:
        """Forget that a job reads anything."""
        with self._open() as connection:
            connection.execute("DELETE FROM holds WHERE job = ?", (job,))

    def drop(self, row: OrderRow, owner: str) -> bool:
        """Begin to drop what was made; False where somebody has asked for it meanwhile."""
        with self._open() as connection:
            done = connection.execute(
                "UPDATE orders SET state = ?, owner = ? WHERE id = ? AND state = ? AND used = ?",
                (OrderState.DROPPING, owner, row.key.id, row.state, row.used),
            )
            return done.rowcount == 1

    def forget(self, id: str, owner: str) -> None:
        """Remove an order that its owner has dropped."""
        with self._open() as connection:
            connection.execute("DELETE FROM orders WHERE id = ? AND owner = ?", (id, owner))
            connection.execute("DELETE FROM holds WHERE id = ?", (id,))

    # -- looking --------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Tell whether anything was ever ordered."""
        return self.path.exists()

    def rows(self) -> list[OrderRow]:
        """Give all orders; what was not used for longest comes first."""
        with self._open() as connection:
            sql = f"SELECT {', '.join(_COLUMNS)} FROM orders ORDER BY used, id"
            return [_row_of(each) for each in connection.execute(sql)]

    def abandoned(self) -> list[OrderRow]:
        """Give the orders whose dropping was broken off."""
        return [
            each for each in self.rows() if each.state is OrderState.DROPPING and not self._is_there(each)
        ]

    def _row(self, connection: sqlite3.Connection, id: str) -> OrderRow | None:
        found = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM orders WHERE id = ?", (id,)).fetchone()
        return _row_of(found) if found else None


def _row_of(found: tuple[Any, ...]) -> OrderRow:
    tree = dict(zip(_COLUMNS, found, strict=True))
    names = ("id", "catalog", "collection", "item", "recipe", "folder")
    key = OrderKey(**{each: tree.pop(each) for each in names})
    state, assets = OrderState(tree.pop("state")), json.loads(tree.pop("assets"))
    return OrderRow(key, state, **tree, assets=assets)


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """Orders whose results a job reads."""

    ledger: Path
    """File of the ledger."""
    ids: tuple[str, ...]
    """The orders."""

    def hold(self, job: Path) -> None:
        """Keep them until the job in a folder has ended."""
        Ledger(self.ledger).hold(self.ids, str(job))


@contextlib.contextmanager
def owning(ledger: Ledger) -> Iterator[str]:
    """Be an owner: says every few seconds that it is there, and lets go of what it has at the end.

    Yields
    ------
    str
        Its name.
    """
    name = f"{socket.gethostname()}/{own_handle()}/{secrets.token_hex(4)}"
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(BEAT_S):
            with contextlib.suppress(CatalogError):  # the next beat may find it again
                ledger.beat(name)

    thread = threading.Thread(target=tell, daemon=True, name="swath-orders")
    thread.start()
    try:
        yield name
    finally:
        ended.set()
        thread.join()
        ledger.release(name)
