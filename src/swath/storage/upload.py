"""Many objects into a store, several at a time."""

from __future__ import annotations

import itertools
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from swath.storage.protocol import ObjectStore, Stat


def upload_many(
    store: ObjectStore,
    pairs: Iterable[tuple[str, bytes | Path]],
    concurrency: int = 8,
    *,
    done: Callable[[Stat], None] | None = None,
) -> int:
    """Write many objects; the first that fails ends it, after those under way.

    Parameters
    ----------
    store : ObjectStore
        Where to.
    pairs : iterable of (str, bytes or Path)
        Keys and what they will hold; taken one after the other, so that they may be very many.
    concurrency : int
        How many at a time.
    done : callable of Stat, optional
        Called in this thread after each that is there.

    Returns
    -------
    int
        How many were written.

    Raises
    ------
    SwathError
        What the store says of the first that it refuses.

    Examples
    --------
    >>> import tempfile
    >>> from swath.storage import make_store, parse_root
    >>> from swath.config import StoreSettings
    >>> folder = tempfile.mkdtemp()
    >>> store = make_store("mine", parse_root(folder), StoreSettings(url=folder))
    >>> upload_many(store, [("a", b"1"), ("b/c", b"2")])
    2
    """
    waiting: set[Future[Stat]] = set()
    count = 0
    with ThreadPoolExecutor(concurrency, thread_name_prefix="upload") as pool:
        try:
            for pair in itertools.chain(pairs, itertools.repeat(None)):
                if pair is not None:
                    waiting.add(pool.submit(store.put, *pair))
                if pair is not None and len(waiting) < 2 * concurrency:
                    continue
                if not waiting:
                    return count
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for each in ended:
                    stat = each.result()
                    count += 1
                    if done:
                        done(stat)
        finally:
            pool.shutdown(cancel_futures=True)
    return count
