"""Small parts of SQL: bound values, and the expressions that stand for an item's properties."""

from __future__ import annotations

from typing import Any

from swath.model import InputError

COLUMNS = {
    "id": "items.id",
    "collection": "items.collection",
    "datetime": "items.instant_us",
    "created": "items.created_us",
    "updated": "items.updated_us",
    "eo:cloud_cover": "items.cloud_cover",
}
"""Properties that have a column of their own."""
INSTANTS = frozenset({"datetime", "created", "updated", "start_datetime", "end_datetime"})
"""Properties that hold instants."""


class Values:
    """The values that a statement binds, each under a name."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def bind(self, value: Any) -> str:
        """Keep a value and give the name that stands for it in the statement."""
        name = f"v{len(self.held)}"
        self.held[name] = value
        return f":{name}"


def property_name(written: str) -> str:
    """Take ``properties.`` off a name.

    Examples
    --------
    >>> property_name("properties.eo:cloud_cover"), property_name("id")
    ('eo:cloud_cover', 'id')
    """
    name = written.strip().removeprefix("properties.")
    if not name or '"' in name or len(name) > 200 or any(ord(each) < 32 for each in name):
        raise InputError(f"catalog: {written!r} cannot be the name of a property")
    return name


def json_path(name: str) -> str:
    r"""Write a property's JSON path as an SQL text.

    Examples
    --------
    >>> json_path("it's")
    '\'$."it\'\'s"\''
    """
    return "'$.\"" + name.replace("\\", "\\\\").replace("'", "''") + "\"'"


def json_value(name: str) -> str:
    """Give the SQL of a property's value, as it stands in its JSON; written always alike for the indexes."""
    return f"json_extract(documents.properties, {json_path(name)})"


def json_kind(name: str) -> str:
    """Give the SQL of a property's JSON type."""
    return f"json_type(documents.properties, {json_path(name)})"
