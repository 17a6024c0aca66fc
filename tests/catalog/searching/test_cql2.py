"""CQL2 finds what evaluating the same filter in plain Python finds, with null as neither true nor false."""

from __future__ import annotations

import datetime as dt
import json
import operator
import random
import re
import unicodedata

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import shape

from swath.catalog import SqliteCatalog
from swath.catalog.searching.cql2 import parse_filter
from swath.model import InputError
from swath.testing.contracts import make_item

_SIGNS = {
    "=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_RNG = random.Random(5)
_T0 = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def _stamp(days: int) -> str:
    return (_T0 + dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _made(number: int) -> dict:
    more: dict = {}
    if _RNG.random() < 0.7:
        more["eo__cloud_cover"] = float(_RNG.randrange(5))
    if _RNG.random() < 0.7:
        more["n"] = _RNG.choice([0, 1, 2, 3, 2.5, "2", True, None])
    if _RNG.random() < 0.7:
        more["name"] = _RNG.choice(["abc", "ABC", "äbc", "a%c", "a_c", "it's", ""])
    if _RNG.random() < 0.5:
        more["flag"] = _RNG.random() < 0.5
    if _RNG.random() < 0.5:
        more["tags"] = _RNG.sample(["x", "y", 1], _RNG.randrange(4))
    if _RNG.random() < 0.5:
        more["updated"] = _stamp(_RNG.randrange(10))
    corner = (float(_RNG.randrange(0, 20)), float(_RNG.randrange(0, 20)))
    day = _RNG.randrange(10)
    when: str | None = _stamp(day)
    if number % 5 == 0:
        when = None
        more |= {"start_datetime": _stamp(day), "end_datetime": _stamp(day + _RNG.randrange(1, 5))}
    return make_item(f"q{number:02}", corner=None if number % 13 == 0 else corner, datetime=when, **more)


ITEMS = [_made(number) for number in range(80)]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    with SqliteCatalog(tmp_path_factory.mktemp("cql2") / "c.sqlite", create=True) as held:
        assert held.upsert_items(ITEMS).rejected == []
        yield held


def _found(catalog, spelled) -> set[str]:
    return {i["id"] for i in catalog.search(filter=spelled, limit=1000).items_as_dicts()}


# ---- the same in plain Python


def _value(node, item):
    if isinstance(node, dict) and "property" in node:
        name = node["property"].removeprefix("properties.")
        held = item[name] if name in ("id", "collection", "geometry") else item["properties"].get(name)
        if isinstance(held, str) and name in ("datetime", "created", "updated"):
            return dt.datetime.fromisoformat(held)
        return held
    if isinstance(node, dict) and "timestamp" in node:
        return dt.datetime.fromisoformat(node["timestamp"])
    if isinstance(node, dict) and node.get("op") in ("casei", "accenti"):
        text = _value(node["args"][0], item)
        if not isinstance(text, str):
            return None
        if node["op"] == "casei":
            return text.casefold()
        return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    if isinstance(node, dict) and node.get("op") in "+-*":
        a, b = (_value(each, item) for each in node["args"])
        if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in (a, b)):
            return None
        return {"+": a + b, "-": a - b, "*": a * b}[node["op"]]
    return node


def _same_kind(a, b) -> bool:
    def kind(value):
        if isinstance(value, bool):
            return "bool"
        return "number" if isinstance(value, (int, float)) else type(value).__name__

    return kind(a) == kind(b)


def _holds(node, item):
    op, args = node["op"], node["args"]
    if op in ("and", "or"):
        parts = [_holds(each, item) for each in args]
        decisive = op == "or"
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive
    if op == "not":
        inner = _holds(args[0], item)
        return None if inner is None else not inner
    if op == "isNull":
        return _value(args[0], item) is None
    if op == "between":
        low, high = {"op": ">=", "args": args[:2]}, {"op": "<=", "args": [args[0], args[2]]}
        return _holds({"op": "and", "args": [low, high]}, item)
    if op == "in":
        return _holds({"op": "or", "args": [{"op": "=", "args": [args[0], each]} for each in args[1]]}, item)
    if op == "like":
        text = _value(args[0], item)
        if not isinstance(text, str):
            return None
        return (
            re.fullmatch(re.escape(args[1]).replace("%", ".*").replace("_", "."), text, re.DOTALL) is not None
        )
    if op == "s_intersects":
        return None if item["geometry"] is None else shape(item["geometry"]).intersects(shape(args[1]))
    a, b = (_value(each, item) for each in args)
    if a is None or b is None or not _same_kind(a, b):
        return None
    return _SIGNS[op](a, b)


def _prop(name):
    return {"property": name}


numbers = st.tuples(
    st.sampled_from(list(_SIGNS)),
    st.sampled_from(["eo:cloud_cover", "n", "properties.n"]),
    st.integers(-1, 5),
).map(lambda t: {"op": t[0], "args": [_prop(t[1]), t[2]]})
texts = st.tuples(
    st.sampled_from(list(_SIGNS)),
    st.sampled_from(["name", "id", "n"]),
    st.sampled_from(["abc", "q40", "2", "it's", ""]),
).map(lambda t: {"op": t[0], "args": [_prop(t[1]), t[2]]})
folded = st.tuples(st.sampled_from(["casei", "accenti"]), st.sampled_from(["abc", "ABC", "äBC"])).map(
    lambda t: {"op": "=", "args": [{"op": t[0], "args": [_prop("name")]}, {"op": t[0], "args": [t[1]]}]}
)
flags = st.booleans().map(lambda v: {"op": "=", "args": [_prop("flag"), v]})
times = st.tuples(
    st.sampled_from(list(_SIGNS)), st.sampled_from(["datetime", "updated"]), st.integers(-1, 11)
).map(lambda t: {"op": t[0], "args": [_prop(t[1]), {"timestamp": _stamp(t[2])}]})
nulls = st.sampled_from(["n", "name", "eo:cloud_cover", "datetime", "geometry", "nothing"]).map(
    lambda n: {"op": "isNull", "args": [_prop(n)]}
)
ranges = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(
    lambda t: {"op": "between", "args": [_prop("n"), t[0], t[1]]}
)
lists = st.lists(st.sampled_from([0, 1, 2, 2.5]), min_size=1, max_size=3).map(
    lambda v: {"op": "in", "args": [_prop("n"), v]}
) | st.lists(st.sampled_from(["abc", "a_c"]), min_size=1).map(
    lambda v: {"op": "in", "args": [_prop("name"), v]}
)
likes = st.sampled_from(["a%", "%b%", "a_c", "", "%"]).map(
    lambda p: {"op": "like", "args": [_prop("name"), p]}
)
sums = st.tuples(st.sampled_from("+-*"), st.integers(-1, 5)).map(
    lambda t: {"op": ">", "args": [{"op": t[0], "args": [_prop("n"), _prop("eo:cloud_cover")]}, t[1]]}
)
places = st.tuples(st.integers(0, 18), st.integers(0, 18)).map(
    lambda t: {
        "op": "s_intersects",
        "args": [
            _prop("geometry"),
            shapely.geometry.mapping(shapely.Point(t[0] + 0.5, t[1] + 0.5).buffer(2.2)),
        ],
    }
)
leaves = numbers | texts | folded | flags | times | nulls | ranges | lists | likes | sums | places
filters = st.recursive(
    leaves,
    lambda inner: (
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda t: {"op": t[0], "args": t[1]}
        )
        | inner.map(lambda each: {"op": "not", "args": [each]})
    ),
    max_leaves=6,
)


@settings(max_examples=250, deadline=None)
@given(filters)
def test_filters_agree_with_plain_python(catalog, node):
    node = json.loads(json.dumps(node))
    assert _found(catalog, node) == {i["id"] for i in ITEMS if _holds(node, i) is True}


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("eo:cloud_cover < 4 AND name = 'it''s'",
         lambda p: p.get("eo:cloud_cover", 9) < 4 and p.get("name") == "it's"),
        ("name LIKE 'a\\%c'", lambda p: p.get("name") == "a%c"),
        ("flag", lambda p: p.get("flag") is True),
        ("NOT flag", lambda p: p.get("flag") is False),
        ("eo:cloud_cover / 2 = 1.5", lambda p: p.get("eo:cloud_cover") == 3),
        ("eo:cloud_cover div 2 = 1", lambda p: p.get("eo:cloud_cover") in (2, 3)),
        ("eo:cloud_cover % 3 = 1", lambda p: p.get("eo:cloud_cover") in (1, 4)),
        ("eo:cloud_cover ^ 2 = 9", lambda p: p.get("eo:cloud_cover") == 3),
        ("a_contains(tags, ('x'))", lambda p: "x" in p.get("tags", [])),
        ("a_overlaps(tags, ('x', 1))", lambda p: bool({"x", 1} & set(p.get("tags", [])))),
        ("a_containedBy(tags, ('x', 'y'))", lambda p: "tags" in p and set(p["tags"]) <= {"x", "y"}),
        ("a_equals(tags, ('y', 'x'))", lambda p: "tags" in p and set(p["tags"]) == {"x", "y"}),
        ("casei(name) LIKE casei('AB%')", lambda p: p.get("name", "").lower().startswith("ab")),
        ("updated >= TIMESTAMP('2020-01-05T00:00:00Z')", lambda p: p.get("updated", "") >= "2020-01-05"),
        ("updated >= '2020-01-05T00:00:00Z'", lambda p: p.get("updated", "") >= "2020-01-05"),
        ("end_datetime > DATE('2020-01-08')", lambda p: p.get("end_datetime", "") > "2020-01-08T00:00:00Z"),
    ],
)  # fmt: skip
def test_text_means(catalog, spelled, meant):
    wanted = {i["id"] for i in ITEMS if meant(i["properties"])}
    assert wanted
    assert _found(catalog, spelled) == wanted


_ALLEN = {
    "t_after": lambda a, b: a[0] > b[1],
    "t_before": lambda a, b: a[1] < b[0],
    "t_contains": lambda a, b: a[0] < b[0] and a[1] > b[1],
    "t_during": lambda a, b: a[0] > b[0] and a[1] < b[1],
    "t_disjoint": lambda a, b: a[0] > b[1] or a[1] < b[0],
    "t_equals": lambda a, b: a == b,
    "t_intersects": lambda a, b: not (a[0] > b[1] or a[1] < b[0]),
    "t_finishedBy": lambda a, b: a[0] < b[0] and a[1] == b[1],
    "t_finishes": lambda a, b: a[0] > b[0] and a[1] == b[1],
    "t_meets": lambda a, b: a[1] == b[0],
    "t_metBy": lambda a, b: a[0] == b[1],
    "t_overlaps": lambda a, b: a[0] < b[0] < a[1] < b[1],
    "t_overlappedBy": lambda a, b: b[0] < a[0] < b[1] < a[1],
    "t_startedBy": lambda a, b: a[0] == b[0] and a[1] > b[1],
    "t_starts": lambda a, b: a[0] == b[0] and a[1] < b[1],
}


@pytest.mark.parametrize("name", sorted(_ALLEN))
def test_temporal_relations(catalog, name):
    for first, last in ((2, 6), (4, 8), (0, 12)):
        other = (_stamp(first), _stamp(last))
        wanted = set()
        for item in ITEMS:
            p = item["properties"]
            mine = (p["datetime"] or p["start_datetime"], p["datetime"] or p["end_datetime"])
            if _ALLEN[name](mine, other):
                wanted.add(item["id"])
        assert _found(catalog, f"{name}(datetime, INTERVAL('{other[0]}', '{other[1]}'))") == wanted


@pytest.mark.parametrize(
    "relation", ["contains", "crosses", "disjoint", "equals", "intersects", "overlaps", "touches", "within"]
)
def test_spatial_relations(catalog, relation):
    some = next(i for i in ITEMS if i["geometry"])
    for other in (shapely.box(0, 0, 12, 12), shapely.Point(10.5, 9.5), shape(some["geometry"])):
        placed = [i for i in ITEMS if i["geometry"]]
        wanted = {i["id"] for i in placed if getattr(shape(i["geometry"]), relation)(other)}
        assert _found(catalog, f"s_{relation}(geometry, {other.wkt})") == wanted
        turned = {i["id"] for i in placed if getattr(other, relation)(shape(i["geometry"]))}
        assert _found(catalog, f"s_{relation}({other.wkt}, geometry)") == turned


def test_box_over_180_in_a_filter(tmp_path):
    with SqliteCatalog(tmp_path / "c.sqlite", create=True) as catalog:
        catalog.upsert_items([make_item("over", corner=(179.0, 0.0)), make_item("here", corner=(0.0, 0.0))])
        assert _found(catalog, "s_intersects(geometry, BBOX(179.5, 0, -179.5, 1))") == {"over"}


@pytest.mark.parametrize(
    ("spelled", "told"),
    [
        ("s_near(geometry, POINT(1 2))", "s_near"),
        ("foo(x) = 1", "foo"),
        ("a <", "no CQL2"),
        ("s_intersects(geometry, name)", "geometry"),
        ("geometry = 1", "geometry"),
        ("updated > TIMESTAMP('2020-13-45T00:00:00Z')", "2020-13"),
        ("(" * 70 + "a = 1" + ")" * 70, "too deep|too long"),
        ({"op": "between", "args": [{"property": "a"}, 1]}, "between|no CQL2"),
        ({"nonsense": 1}, "no CQL2|no condition"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told(spelled, told):
    with pytest.raises(InputError, match=told):
        parse_filter(spelled)


def test_unknown_function_names_what_is_known():
    with pytest.raises(InputError, match="s_intersect'") as caught:
        parse_filter("s_intersect(geometry, POINT(1 2))")
    assert caught.value.known[0] == "s_intersects"


@pytest.mark.parametrize("name", ["x' OR 1=1 --", "a\\", "ü", "a.b", "it's"])
def test_names_cannot_leave_their_quotes(tmp_path, name):
    with SqliteCatalog(tmp_path / "c.sqlite", create=True) as catalog:
        item = make_item("one")
        item["properties"][name] = 7
        assert catalog.upsert_items([item, make_item("other")]).added == 2
        assert _found(catalog, {"op": "=", "args": [{"property": name}, 7]}) == {"one"}
        assert [i["id"] for i in catalog.search(sortby=[f"-{name}"]).items_as_dicts()] == ["one", "other"]
