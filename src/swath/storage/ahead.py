"""Pieces that are read by a thread of their own, while those before are still on their way."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_DEPTH = 2
"""Pieces that wait."""
_LOOK_S = 0.2
"""Seconds after which a thread that cannot go on looks whether anybody still wants its pieces."""


@contextlib.contextmanager
def read_ahead(pieces: Iterable[bytes]) -> Iterator[Iterator[bytes]]:
    """Read an iterable in another thread; what it raises is raised here.

    A stream of obstore cannot be read inside an upload of obstore: both want the thread for their loop.

    Examples
    --------
    >>> with read_ahead([b"a", b"b"]) as pieces:
    ...     list(pieces)
    [b'a', b'b']
    """
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_DEPTH)
    gone = threading.Event()

    def hand_over(each: bytes | BaseException | None) -> bool:
        while not gone.is_set():
            with contextlib.suppress(queue.Full):
                waiting.put(each, timeout=_LOOK_S)
                return True
        return False

    def read() -> None:
        try:
            for piece in pieces:
                if not hand_over(piece):
                    return
        except BaseException as error:  # noqa: BLE001 -- it is raised by who takes the pieces
            hand_over(error)
        else:
            hand_over(None)

    thread = threading.Thread(target=read, name="swath-read-ahead", daemon=True)
    thread.start()
    try:
        yield _taken(waiting)
    finally:
        gone.set()
        thread.join()


def _taken(waiting: queue.Queue[bytes | BaseException | None]) -> Iterator[bytes]:
    while (each := waiting.get()) is not None:
        if isinstance(each, BaseException):
            raise each
        yield each


def fetch_ahead(
    fetch: Callable[[int, int], memoryview], size: int, *, piece: int, at_once: int
) -> Iterator[memoryview]:
    """Give an object's bytes in order, several ranges of it being fetched at once.

    Parameters
    ----------
    fetch : callable
        Gives the bytes from an offset, so many of them.
    size : int
        Bytes of the object.
    piece : int
        Bytes of a range.
    at_once : int
        Ranges on their way, or waiting to be taken.

    Examples
    --------
    >>> data = b"abcdefgh"
    >>> [bytes(each) for each in fetch_ahead(lambda at, count: data[at : at + count], 8, piece=3, at_once=2)]
    [b'abc', b'def', b'gh']
    """
    waiting: deque[Future[memoryview]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="swath-fetch") as pool:
        try:
            for at in range(0, size, piece):
                waiting.append(pool.submit(fetch, at, min(piece, size - at)))
                if len(waiting) == at_once:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
