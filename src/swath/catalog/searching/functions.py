"""The SQL functions that the catalog adds to SQLite: exact geometry, accents, instants, arrays."""

from __future__ import annotations

import functools
import json
import math
import unicodedata
from typing import TYPE_CHECKING, Any

from swath.model import InputError, microseconds, parse_instant

if TYPE_CHECKING:
    import sqlite3

    from shapely.geometry.base import BaseGeometry

SPATIAL = ("contains", "crosses", "disjoint", "equals", "intersects", "overlaps", "touches", "within")
"""The spatial relations of CQL2, each also the name of shapely's predicate."""


def register_functions(connection: sqlite3.Connection) -> None:
    """Add the functions to a connection."""
    for name, count, function in (
        ("swath_spatial", 3, spatial),
        ("swath_casei", 1, casei),
        ("swath_accenti", 1, accenti),
        ("swath_instant", 1, instant),
        ("swath_array", 3, array),
        ("swath_like", 2, like),
        ("swath_mod", 2, modulo),
        ("swath_pow", 2, power),
    ):
        connection.create_function(name, count, function, deterministic=True)


@functools.lru_cache(maxsize=64)
def _prepared(text: str) -> BaseGeometry:
    import shapely

    geometry: BaseGeometry = shapely.from_geojson(text)
    shapely.prepare(geometry)
    return geometry


def spatial(relation: str, wkb: bytes | None, text: str | None) -> int | None:
    """Tell how an item's geometry lies to another; None when the item has none."""
    if wkb is None or text is None:
        return None
    import shapely

    mine, other = shapely.from_wkb(wkb), _prepared(text)
    if relation == "within":
        return int(shapely.contains(other, mine))
    if relation in ("contains", "equals"):
        return int(getattr(shapely, relation)(mine, other))
    return int(getattr(shapely, relation)(other, mine))


def casei(value: Any) -> Any:
    """Fold the case of a text."""
    return value.casefold() if isinstance(value, str) else value


def accenti(value: Any) -> Any:
    """Take the accents off a text."""
    if not isinstance(value, str):
        return value
    apart = unicodedata.normalize("NFD", value)
    return unicodedata.normalize("NFC", "".join(each for each in apart if not unicodedata.combining(each)))


def instant(value: Any) -> int | None:
    """Read an instant as microseconds since 1970; None for what is none."""
    if not isinstance(value, str):
        return None
    try:
        return microseconds(parse_instant(value))
    except InputError:
        return None


def array(relation: str, mine: str | None, other: str | None) -> int | None:
    """Compare two JSON arrays as sets; None when one is none."""
    left, right = _elements(mine), _elements(other)
    if left is None or right is None:
        return None
    if relation == "equals":
        return int(left == right)
    if relation == "contains":
        return int(right <= left)
    if relation == "containedBy":
        return int(left <= right)
    return int(bool(left & right))


def _elements(text: str | None) -> frozenset[str] | None:
    if not isinstance(text, str):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, list):
        return None
    return frozenset(json.dumps(_canonical(each), sort_keys=True) for each in value)


def _canonical(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@functools.lru_cache(maxsize=256)
def _pattern(pattern: str) -> Any:
    import re

    out, at = [], 0
    while at < len(pattern):
        each = pattern[at]
        if each == "\\" and at + 1 < len(pattern):
            at += 1
            out.append(re.escape(pattern[at]))
        else:
            out.append({"%": ".*", "_": "."}.get(each) or re.escape(each))
        at += 1
    return re.compile("".join(out), re.DOTALL)


def like(value: Any, pattern: Any) -> int | None:
    """Match a text with a pattern of % and _, as CQL2 does: case counts, a backslash escapes."""
    if not isinstance(value, str) or not isinstance(pattern, str):
        return None
    return int(_pattern(pattern).fullmatch(value) is not None)


def modulo(left: Any, right: Any) -> float | None:
    """Give what a division leaves, with the sign of the dividend; None when there is no such number."""
    if left is None or not right:
        return None
    return math.fmod(left, right)


def power(base: Any, exponent: Any) -> float | None:
    """Raise a number; None when there is no such number."""
    if base is None or exponent is None:
        return None
    try:
        return math.pow(base, exponent)
    except (ValueError, OverflowError):
        return None
