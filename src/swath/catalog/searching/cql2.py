"""CQL2: parsed and checked by its reference parser, then compiled to SQLite's SQL with bound values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from swath.catalog.geometry import parse_geometry
from swath.catalog.searching.functions import SPATIAL
from swath.catalog.searching.sql import Values, json_kind, json_value, property_name
from swath.catalog.searching.terms import NUMBER, TEXT, Span, Term, compare, property_term
from swath.model import InputError, nearest, parse_bbox, parse_instant, parse_interval
from swath.model import microseconds as to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable

_DEEPEST = 60
_LONGEST = 100_000
_SWAPPED = {"contains": "within", "within": "contains"}
_ARITHMETIC = {"+": "({} + {})", "-": "({} - {})", "*": "({} * {})", "/": "({} * 1.0 / {})",
               "div": "CAST({} / {} AS INTEGER)", "%": "swath_mod({}, {})",
               "^": "swath_pow({}, {})"}  # fmt: skip
_TEMPORAL = {
    "after": "{a0} > {b1}", "before": "{a1} < {b0}",
    "contains": "{a0} < {b0} AND {a1} > {b1}", "during": "{a0} > {b0} AND {a1} < {b1}",
    "disjoint": "({a0} > {b1} OR {a1} < {b0})", "intersects": "{a0} <= {b1} AND {a1} >= {b0}",
    "equals": "{a0} = {b0} AND {a1} = {b1}",
    "finishedby": "{a0} < {b0} AND {a1} = {b1}", "finishes": "{a0} > {b0} AND {a1} = {b1}",
    "meets": "{a1} = {b0}", "metby": "{a0} = {b1}",
    "overlappedby": "{a0} > {b0} AND {a0} < {b1} AND {a1} > {b1}",
    "overlaps": "{a0} < {b0} AND {a1} > {b0} AND {a1} < {b1}",
    "startedby": "{a0} = {b0} AND {a1} > {b1}", "starts": "{a0} = {b0} AND {a1} < {b1}",
}  # fmt: skip
_ARRAY = {"contains": "contains", "containedby": "containedBy", "equals": "equals", "overlaps": "overlaps"}
KNOWN = (
    "and", "or", "not", "=", "<>", "<", "<=", ">", ">=", "like", "between", "in", "isNull", "casei",
    "accenti",
    *_ARITHMETIC, *(f"s_{each}" for each in SPATIAL), *(f"t_{each}" for each in _TEMPORAL),
    *(f"a_{each}" for each in _ARRAY.values()),
)  # fmt: skip


def parse_filter(value: Any, language: str | None = None) -> dict[str, Any] | bool:
    """Read a CQL2 filter.

    Parameters
    ----------
    value : str or dict
        CQL2 text, or CQL2 JSON as a dict or text.
    language : {"cql2-text", "cql2-json"}, optional
        Seen from the value unless given.

    Returns
    -------
    dict
        CQL2 JSON, valid, and of operations that swath can do.

    Raises
    ------
    InputError
        Malformed, or an operation is not known; the nearest known one is named.

    Examples
    --------
    >>> parse_filter("eo:cloud_cover < 10")
    {'op': '<', 'args': [{'property': 'eo:cloud_cover'}, 10.0]}
    """
    import cql2

    if language not in (None, "cql2-text", "cql2-json"):
        raise InputError(f"filter: the language {language!r} is not known", known=("cql2-text", "cql2-json"))
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > _LONGEST or _depth(text) > _DEEPEST:
        raise InputError("filter: it is too long or nested too deep", fix=f"keep it below {_DEEPEST} levels")
    is_json = language == "cql2-json" or not isinstance(value, str) or text.lstrip().startswith("{")
    try:
        expression = (cql2.parse_json if is_json and language != "cql2-text" else cql2.parse_text)(text)
        parsed: dict[str, Any] | bool = expression.to_json()
    except (cql2.ParseError, cql2.ValidationError, ValueError, TypeError) as error:
        where = " ".join(str(error).split())
        raise InputError(
            f"filter: {text[:200]!r} is no CQL2 ({where[:200]})",
            fix="write it like \"eo:cloud_cover < 10 AND platform = 'sentinel-2a'\"",
        ) from error
    compile_filter(parsed, Values())  # tells here, not at the first page, what cannot be done
    return parsed


def _depth(text: str) -> int:
    depth = deepest = 0
    for each in text:
        if each in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif each in ")]}":
            depth -= 1
    return deepest


def compile_filter(node: Any, values: Values) -> str:
    """Compile CQL2 JSON to a condition on the tables ``items`` and ``documents``.

    Parameters
    ----------
    node : dict or bool
        CQL2 JSON.
    values : Values
        Takes the literal values.

    Examples
    --------
    >>> values = Values()
    >>> compile_filter({"op": "<", "args": [{"property": "eo:cloud_cover"}, 10]}, values), values.held
    ('(items.cloud_cover < :v0)', {'v0': 10})
    """
    return _Compiler(values).condition(node)


class _Compiler:
    def __init__(self, values: Values) -> None:
        self._values = values

    def condition(self, node: Any) -> str:
        if isinstance(node, bool):
            return "1" if node else "0"
        if isinstance(node, dict) and "property" in node:
            return f"({json_kind(property_name(node['property']))} = 'true')"
        if not isinstance(node, dict) or not isinstance(node.get("op"), str):
            raise InputError(f"filter: {node!r} is no condition")
        name, args = node["op"].lower(), node.get("args", [])
        compiled = self._logic(name, args) or self._relation(name, args)
        if compiled is None:
            raise InputError(
                f"filter: the function {node['op']!r} is not known here", known=nearest(node["op"], KNOWN)
            )
        return compiled

    def _logic(self, name: str, args: list[Any]) -> str | None:
        if name in ("and", "or"):
            return "(" + f" {name.upper()} ".join(self.condition(each) for each in args) + ")"
        if name == "not":
            return f"(NOT {self.condition(_exactly(1, name, args)[0])})"
        return None

    def _relation(self, name: str, args: list[Any]) -> str | None:
        simple: dict[str, Callable[[list[Any]], str]] = {
            "isnull": self._is_null, "like": self._like, "between": self._between, "in": self._in,
        }  # fmt: skip
        if name in ("=", "<>", "<", "<=", ">", ">=", "!="):
            left, right = (self.term(each) for each in _exactly(2, name, args))
            return compare(name, left, right, self._values)
        if name in simple:
            return simple[name](args)
        prefix, _, relation = name.partition("_")
        if prefix == "s" and relation in SPATIAL:
            return self._spatial(relation, _exactly(2, name, args))
        if prefix == "t" and relation in _TEMPORAL:
            a, b = (self._span(each) for each in _exactly(2, name, args))
            return "(" + _TEMPORAL[relation].format(a0=a.start, a1=a.end, b0=b.start, b1=b.end) + ")"
        if prefix == "a" and relation in _ARRAY:
            left_array, right_array = (self._array(each) for each in _exactly(2, name, args))
            return f"swath_array('{_ARRAY[relation]}', {left_array}, {right_array})"
        return None

    def _is_null(self, args: list[Any]) -> str:
        term = self.term(_exactly(1, "isNull", args)[0])
        return f"({term.sql} IS NULL)"

    def _like(self, args: list[Any]) -> str:
        left, pattern = (self.term(each) for each in _exactly(2, "like", args))
        return f"swath_like({left.as_text()}, {pattern.as_text()})"

    def _between(self, args: list[Any]) -> str:
        value, low, high = (self.term(each) for each in _exactly(3, "between", args))
        return f"({compare('>=', value, low, self._values)} AND {compare('<=', value, high, self._values)})"

    def _in(self, args: list[Any]) -> str:
        value, known = _exactly(2, "in", args)
        term = self.term(value)
        if not isinstance(known, list):
            raise InputError(f"filter: 'in' needs a list, got {known!r}")
        if term.kind != "instant" and known and all(isinstance(each, str) for each in known):
            return (
                f"({term.as_text()} IN (SELECT value FROM json_each({self._values.bind(json.dumps(known))})))"
            )
        if len(known) > 500:
            raise InputError("filter: the list of 'in' has more than 500 values that are no texts")
        return (
            "("
            + (" OR ".join(compare("=", term, self.term(each), self._values) for each in known) or "0")
            + ")"
        )

    def term(self, node: Any) -> Term:
        if isinstance(node, dict):
            if "property" in node:
                return property_term(property_name(node["property"]))
            if "timestamp" in node or "date" in node:
                instant = to_microseconds(parse_instant(str(node.get("timestamp", node.get("date")))))
                return Term(self._values.bind(instant), "instant")
            if isinstance(node.get("op"), str):
                return self._function(node["op"], node.get("args", []))
        if isinstance(node, bool):
            return Term("1" if node else "0", "boolean")
        if isinstance(node, (int, float)):
            return Term(self._values.bind(node if abs(node) < 2**63 else float(node)), NUMBER)
        if isinstance(node, str):
            return Term(self._values.bind(node), TEXT, literal=node)
        if node is None:
            return Term("NULL", "null")
        raise InputError(f"filter: {json.dumps(node)[:100]} is no single value")

    def _function(self, written: str, args: list[Any]) -> Term:
        name = written.lower()
        if name in ("casei", "accenti"):
            inner = self.term(_exactly(1, name, args)[0])
            return Term(f"swath_{name}({inner.as_text()})", TEXT)
        if name in _ARITHMETIC:
            if name == "-" and len(args) == 1:
                args = [0, *args]
            left, right = (self.term(each).as_number() for each in _exactly(2, name, args))
            return Term(_ARITHMETIC[name].format(left, right), NUMBER)
        return Term(self.condition({"op": written, "args": args}), "boolean")

    def _spatial(self, relation: str, args: list[Any]) -> str:
        mine, other = args
        if _names_geometry(other):
            mine, other, relation = other, mine, _SWAPPED.get(relation, relation)
        if not _names_geometry(mine) or _names_geometry(other):
            raise InputError(
                f"filter: s_{relation} compares 'geometry' with a geometry, got {json.dumps(args)[:120]}"
            )
        bound = self._values.bind(geometry_text(other))
        return f"swath_spatial('{relation}', documents.geometry, {bound})"

    def _array(self, node: Any) -> str:
        if isinstance(node, list):
            return self._values.bind(json.dumps(node))
        if isinstance(node, dict) and "property" in node:
            name = property_name(node["property"])
            return f"CASE WHEN {json_kind(name)} = 'array' THEN {json_value(name)} END"
        raise InputError(f"filter: {json.dumps(node)[:100]} is no array")

    def _span(self, node: Any) -> Span:
        if isinstance(node, dict) and "interval" in node:
            start, end = node["interval"]
            return Span(self._end(start, first=True), self._end(end, first=False))
        if isinstance(node, dict) and property_name(str(node.get("property", "-"))) == "datetime":
            return Span("items.start_us", "items.end_us")  # without an instant: from start to end
        if isinstance(node, dict) and "date" in node:
            interval = parse_interval(str(node["date"]))
            ends = [
                self._values.bind(to_microseconds(each)) for each in (interval.start, interval.end) if each
            ]
            return Span(ends[0], ends[1])
        instant = self.term(node).as_instant(self._values)
        return Span(instant, instant)

    def _end(self, node: Any, *, first: bool) -> str:
        if node == "..":
            return self._values.bind(-(2**62) if first else 2**62)
        if isinstance(node, str):
            interval = parse_interval(node)
            instant = interval.start if first else interval.end
            if instant is not None:
                return self._values.bind(to_microseconds(instant))
        return self.term(node).as_instant(self._values)


def _names_geometry(node: Any) -> bool:
    return isinstance(node, dict) and node.get("property") in ("geometry", "properties.geometry")


def geometry_text(node: Any) -> str:
    """Give the GeoJSON text of a geometry or box that stands in a filter."""
    import shapely

    if isinstance(node, dict) and "bbox" in node:
        box = parse_bbox(node["bbox"])
        return str(shapely.to_geojson(shapely.union_all([shapely.box(*part) for part in box.parts()])))
    return str(shapely.to_geojson(parse_geometry(node)))


def _exactly(count: int, name: str, args: Any) -> list[Any]:
    if not isinstance(args, list) or len(args) != count:
        raise InputError(f"filter: {name!r} takes {count} values, got {len(args)}")
    return args


def spatial_parts(node: Any) -> list[str]:
    """List the geometries (GeoJSON text) that every item which fits a filter must meet."""
    if isinstance(node, dict) and str(node.get("op")).lower() == "and":
        return [text for each in node["args"] for text in spatial_parts(each)]
    relation = str(node.get("op")).lower().removeprefix("s_") if isinstance(node, dict) else ""
    if relation in SPATIAL and relation != "disjoint":
        return [geometry_text(each) for each in node["args"] if not _names_geometry(each)]
    return []
