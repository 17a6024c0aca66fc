"""What was made by asking, kept up to a size: what was not used for longest goes first."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.catalog import is_catalog_file, open_catalog
from swath.jobs.folder import JobFolder, refusals
from swath.jobs.lifecycle import open_job
from swath.jobs.orders.ledger import Ledger, OrderRow, OrderState
from swath.jobs.orders.recipes import without_assets
from swath.model import NotFoundError, OutputError, SwathError, format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.config import Settings

LEDGER = "orders.sqlite"
FOLDER = "orders"


class OrderCache:
    """The ledger of a catalog's orders, and the folder of what was made.

    Parameters
    ----------
    settings : Settings
        Folder, size, and how long what was used stays.
    catalog : str
        Path or address of the catalog.
    """

    def __init__(self, settings: Settings, catalog: str) -> None:
        self.settings = settings
        self.catalog = catalog
        self.is_writable = is_catalog_file(catalog)
        """False for the catalog of an API and for a static one: their items stay as they are."""
        beside = Path(catalog).absolute().parent if self.is_writable else settings.home
        self.name = Path(catalog).name if self.is_writable else catalog
        """What orders call the catalog: file and orders can move together."""
        self.ledger = Ledger(beside / LEDGER)
        self.folder = (settings.orders.folder or beside / FOLDER).expanduser().absolute()

    def rows(self) -> list[OrderRow]:
        """Give the orders of the catalog; what was not used for longest comes first."""
        if not self.ledger.exists():
            return []
        return [each for each in self.ledger.rows() if each.key.catalog == self.name]

    def used_bytes(self) -> int:
        """Count the bytes of what was made."""
        return sum(each.bytes for each in self.rows())

    def trim(self, owner: str, size: int | None = None, *, keep_s: float | None = None) -> list[OrderRow]:
        """Drop what was not used for longest, until the rest is not larger than it may be.

        Nothing goes that a job reads, or that was used a short while ago.

        Parameters
        ----------
        owner : str
            Who drops; see `swath.jobs.orders.ledger.owning`.
        size : int, optional
            Bytes that may be kept; as the settings say unless given.
        keep_s : float, optional
            What was used within this time stays, in seconds; as the settings say unless given.

        Returns
        -------
        list of OrderRow
            What was dropped.
        """
        orders = self.settings.orders
        bound = orders.size_bytes if size is None else size
        return self._trim(owner, bound, orders.kept.total_seconds() if keep_s is None else keep_s)[0]

    def _trim(self, owner: str, bound: int, kept: float) -> tuple[list[OrderRow], int]:
        """Give what was dropped, and the bytes of what is left."""
        dropped = [each for each in self.ledger.abandoned() if self.drop(each, owner)]
        rows = self.rows()
        total = sum(each.bytes for each in rows)
        held = self._held() if total > bound else set()
        for each in rows:
            if total <= bound:
                break
            if each.state is not OrderState.MADE or each.key.id in held or each.used > time.time() - kept:
                continue
            if self.drop(each, owner):
                total -= each.bytes
                dropped.append(each)
        return dropped, total

    def make_room(self, owner: str) -> None:
        """Drop what may go, before more is made.

        Raises
        ------
        OutputError
            All that is there is in use, and it is more than is kept.
        """
        orders = self.settings.orders
        bound = orders.size_bytes
        _, used = self._trim(owner, bound, orders.kept.total_seconds())
        if used > bound:
            raise OutputError(
                f"orders: {format_bytes(used)} of {format_bytes(bound)} are taken, all by what jobs read or "
                f"was used within {orders.keep}",
                fix="raise `size` in the settings' [orders], or ask for less at a time",
            )

    def _held(self) -> set[str]:
        """Name the orders that a job reads which has not ended."""
        held = set()
        over: dict[str, bool] = {}
        for id, jobs in self.ledger.holds().items():
            for job in jobs:
                if job not in over:
                    over[job] = _is_over(JobFolder(Path(job)))
                    if over[job]:
                        self.ledger.let_go(job)
                if not over[job]:
                    held.add(id)
        return held

    def drop(self, row: OrderRow, owner: str) -> bool:
        """Take what was made out of the catalog, then delete it; whoever finds it half dropped goes on.

        Returns
        -------
        bool
            False where somebody has asked for it meanwhile: it stays.
        """
        if not self.ledger.drop(row, owner):
            return False
        self._unpublish(row)
        with refusals(row.key.folder):
            self.clear(Path(row.key.folder))
        self.ledger.forget(row.key.id, owner)
        return True

    def _unpublish(self, row: OrderRow) -> None:
        if not self.is_writable:
            return
        with contextlib.suppress(NotFoundError), open_catalog(self.catalog) as catalog:
            catalog.change_item(
                row.key.collection, row.key.item, lambda item: without_assets(item, row.key.id)
            )

    def clear(self, folder: Path) -> None:
        """Delete what was made, and folders that are empty then.

        Raises
        ------
        OutputError
            It lies somewhere else.
        """
        if not folder.absolute().is_relative_to(self.folder):
            raise OutputError(
                f"orders: {str(folder)!r} is not in {str(self.folder)!r}, and is not deleted",
                fix="give [orders] folder its former value, or delete it by hand",
            )
        if JobFolder(folder).job_file.exists():  # at a site that is away, its folder there stays
            with contextlib.suppress(ValueError, KeyError, SwathError):
                open_job(folder, self.settings).discard()
        if folder.exists():
            shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()


def _is_over(job: JobFolder) -> bool:
    try:
        status = job.read_status()
    except (OSError, json.JSONDecodeError, TypeError, ValueError):
        return False
    if status is None:  # not begun, or deleted
        return not job.job_file.exists()
    return status.state.is_final


def folder_bytes(folder: Path) -> int:
    """Count the bytes of the files in a folder."""
    total = 0
    for at, _, names in os.walk(folder):
        for each in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(at) / each).stat().st_size
    return total


def are_there(assets: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether the files of assets that were made are still there."""
    return all("://" in each["href"] or Path(each["href"]).exists() for each in assets.values())
