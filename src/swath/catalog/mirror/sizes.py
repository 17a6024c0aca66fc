"""How many bytes files have, asked only where their items do not say."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from swath.catalog.mirror.folders import list_folder
from swath.model import SwathError
from swath.storage import stores

if TYPE_CHECKING:
    from collections.abc import Iterable

    from swath.catalog.mirror.values import MirrorReport

_TOGETHER = 2000


def add_sizes(report: MirrorReport, files: Iterable[tuple[str, Any, bool]], at_once: int) -> None:
    """Add up the bytes of files.

    Parameters
    ----------
    report : MirrorReport
        Gets the sum, and how many have no size.
    files : iterable of (str, int, bool)
        Href, ``file:size`` where the item has it, and whether it is a folder of objects.
    at_once : int
        Requests at once.
    """
    seen: set[str] = set()
    with ThreadPoolExecutor(at_once) as pool:
        for some in itertools.batched(files, _TOGETHER):
            fresh = {href: (size, is_folder) for href, size, is_folder in some if href not in seen}
            seen.update(fresh)
            asked = [(href, told[1]) for href, told in fresh.items() if not isinstance(told[0], int)]
            report.total_bytes += sum(size for size, _ in fresh.values() if isinstance(size, int))
            for size in pool.map(_size_of, asked):
                report.total_bytes += max(size, 0)
                report.unknown_sizes += size < 0


def _size_of(asked: tuple[str, bool]) -> int:
    href, is_folder = asked
    try:
        store, key = stores().locate(href.rstrip("/") if is_folder else href)
        if is_folder:
            return list_folder(store, key).size or -1
        return store.stat(key).size
    except SwathError:
        return -1
