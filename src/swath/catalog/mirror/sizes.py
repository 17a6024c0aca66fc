"""How many bytes files have, asked only where their items do not say."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from swath.model import SwathError
from swath.storage import stores

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swath.catalog.mirror.values import MirrorReport

_TOGETHER = 2000


def add_sizes(report: MirrorReport, files: Iterable[tuple[str, Any]], at_once: int) -> None:
    """Add up the bytes of files.

    Parameters
    ----------
    report : MirrorReport
        Gets the sum, and how many have no size.
    files : iterable of (str, int)
        Href, and ``file:size`` where the item has it.
    at_once : int
        Requests at once.
    """
    seen: set[str] = set()
    with ThreadPoolExecutor(at_once) as pool:
        for some in itertools.batched(files, _TOGETHER):
            fresh = {href: size for href, size in some if href not in seen}
            seen.update(fresh)
            asked = [href for href, size in fresh.items() if not isinstance(size, int)]
            report.total_bytes += sum(size for size in fresh.values() if isinstance(size, int))
            for size in pool.map(_size_of, asked):
                report.total_bytes += max(size, 0)
                report.unknown_sizes += size < 0


def _size_of(href: str) -> int:
    try:
        store, key = stores().locate(href)
        return store.stat(key).size
    except SwathError:
        return -1
