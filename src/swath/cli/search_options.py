"""Options of the commands that search a catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

CatalogOption = Annotated[
    str,
    typer.Option(
        "--catalog", help="Catalog file, API, or catalog.json here or in a store; else the settings'."
    ),
]
CollectionsOption = Annotated[str | None, typer.Option(help="Ids of collections, with commas between.")]
BboxOption = Annotated[str | None, typer.Option(help="West,south,east,north in degrees.")]
DatetimeOption = Annotated[str | None, typer.Option(help="2019, 2019-06/2020-03, 2020-01-05/..")]
IdsOption = Annotated[str | None, typer.Option(help="Ids of items, with commas between.")]
IntersectsOption = Annotated[str | None, typer.Option(help="GeoJSON geometry or feature, or a file of one.")]
FilterOption = Annotated[str | None, typer.Option(help='CQL2 text or JSON: "eo:cloud_cover < 10".')]


def read_geometry(text: str | None) -> str | None:
    """Take the text of a geometry, or the file that it names."""
    if text is None or text.lstrip().startswith("{"):
        return text
    from swath.model import InputError

    try:
        return Path(text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"intersects: {text!r} is no file that can be read ({error})") from error


def search_asked(
    command: str,
    *,
    collections: str | None,
    ids: str | None,
    bbox: str | None,
    intersects: str | None,
    datetime: str | None,
    filter: str | None,
) -> dict[str, Any]:
    """Put together what a search is asked, for a command that does not take a whole catalog by mistake.

    Raises
    ------
    InputError
        Nothing is asked.
    """
    asked = {
        "collections": collections, "ids": ids, "bbox": bbox, "intersects": read_geometry(intersects),
        "datetime": datetime, "filter": filter,
    }  # fmt: skip
    if all(each is None for each in asked.values()):
        from swath.model import InputError

        raise InputError(f"{command}: nothing says which items are meant", fix="such as --collections NAME")
    return asked
