"""Decoded chunks that hold more images than the one that was asked for: kept for those that come next.

A chunk of 32 dates is asked for 32 times, by one thread after another or by several at once; it is decoded
once as long as the chunks of the pieces in work fit into `LARGEST`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LARGEST = 128 * 1024 * 1024
"""Bytes of the chunks that are kept, in one process."""

_kept: OrderedDict[Any, Future[Any]] = OrderedDict()
_lock = threading.Lock()
_held = 0


def kept_chunk(key: Any, make: Callable[[], NDArray[Any] | None]) -> NDArray[Any] | None:
    """Give a chunk that is kept, or make it; who asks while another makes it waits for that one.

    Parameters
    ----------
    key : hashable
        What it is of; another one when the file changes.
    make : callable
        Reads and decodes it; None where it is left out.
    """
    global _held  # noqa: PLW0603 - the count belongs to the table above
    with _lock:
        found = _kept.get(key)
        if found is not None:
            _kept.move_to_end(key)
        else:
            mine: Future[Any] = Future()
            _kept[key] = mine
    if found is not None:
        return found.result()  # type: ignore[no-any-return]
    try:
        chunk = make()
    except BaseException as error:
        with _lock:
            _kept.pop(key, None)
        mine.set_exception(error)
        raise
    mine.set_result(chunk)
    with _lock:
        if chunk is None:  # it may be written yet
            _kept.pop(key, None)
            return None
        _held += _size(mine)
        for each in list(_kept):
            if _held <= LARGEST:
                break
            if _kept[each].done():
                _held -= _size(_kept.pop(each))
    return chunk


def _size(made: Future[Any]) -> int:
    return int(made.result().nbytes)
