"""Terms of a filter in SQL, each with its kind, and their comparison: unlike kinds give null, as nulls do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.catalog.searching.sql import COLUMNS, INSTANTS, json_kind, json_value
from swath.model import InputError, microseconds, parse_instant

if TYPE_CHECKING:
    from swath.catalog.searching.sql import Values

NUMBER, TEXT = "number", "text"


@dataclass(frozen=True, slots=True)
class Term:
    """A value in SQL."""

    sql: str
    """The expression."""
    kind: str
    """``number``, ``text``, ``instant`` (microseconds), ``boolean``, ``null``, or ``json``: any of them."""
    name: str = ""
    """The property that it is, for ``json``."""
    literal: str | None = None
    """The text that it is, for a literal."""

    def as_number(self) -> str:
        """Give its SQL as a number; null when it is none."""
        if self.kind == "json":
            return f"CASE WHEN {json_kind(self.name)} IN ('integer', 'real') THEN {self.sql} END"
        return self.sql if self.kind in (NUMBER, "instant") else "NULL"

    def as_text(self) -> str:
        """Give its SQL as a text; null when it is none."""
        if self.kind == "json":
            return f"CASE WHEN {json_kind(self.name)} = 'text' THEN {self.sql} END"
        return self.sql if self.kind == TEXT else "NULL"

    def as_boolean(self) -> str:
        """Give its SQL as 0 or 1; null when it is neither."""
        if self.kind == "json":
            return f"CASE {json_kind(self.name)} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
        return self.sql if self.kind == "boolean" else "NULL"

    def as_instant(self, values: Values) -> str:
        """Give its SQL as microseconds since 1970; null when it is no instant."""
        if self.literal is not None:
            return values.bind(microseconds(parse_instant(self.literal)))
        if self.kind in ("json", TEXT):
            return f"swath_instant({self.as_text()})"
        return self.sql if self.kind == "instant" else "NULL"


@dataclass(frozen=True, slots=True)
class Span:
    """A time from a start to an end, in SQL."""

    start: str
    """Microseconds since 1970."""
    end: str
    """Microseconds since 1970."""


def property_term(name: str) -> Term:
    """Give the term of a property.

    Examples
    --------
    >>> property_term("eo:cloud_cover").sql
    'items.cloud_cover'
    """
    if name == "geometry":
        return Term("documents.geometry", "geometry")
    if name in COLUMNS:
        kind = "instant" if name in INSTANTS else NUMBER if name == "eo:cloud_cover" else TEXT
        return Term(COLUMNS[name], kind)
    if name in INSTANTS:
        return Term(f"swath_instant({json_value(name)})", "instant")
    return Term(json_value(name), "json", name=name)


def compare(sign: str, left: Term, right: Term, values: Values) -> str:
    """Compare two terms by what the surer one is.

    Examples
    --------
    >>> from swath.catalog.searching.sql import Values
    >>> compare("=", property_term("id"), Term(":v0", "text", literal="a"), Values())
    '(items.id = :v0)'
    """
    sign = "<>" if sign == "!=" else sign
    kinds = {left.kind, right.kind}
    if "geometry" in kinds:
        raise InputError(
            f"filter: a geometry cannot be compared with {sign!r}", fix="use s_intersects or s_equals"
        )
    if "instant" in kinds:
        return f"({left.as_instant(values)} {sign} {right.as_instant(values)})"
    if "boolean" in kinds:
        return f"({left.as_boolean()} {sign} {right.as_boolean()})"
    if NUMBER in kinds:
        return f"({left.as_number()} {sign} {right.as_number()})"
    if TEXT in kinds:
        return f"({left.as_text()} {sign} {right.as_text()})"
    if kinds == {"json"}:
        same = f"(typeof({left.sql}) = 'text') = (typeof({right.sql}) = 'text')"
        return f"(CASE WHEN {same} THEN {left.sql} {sign} {right.sql} END)"
    return "NULL"
