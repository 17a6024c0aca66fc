"""Proves the whole way to a store: list, write, read back, replace or refuse, move, delete; and tape."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import secrets
import time
import zlib
from typing import TYPE_CHECKING

from swath.model import ConflictError, InputError, MissingObjectError, Step, SwathError
from swath.storage.address import join_key
from swath.storage.protocol import TapeStore
from swath.storage.webdav import WebdavStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swath.storage.protocol import Checksum, ObjectStore

_WHEN_REFUSED = {
    "connect": "check its url, and that this machine may reach it",
    "list": "check the path in its url, and what the credentials allow",
    "write": "ask for the right to write there; for reading alone, leave --write out",
    "checksum": "nothing is to be done: checksums are made by reading, which is slower",
    "stage": "check that the credentials allow staging (a macaroon needs STAGE), and the address of its API",
}


def check_store(store: ObjectStore, *, key: str = "", write: bool = False, tape: str = "") -> Iterator[Step]:
    """Go the whole way to a store; stops at the first step that fails.

    Parameters
    ----------
    store : ObjectStore
        The store.
    key : str
        Folder in it where this is done.
    write : bool
        Write, move and delete small objects below ``key``, in a folder of a random name.
    tape : str
        Key of a file that may be brought from tape.

    Yields
    ------
    Step
        As each is done.
    """
    mark = join_key(key, f"swath-check-{secrets.token_hex(6)}")
    steps: dict[str, Callable[[], str]]
    steps = {"connect": lambda: _connect(store, key), "list": lambda: _list(store, key)}
    if write:
        steps |= {
            "write": lambda: _write(store, mark),
            "ranges": lambda: _ranges(store, mark),
            "checksum": lambda: _checksum(store, mark),
            "conflict": lambda: _conflict(store, mark),
            "move": lambda: _move(store, mark),
            "delete": lambda: _delete(store, mark),
        }
    if tape:
        steps |= {"locality": lambda: _locality(store, tape), "stage": lambda: _stage(store, tape)}
    for name, step in steps.items():
        began = time.monotonic()
        try:
            told = step()
        except SwathError as error:
            yield Step(name, good=False, told=error.what, remedy=error.fix or _WHEN_REFUSED.get(name, ""))
            return
        yield Step(name, good=True, told=f"{told} ({time.monotonic() - began:.2f} s)")


def _connect(store: ObjectStore, key: str) -> str:
    with contextlib.suppress(MissingObjectError):
        store.stat(join_key(key, "swath-no-such-object"))
    return f"{store.root.url} answers"


def _list(store: ObjectStore, key: str) -> str:
    found = store.folder(key)
    folders = sum(each.is_folder for each in found)
    return f"{folders} folders and {len(found) - folders} objects"


_DATA = bytes(range(256)) * 300


def _write(store: ObjectStore, mark: str) -> str:
    for name in ("a b", "ü"):
        store.put(f"{mark}/{name}", _DATA)
        _require(store.get(f"{mark}/{name}") == _DATA, "what was written comes back as other bytes")
    return f"2 objects of {len(_DATA)} bytes come back"


def _ranges(store: ObjectStore, mark: str) -> str:
    parts = store.get_ranges(f"{mark}/a b", [(70_000, 100), (0, 4)])
    _require(
        [bytes(each) for each in parts] == [_DATA[70_000:70_100], _DATA[:4]], "parts come as other bytes"
    )
    return "parts of objects come"


def _checksum(store: ObjectStore, mark: str) -> str:
    known = store.checksum(f"{mark}/a b")
    if known is None:
        return "it keeps none: copies are compared by reading"
    _require(known.value == _digest(known), f"its {known.algorithm} is wrong")
    return f"it keeps {known.algorithm}"


def _digest(known: Checksum) -> str:
    if known.algorithm == "adler32":
        return f"{zlib.adler32(_DATA):08x}"
    return hashlib.new(known.algorithm, _DATA).hexdigest()


def _conflict(store: ObjectStore, mark: str) -> str:
    try:
        store.put(f"{mark}/a b", b"other", overwrite=False)
    except ConflictError:
        return "what is there is not replaced unless that is wanted"
    raise InputError("it replaces objects though told not to: two writers may undo each other's work")


def _move(store: ObjectStore, mark: str) -> str:
    store.move(f"{mark}/ü", f"{mark}/deeper/c")
    _require(store.get(f"{mark}/deeper/c") == _DATA, "what was moved comes back as other bytes")
    return "objects are moved"


def _delete(store: ObjectStore, mark: str) -> str:
    store.delete([f"{mark}/a b", f"{mark}/deeper/c"])
    _require(not list(store.list(mark)), "what was deleted is still there")
    if isinstance(store, WebdavStore):
        store.remove_folder(mark)
    return "objects are deleted"


def _locality(store: ObjectStore, key: str) -> str:
    if not isinstance(store, TapeStore):
        raise InputError("it has no tape", fix="set kind = 'dcache' for it if it is a dCache")
    return f"{key} is {store.residences([key])[key].locality}"


def _stage(store: ObjectStore, key: str) -> str:
    """Ask for a file, look once, and cancel: waiting for a tape is not what this is for."""
    if not isinstance(store, TapeStore):
        raise InputError("it has no tape")
    request = store.stage([key], lifetime=dt.timedelta(hours=1))
    states = store.stage_states(request)
    if not all(each.is_final for each in states):
        store.cancel_stage(request)
    failed = [each.error for each in states if each.state == "FAILED"]
    _require(not failed, f"the file cannot be staged ({failed[:1]})")
    return f"a request was taken, told to be {states[0].state}, and ended"


def _require(good: bool, what: str) -> None:  # noqa: FBT001 -- reads as a sentence
    if not good:
        raise InputError(what)
