"""The Fields extension: parts of items instead of whole ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from swath.model import InputError

_ALWAYS = ("type", "id", "collection")
_DEFAULT = (
    "type",
    "stac_version",
    "id",
    "collection",
    "geometry",
    "bbox",
    "links",
    "assets",
    "properties.datetime",
)
_TOP = frozenset({"stac_extensions", *(each.partition(".")[0] for each in _DEFAULT), "properties"})


@dataclass(frozen=True, slots=True)
class Fields:
    """Which parts of an item to give."""

    include: tuple[tuple[str, ...], ...]
    """Paths to keep; none: all."""
    exclude: tuple[tuple[str, ...], ...]
    """Paths to leave out."""

    def apply(self, item: dict[str, Any]) -> dict[str, Any]:
        """Give an item's asked parts; its id, type and collection always stay.

        Examples
        --------
        >>> item = {"type": "Feature", "id": "a", "properties": {"gsd": 10, "x": 1}, "assets": {}}
        >>> parse_fields("properties.gsd").apply(item)
        {'type': 'Feature', 'id': 'a', 'properties': {'gsd': 10}}
        >>> parse_fields("-assets").apply(item)
        {'type': 'Feature', 'id': 'a', 'properties': {'gsd': 10, 'x': 1}}
        """
        out = item
        if self.include:
            out = {key: item[key] for key in _ALWAYS if key in item}
            for path in self.include:
                _copy(item, out, path)
            out = {key: out[key] for key in item if key in out}
        for path in self.exclude:
            out = _without(out, path)
        return out


def _copy(item: Any, out: dict[str, Any], path: tuple[str, ...]) -> None:
    head, *tail = path
    if not isinstance(item, dict) or head not in item:
        return
    if not tail:
        out[head] = item[head]
    elif isinstance(item[head], dict):
        held = out.get(head, {})
        if held is not item[head]:  # else it is there whole already
            out[head] = dict(held)
            _copy(item[head], out[head], tuple(tail))


def _without(item: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    head, *tail = path
    if head not in item or (not tail and head in _ALWAYS):
        return item
    if not tail:
        return {key: value for key, value in item.items() if key != head}
    held = item[head]
    return {**item, head: _without(held, tuple(tail))} if isinstance(held, dict) else item


def parse_fields(value: Any) -> Fields:
    """Read which parts are asked.

    Parameters
    ----------
    value : str, list of str or dict
        ``id,properties.gsd,-links``, a list of such, or ``{"include": [...], "exclude": [...]}``. A name
        that is none of an item's own is taken as a property (``gsd`` for ``properties.gsd``).
    """
    if isinstance(value, str):
        value = [each for each in value.split(",") if each.strip()]
    if isinstance(value, (list, tuple)):
        names = [str(each).strip() for each in value]
        value = {
            "include": [each.removeprefix("+") for each in names if not each.startswith("-")],
            "exclude": [each[1:] for each in names if each.startswith("-")],
        }
    if not isinstance(value, dict) or not value.keys() <= {"include", "exclude"}:
        raise InputError(f"fields: {value!r} names no fields", fix="write them like id,properties.gsd,-links")
    include, exclude = (value.get(key) or () for key in ("include", "exclude"))
    if not include and not exclude:
        include = _DEFAULT
    return Fields(tuple(map(_path, include)), tuple(map(_path, exclude)))


def _path(name: str) -> tuple[str, ...]:
    head, _, tail = str(name).partition(".")
    if head == "properties":
        return (head, tail) if tail else (head,)
    if head in _TOP:
        return tuple(str(name).split("."))
    return ("properties", str(name))
