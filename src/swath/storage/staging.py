"""What lies on tape: which files of many, what to ask for, and how far it has come.

Deciding is here, and the few requests that it needs; who waits, and where it is written down, is
`swath.storage.recall` and `swath.storage.recall_file`.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from swath.model import InputError, MissingAssetError, NotAllowedError, OnTapeError, format_bytes
from swath.storage.address import quote_key
from swath.storage.book import stores
from swath.storage.protocol import Residence, TapeStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from swath.storage.protocol import ObjectStore, StageState

_NAMED_AT_MOST = 3
_ZARR = re.compile(r'ZARR:"([^"]+)"')
"""How GDAL names an array of a Zarr store."""
_REMEMBERED_S = 60.0
"""How long a file that was online is taken to be so still."""


@dataclass(frozen=True, slots=True)
class TapeFile:
    """A file in a store that has tape behind it."""

    href: str
    """Its address."""
    store: str
    """Name of the store in the settings."""
    key: str
    """Its key there."""
    size: int = 0
    """Bytes; 0: not known."""


@dataclass(frozen=True, slots=True)
class StageOrder:
    """A request for files from tape that was made; any process that has it can go on with it."""

    store: str
    """Name of the store."""
    request: str
    """What the store calls it."""
    keys: tuple[str, ...]
    """What was asked for."""
    lifetime_s: float
    """How long each file is kept on disk once it is there, seconds."""
    asked: str
    """When, RFC 3339."""
    again: int = 0
    """How often it was asked for again since the store had forgotten it."""

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON has it."""
        return {**asdict(self), "keys": list(self.keys)}

    @classmethod
    def from_dict(cls, tree: Mapping[str, Any]) -> StageOrder:
        """Read it again.

        Examples
        --------
        >>> order = StageOrder("archive", "4711", ("a", "b"), 3600.0, "2026-01-01T00:00:00Z")
        >>> StageOrder.from_dict(order.to_dict()) == order
        True
        """
        return cls(**{**tree, "keys": tuple(tree["keys"])})

    def age_s(self, now: dt.datetime) -> float:
        """Tell how long ago it was made."""
        return (now - dt.datetime.fromisoformat(self.asked)).total_seconds()


@dataclass(frozen=True, slots=True)
class Census:
    """Where files are."""

    online: tuple[TapeFile, ...] = ()
    """Can be read at once."""
    on_tape: tuple[TapeFile, ...] = ()
    """Have to be brought first."""
    bad: Mapping[TapeFile, str] = field(default_factory=dict)
    """Cannot be had: lost, not available now, or not there; with the reason."""
    to_hold: tuple[TapeFile, ...] = ()
    """Have a copy on tape, so that the one on disk is there for a time only, unless it is asked for."""

    @property
    def tape_bytes(self) -> int:
        """Bytes that have to be brought, as far as they are known."""
        return sum(each.size for each in self.on_tape)

    def of(self, word: str) -> list[TapeFile]:
        """Give the files that cannot be had for a reason."""
        return [file for file, why in self.bad.items() if why.startswith(word)]


_BAD = {
    "LOST": "lost: the store has no copy of it any more",
    "UNAVAILABLE": "not available: the disk that it is on is switched off now",
}


def take_census(residences: Mapping[TapeFile, Residence]) -> Census:
    """Sort files by where they are."""
    online, on_tape, bad, to_hold = [], [], dict[TapeFile, str](), []
    for file, each in residences.items():
        if each.has_copy_on_tape:
            to_hold.append(file)
        if each.is_online:
            online.append(file)
        elif each.is_on_tape:
            on_tape.append(file)
        else:
            bad[file] = _BAD.get(each.locality) or f"not there: {each.error or 'it is no file'}"
    return Census(tuple(online), tuple(on_tape), bad, tuple(to_hold))


def tape_files(hrefs: Mapping[str, int]) -> tuple[TapeFile, ...]:
    """Find the files that may be on tape; where no store has tape nothing is done.

    Nothing is asked of stores but the names of the objects of Zarr stores, each of which is a file.

    Parameters
    ----------
    hrefs : mapping of str to int
        Addresses, and bytes; 0 where they are not known.
    """
    if not has_tape():
        return ()
    book = stores()
    found: list[TapeFile] = []
    plain = {match[1] if (match := _ZARR.match(each)) else each: size for each, size in hrefs.items()}
    for href, size in plain.items():
        scheme, mark, rest = href.partition("://")
        if not mark or not scheme.isalnum() or "?" in rest or "#" in rest:
            continue
        try:
            store, key = book.locate(href)
        except (InputError, NotAllowedError):  # whoever reads it tells what is wrong
            continue
        if not (key and isinstance(store, TapeStore) and store.can_stage):
            continue
        found += _objects(store, href, key) or [TapeFile(href, store.name, key, size)]
    return tuple(dict.fromkeys(found))


def _objects(store: ObjectStore, href: str, key: str) -> list[TapeFile]:
    """Give the objects of a Zarr store; none where it is no Zarr store, or there is nothing."""
    if not key.endswith(".zarr"):
        return []
    return [
        TapeFile(object_href(href, each.key[len(key) + 1 :]), store.name, each.key, each.size)
        for each in store.list(key)
    ]


def object_href(href: str, inside: str) -> str:
    """Give the address of an object of a Zarr store."""
    return f"{href.rstrip('/')}/{quote_key(inside)}"


def is_of(href: str, asset: str) -> bool:
    """Tell whether a file is an asset's, or one of its objects where that is a Zarr store.

    Examples
    --------
    >>> (
    ...     is_of("https://host/a.zarr/c/0", "https://host/a.zarr"),
    ...     is_of("https://host/a.zarr", "https://host/a"),
    ... )
    (True, False)
    """
    return href == asset or href.startswith(f"{asset.rstrip('/')}/")


def has_tape() -> bool:
    """Tell whether any store of the settings can be asked for files from tape."""
    return any(each.api for each in stores().named.values())


def tape_store(name: str) -> TapeStore:
    """Open a store with tape by its name.

    Raises
    ------
    InputError
        The settings do not have it any more, or not as one with tape.
    """
    store = stores().store(name)
    if not isinstance(store, TapeStore) or not store.can_stage:
        raise InputError(f"storage {name!r}: it has no tape, by the settings", fix="set its api")
    return store


def by_store(files: Iterable[TapeFile]) -> dict[str, list[TapeFile]]:
    """Group files by the names of their stores."""
    groups = defaultdict(list)
    for each in files:
        groups[each.store].append(each)
    return dict(groups)


def look_up(files: Iterable[TapeFile]) -> Census:
    """Ask where files are, by one request to each store.

    Raises
    ------
    StoreError, NotAllowedError
        A store does not tell.
    """
    told: dict[TapeFile, Residence] = {}
    for name, some in by_store(files).items():
        found = tape_store(name).residences([each.key for each in some], missing_ok=True)
        told |= {each: found[each.key] for each in some}
    return take_census(told)


def ask_for(
    store: str, keys: Sequence[str], lifetime: dt.timedelta, *, now: dt.datetime, again: int = 0
) -> StageOrder:
    """Ask a store for files from tape, by one request.

    Raises
    ------
    StoreError, NotAllowedError
        It does not take the request.
    """
    request = tape_store(store).stage(keys, lifetime=lifetime)
    asked = now.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return StageOrder(store, request, tuple(keys), lifetime.total_seconds(), asked, again)


@dataclass(frozen=True, slots=True)
class Split:
    """How far the files of a request are."""

    there: frozenset[str] = frozenset()
    """Keys that have come."""
    coming: frozenset[str] = frozenset()
    """Keys that are waited for."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Keys that will not come, with the reason."""


def split_states(order: StageOrder, states: Iterable[StageState]) -> Split:
    """Sort the files of a request by how far they are; one that the store says nothing of is waited for.

    Examples
    --------
    >>> from swath.storage import StageState
    >>> order = StageOrder("archive", "4711", ("a", "b", "c"), 3600.0, "2026-01-01T00:00:00Z")
    >>> split = split_states(order, [StageState("a", "COMPLETED"), StageState("b", "FAILED", "torn")])
    >>> sorted(split.there), sorted(split.coming), split.failed
    (['a'], ['c'], {'b': 'torn'})
    """
    found = {each.key: each for each in states}
    there, coming, failed = set(), set(), {}
    for key in order.keys:
        each = found.get(key)
        if each is None or not each.is_final:
            coming.add(key)
        elif each.state == "COMPLETED":
            there.add(key)
        else:
            failed[key] = each.error or ("the request was cancelled" if each.state == "CANCELLED" else "?")
    return Split(frozenset(there), frozenset(coming), failed)


def name_some(bad: Mapping[str, str]) -> str:
    """Name the first files that cannot be had, with the reasons.

    Examples
    --------
    >>> name_some({"a": "torn"})
    "'a' (torn)"
    """
    named = [f"{href!r} ({why})" for href, why in list(bad.items())[:_NAMED_AT_MOST]]
    more = f" and {len(bad) - len(named)} more" if len(bad) > len(named) else ""
    return ", ".join(named) + more


_online: dict[str, float] = {}


def refuse_tape(hrefs: Mapping[str, int]) -> None:
    """Refuse to read files that are on tape: a server would keep the reader waiting for hours.

    Parameters
    ----------
    hrefs : mapping of str to int
        What will be read, and bytes; 0 where they are not known.

    Raises
    ------
    OnTapeError
        Some have to be brought first; says how many, and how.
    MissingAssetError
        One is lost.
    """
    now = time.monotonic()
    files = [
        each for each in tape_files(hrefs) if now - _online.get(each.href, -_REMEMBERED_S) >= _REMEMBERED_S
    ]
    if not files:
        return
    try:
        census = look_up(files)
    except NotAllowedError:  # who may not ask may not stage either, and is refused at once when reading
        return
    _online.update(dict.fromkeys((each.href for each in census.online), now))
    if census.bad:
        named = name_some({file.href: why for file, why in census.bad.items()})
        raise MissingAssetError(f"asset: {len(census.bad)} of {len(hrefs)} files cannot be had: {named}")
    if census.on_tape:
        size = f" ({format_bytes(census.tape_bytes)})" if census.tape_bytes else ""
        raise OnTapeError(
            f"asset: {len(census.on_tape)} of {len(hrefs)} files are on tape{size}, "
            f"such as {census.on_tape[0].href!r}",
            fix="bring them by `swath catalog stage`, or let load wait for them by stage=True",
        )
