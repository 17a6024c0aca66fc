"""The order of search results, and where in it a page begins: keyset paging."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath.catalog.searching.sql import COLUMNS, Values, json_value, property_name
from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NEVER_NULL = frozenset({"items.start_us", "items.collection", "items.id"})


@dataclass(frozen=True, slots=True)
class SortKey:
    """One property to sort by."""

    name: str
    """The property, without ``properties.``."""
    descending: bool
    """True: the largest first."""

    def to_dict(self) -> dict[str, str]:
        """Write it as STAC API's sort extension does."""
        field = self.name if self.name in ("id", "collection") else f"properties.{self.name}"
        return {"field": field, "direction": "desc" if self.descending else "asc"}


def parse_sortby(value: Any) -> tuple[SortKey, ...]:
    """Read a sort order.

    Parameters
    ----------
    value : str, list of str or list of dict
        ``-properties.datetime,+id``, a list of such, or STAC's ``{"field": ..., "direction": "desc"}``.

    Examples
    --------
    >>> parse_sortby("-properties.eo:cloud_cover,id")
    (SortKey(name='eo:cloud_cover', descending=True), SortKey(name='id', descending=False))
    """
    if isinstance(value, str):
        value = [each for each in value.split(",") if each.strip()]
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise InputError(f"sortby: {value!r} is no order", fix="write it like -datetime,id")
    keys: dict[str, SortKey] = {}
    for each in value:
        key = each if isinstance(each, SortKey) else _sort_key(each)
        keys.setdefault(key.name, key)
    return tuple(keys.values())


def _sort_key(value: Any) -> SortKey:
    if isinstance(value, str):
        return SortKey(property_name(value.strip().lstrip("+-")), value.strip().startswith("-"))
    if isinstance(value, dict) and isinstance(value.get("field"), str):
        direction = value.get("direction", "asc")
        if direction not in ("asc", "desc"):
            raise InputError(f"sortby: the direction {direction!r} is not known", known=("asc", "desc"))
        return SortKey(property_name(value["field"]), direction == "desc")
    raise InputError(
        f"sortby: {value!r} is no property",
        fix='write -datetime or {"field": "datetime", "direction": "desc"}',
    )


@dataclass(frozen=True, slots=True)
class _Column:
    sql: str
    descending: bool

    @property
    def is_nullable(self) -> bool:
        return self.sql not in _NEVER_NULL

    def written(self) -> str:
        return f"{self.sql} {'DESC' if self.descending else 'ASC'}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the order in which an index runs straight on."""

    where: str
    """Condition that holds in it; may be empty."""
    by: str
    """What to write after ORDER BY."""


class Order:
    """Items in a total order: the keys, then collection and id, so that no two items are equal.

    Items that lack a property come last, whichever way it is sorted. Ties go by collection and id, in the
    direction in which the index of the first key runs.
    """

    def __init__(self, keys: Sequence[SortKey]) -> None:
        keys = tuple(keys) or (SortKey("datetime", descending=True),)
        first = keys[0]
        backwards = not first.descending if first.name == "datetime" else first.descending
        columns = {_sql_of(key.name): key.descending for key in keys}
        for sql in (
            ("items.id", "items.collection") if first.name == "id" else ("items.collection", "items.id")
        ):
            columns.setdefault(sql, backwards)
        names = list(columns)
        last = max(
            names.index("items.collection"), names.index("items.id")
        )  # from there on there are no ties
        self._columns = [_Column(sql, columns[sql]) for sql in names[: last + 1]]

    @property
    def first(self) -> str:
        """The SQL of the first key."""
        return self._columns[0].sql

    @property
    def is_plain(self) -> bool:
        """True when one key decides and collection and id break the ties: an index can run straight."""
        return len([each for each in self._columns if each.sql not in ("items.collection", "items.id")]) <= 1

    @property
    def needs_documents(self) -> bool:
        """True when a key has no column of its own."""
        return any("documents." in each.sql for each in self._columns)

    @property
    def selected(self) -> str:
        """The SQL of the values that a token keeps."""
        return ", ".join(each.sql for each in self._columns)

    @property
    def width(self) -> int:
        """How many values a token keeps."""
        return len(self._columns)

    def whole(self, values: Values, after: Sequence[Any] | None) -> Segment:
        """Give the order as one piece, for sorting."""
        by = ", ".join(
            f"{each.sql} IS NULL, {each.written()}" if each.is_nullable else each.written()
            for each in self._columns
        )
        if after is None:
            return Segment("", by)
        return Segment("(" + " OR ".join(f"({each.where})" for each in self._after(values, after)) + ")", by)

    def segments(self, values: Values, after: Sequence[Any] | None) -> list[Segment]:
        """Give the order as pieces to be read one after the other, for running along an index."""
        if after is not None:
            return list(self._after(values, after))
        first = self._columns[0]
        if not first.is_nullable:
            return [Segment("", self._by(0))]
        return [
            Segment(f"{first.sql} IS NOT NULL", self._by(0)),
            Segment(f"{first.sql} IS NULL", self._by(1)),
        ]

    def _by(self, start: int) -> str:
        parts = []
        for at, each in enumerate(self._columns[start:]):
            if each.is_nullable and (at or start):
                parts.append(f"{each.sql} IS NULL")
            parts.append(each.written())
        return ", ".join(parts)

    def _after(self, values: Values, after: Sequence[Any]) -> Iterator[Segment]:
        """Cut what comes after an item into pieces: as many keys equal as possible first."""
        names = [values.bind(each) for each in after]
        for at in range(len(self._columns) - 1, -1, -1):
            same = [
                f"{each.sql} IS NULL" if after[i] is None else f"{each.sql} = {names[i]}"
                for i, each in enumerate(self._columns[:at])
            ]
            column = self._columns[at]
            if after[at] is None:
                continue  # the last of this key already
            sign = "<" if column.descending else ">"
            yield Segment(" AND ".join([*same, f"{column.sql} {sign} {names[at]}"]), self._by(at))
            if column.is_nullable:
                yield Segment(" AND ".join([*same, f"{column.sql} IS NULL"]), self._by(at + 1))


def _sql_of(name: str) -> str:
    if name == "datetime":
        return "items.start_us"
    return COLUMNS.get(name) or json_value(name)


def fingerprint(question: Any) -> str:
    """Sum up a search, so that a token is not used with another one."""
    text = json.dumps(question, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def format_token(mark: str, after: Sequence[Any]) -> str:
    """Write where the next page begins.

    Examples
    --------
    >>> parse_token(format_token("abc", [1.5, "s2", "x"]), "abc", 3)
    [1.5, 's2', 'x']
    """
    text = json.dumps([mark, *after], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_token(token: str, mark: str, width: int) -> list[Any]:
    """Read where a page begins.

    Raises
    ------
    InputError
        It is no token, or another search's.
    """
    try:
        text = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        held = json.loads(text.decode())
    except (binascii.Error, ValueError) as error:
        raise InputError(
            f"token: {token!r} is none of ours", fix="take it from the last page's next link"
        ) from error
    plain = isinstance(held, list) and all(isinstance(each, (str, int, float, type(None))) for each in held)
    if not plain or len(held) != width + 1 or held[0] != mark:
        raise InputError(
            f"token: {token!r} belongs to another search", fix="keep every parameter of the first page"
        )
    values: list[Any] = held[1:]
    return values
