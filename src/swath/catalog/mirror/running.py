"""Mirroring: many items at once, the bytes before the documents, and nothing lost when it is stopped."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from swath.catalog.mirror.copying import Copier, RefusedError
from swath.catalog.mirror.documents import with_places
from swath.catalog.mirror.items import ItemShelf, ItemWork, chosen_assets, try_adopt, wanted_assets
from swath.catalog.mirror.journal import Journal
from swath.catalog.mirror.limits import Bandwidth, Memory
from swath.catalog.mirror.names import item_key, safe_name
from swath.catalog.mirror.origin import Origin, open_origin
from swath.catalog.mirror.publishing import Publisher
from swath.catalog.mirror.reading import StoppedError
from swath.catalog.mirror.sizes import add_sizes
from swath.catalog.mirror.values import Choice, Failure, MirrorReport, Pace
from swath.catalog.mirror.verifying import Verifier
from swath.catalog.opening import open_catalog
from swath.model import NotAllowedError, OutputError, SwathError, unknown
from swath.storage import join_key, stores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swath.catalog.mirror.copying import Wanted
    from swath.catalog.mirror.values import Watch

_ITEMS_AHEAD = 4
"""Items under way for each file at once."""
_BATCH = 1000
_FRESH = timedelta(hours=1)
"""Age from which a half-written file is nobody's, where it is not known who wrote it."""


def mirror(
    source: str | Path,
    target: str | Path,
    *,
    home: Path,
    choice: Choice | None = None,
    pace: Pace | None = None,
    dry_run: bool = False,
    verify: bool = False,
    repair: bool = False,
    into: str | Path | None = None,
    watch: Watch | None = None,
) -> MirrorReport:
    """Copy items with their files to a place of one's own, as a static STAC catalog.

    Parameters
    ----------
    source : str or Path
        A catalog file, a static catalog or collection, or the address of a STAC API.
    target : str or Path
        A folder, ``NAME:path`` with a store of the settings, or the address of a place in a store.
    home : Path
        Folder for the journal.
    choice : Choice, optional
        Which items and assets; all unless given.
    pace : Pace, optional
        How much at once.
    dry_run : bool
        Count files and bytes, and write nothing.
    verify : bool
        Copy nothing; read back what the mirror has, and compare it with its checksums.
    repair : bool
        The same, and then copy again what is wrong, and remove what no item refers to.
    into : str or Path, optional
        Catalog file that takes the items in as they are on the mirror.
    watch : callable, optional
        Is told how far it is, now and then.

    Returns
    -------
    MirrorReport
        What was done; ``failures`` has what is not there or wrong.
    """
    run = MirrorRun(str(target), home, choice or Choice(), pace or Pace(), watch)
    try:
        if dry_run:
            with open_origin(str(source), run.choice) as origin:
                return run.estimate(origin)
        with run.journal.running() as was_killed:
            if was_killed or repair:
                run.clear(timedelta(0) if was_killed else _FRESH)
            run.look()
            if verify or repair:
                run.verify(repair=repair)
            if not verify or repair:
                with open_origin(str(source), run.choice) as origin:
                    run.copy(origin, into)
        return run.report
    finally:
        run.close()


class MirrorRun:
    """One run of a mirror.

    Parameters
    ----------
    target : str
        Where to.
    home : Path
        Folder for the journal.
    choice : Choice
        Which items.
    pace : Pace
        How much at once.
    watch : callable, optional
        Is told how far it is.
    """

    def __init__(self, target: str, home: Path, choice: Choice, pace: Pace, watch: Watch | None) -> None:
        self.choice, self.pace = choice, pace
        self.report = MirrorReport()
        self._target, self._prefix = stores().locate(target)
        place = self._target.root.href(self._prefix) if self._prefix else self._target.root.url
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        self.journal = Journal(home / "mirrors" / f"{name}.sqlite")
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._watch = watch
        self._fatal: BaseException | None = None
        self._bandwidth = Bandwidth(pace.bandwidth, self._stopped)
        self._copier = Copier(
            self._target, self._prefix, self.journal, bandwidth=self._bandwidth,
            memory=Memory(pace.in_flight), tries=pace.tries, stopped=self._stopped, moved=self._moved,
            concurrency=pace.concurrency,
        )  # fmt: skip
        self._shelf = ItemShelf(self._target, self._prefix, self.journal, self._copier)
        self._folders: dict[str, set[str]] = {}
        self._spool: Any = None

    def close(self) -> None:
        """Let go of threads and files."""
        self._copier.close()
        self.journal.close()

    def estimate(self, origin: Origin) -> MirrorReport:
        """Count items, files and bytes."""
        self._count(origin)
        sizes = (
            (each.href, item["assets"][each.asset].get("file:size"), each.is_folder)
            for item in origin.items()
            for each in wanted_assets(item, self.choice.assets)
        )
        add_sizes(self.report, sizes, self.pace.concurrency)
        return self.report

    def _count(self, origin: Origin) -> None:
        known: set[str] = set()
        for item in origin.items():
            self.report.items += 1
            self.report.files += len(chosen_assets(item, self.choice.assets))
            if not self.report.files:
                known |= set(item["assets"])
        if self.report.items and not self.report.files and self.choice.assets:
            raise unknown(
                f"mirror: no item has an asset {', '.join(self.choice.assets)}", self.choice.assets[0], known
            )
        self.report.failures += origin.rejected
        self._tell()

    def clear(self, age: timedelta) -> None:
        """Remove what killed writers left half-written; who loses a file by this begins it again."""
        leftovers = getattr(self._target, "leftovers", None)
        if leftovers is not None:
            before = datetime.now(UTC) - age
            found = leftovers(self._prefix)
            self._target.delete([each.key for each in found if each.modified and each.modified <= before])

    def look(self) -> None:
        """See what is there."""
        self.journal.list_objects(self._target.list(self._prefix), self._prefix)

    def verify(self, *, repair: bool) -> None:
        """Compare what is there with what its items say."""
        verifier = Verifier(self._target, self._prefix, self.journal, self._bandwidth)
        with self._pool() as pool:
            failures, wrong, strays = verifier.run(pool, self.choice.collections, self.report, self._tell)
        self.report.strays = strays
        if not repair:
            self.report.failures += failures
            return
        for key in wrong:
            self.journal.forget(key)
            self.journal.forget_below(key)
        verifier.remove(strays)

    def copy(self, origin: Origin, into: str | Path | None) -> None:
        """Copy what is not there, then show it."""
        self._count(origin)
        with self._spooled(into) as spool:
            self._spool = spool
            self._copy_items(origin)
            if self._fatal is not None:
                raise self._fatal
            publisher = Publisher(self._target, self._prefix)
            for name, folders in self._folders.items():
                publisher.collection(origin.collection(name), folders)
            if self._folders:
                publisher.catalog(self._folders)
            if into is not None:
                self._take_in(origin, spool, into)

    def _copy_items(self, origin: Origin) -> None:
        count = _ITEMS_AHEAD * self.pace.concurrency
        ahead = threading.BoundedSemaphore(count)
        with self._pool() as pool:
            for item in origin.items():
                ahead.acquire()
                if self._stopped.is_set():
                    ahead.release()
                    break
                pool.submit(self._begin, item, pool, ahead.release)
            for _ in range(count):  # all are done then: a pool that ends takes no more work from its threads
                ahead.acquire()

    @contextlib.contextmanager
    def _pool(self) -> Iterator[ThreadPoolExecutor]:
        """Give threads; when it ends badly, what is under way is broken off."""
        pool = ThreadPoolExecutor(self.pace.concurrency, thread_name_prefix="swath-mirror")
        try:
            yield pool
            pool.shutdown(wait=True)
        except BaseException:
            self._stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise

    def _end(self, error: BaseException) -> None:
        with self._lock:
            self._fatal = self._fatal or (error.error if isinstance(error, RefusedError) else error)
        self._stopped.set()

    def _begin(self, item: dict[str, Any], pool: ThreadPoolExecutor, done: Callable[[], None]) -> None:
        try:
            wanted = wanted_assets(item, self.choice.assets)
            work = ItemWork(item, item_key(item["collection"], item["id"]), wanted, left=len(wanted))
            try_adopt(self._shelf, work.key)
            for each in wanted[1:]:
                pool.submit(self._asset, work, each, done)
        except BaseException as error:  # noqa: BLE001 -- the edge of a thread: raised again by the run
            self._end(error)
            done()
            return
        if wanted:
            self._asset(work, wanted[0], done)
        else:
            self._close(work, done)

    def _asset(self, work: ItemWork, wanted: Wanted, done: Callable[[], None]) -> None:
        settled = None
        try:
            if not self._stopped.is_set():
                settled = self._copier.settle(wanted)
                self._add(settled.how, settled.kept.size)
        except SwathError as error:
            self._failed(Failure(work.item["id"], wanted.asset, wanted.href, error.what))
        except StoppedError:
            pass
        except BaseException as error:  # noqa: BLE001 -- the edge of a thread: raised again by the run
            self._end(error)
        if work.finish(wanted.asset, settled):
            self._close(work, done)
        self._tell()

    def _close(self, work: ItemWork, done: Callable[[], None]) -> None:
        try:
            if not self._stopped.is_set():
                self._finish(work)
        except BaseException as error:  # noqa: BLE001 -- the edge of a thread: raised again by the run
            self._end(error)
        finally:
            done()

    def _failed(self, failure: Failure) -> None:
        with self._lock:
            self.report.failures.append(failure)

    def _add(self, how: str, size: int) -> None:
        with self._lock:
            setattr(self.report, how, getattr(self.report, how) + 1)
            if how == "copied":
                self.report.copied_bytes += size

    def _finish(self, work: ItemWork) -> None:
        try:
            document, written = self._shelf.write(work)
        except (NotAllowedError, OutputError) as error:
            raise RefusedError(error) from error
        except SwathError as error:
            self._failed(Failure(work.item["id"], "", self._place(work.key), error.what))
            return
        with self._lock:
            self.report.items_written += written
            folders = self._folders.setdefault(work.item["collection"], set())
            folders.add(safe_name(work.item["id"]))
            if self._spool is not None:
                self._spool.write(orjson.dumps(with_places(document, work.key, self._place)) + b"\n")

    def _place(self, key: str) -> str:
        return self._target.root.href(join_key(self._prefix, key))

    def _moved(self, count: int) -> None:
        with self._lock:
            self.report.moved_bytes += count
        self._tell()

    def _tell(self) -> None:
        if self._watch is not None:
            self._watch(self.report)

    @contextlib.contextmanager
    def _spooled(self, into: str | Path | None) -> Iterator[Any]:
        """Give a file for the items that a catalog takes in at the end."""
        if into is None:
            yield None
            return
        with tempfile.TemporaryFile(prefix="swath-mirror-") as file:
            yield file

    def _take_in(self, origin: Origin, spool: Any, into: str | Path) -> None:
        with open_catalog(Path(into), create=True) as catalog:
            for name in self._folders:
                catalog.upsert_collection(origin.collection(name))
            spool.seek(0)
            some: list[Any] = []
            for line in spool:
                some.append(orjson.loads(line))
                if len(some) == _BATCH:
                    catalog.upsert_items(some)
                    some = []
            catalog.upsert_items(some)
