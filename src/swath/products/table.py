"""A table as CSV and (Geo)Parquet, and its item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swath.model import InputError
from swath.storage.whole import file_name, write_json, writing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from swath.products.lineage import Lineage

FORMATS = ("csv", "parquet")
"""What a table can be written as."""


def write_table(
    folder: Path,
    table: pd.DataFrame,
    *,
    id: str,
    start: dt.datetime,
    end: dt.datetime,
    geometry: Any,
    lineage: Lineage,
    formats: Sequence[str] = FORMATS,
    title: str = "",
) -> dict[str, Any]:
    """Write a table in some formats, and last of all its item.

    Parameters
    ----------
    folder : Path
        Where the files go: ``<id>.csv``, ``<id>.parquet``, ``<id>.json``.
    table : pandas.DataFrame or geopandas.GeoDataFrame
        Rows in the order in which they are written; geometries become WKT in CSV and GeoParquet in Parquet.
    id : str
        Id of the item.
    start, end : aware datetime
        What the table stands for.
    geometry : shapely geometry or GeoJSON mapping, or None
        Where it is, WGS 84, degrees; None when it is nowhere.
    lineage : Lineage
        How it was made.
    formats : sequence of str
        Some of ``FORMATS``.
    title : str
        One phrase for people.

    Returns
    -------
    dict
        The item (STAC 1.1), with hrefs relative to itself.
    """
    from swath.products.footprint import geometry_and_bbox
    from swath.products.item import MEDIA_TYPES, make_item
    from swath.storage.checksum import file_checksum

    unknown = [each for each in formats if each not in FORMATS]
    if unknown or not formats:
        raise InputError(f"table: cannot write the formats {list(formats)!r}", known=FORMATS)
    stem = file_name(id)
    assets = {}
    for form in formats:
        path = folder / f"{stem}.{form}"
        with writing(path) as part:
            _write(part, table, form)
        assets[form] = {
            "href": f"./{path.name}",
            "type": MEDIA_TYPES[form],
            "roles": ["data"],
            "title": "Table" if form == "csv" else "Table (Parquet)",
            "file:checksum": file_checksum(path),
            "file:size": path.stat().st_size,
        }
    item = make_item(
        id,
        interval=(start, end),
        where=None if geometry is None else geometry_and_bbox(_shape(geometry)),
        assets=assets,
        properties={**_columns(table), **({"title": title} if title else {})},
        lineage=lineage,
        extensions=("table",),
    )
    write_json(folder / f"{stem}.json", item)
    return item


def _write(path: Path, table: pd.DataFrame, form: str) -> None:
    if form == "csv":
        import pandas as pd

        flat = pd.DataFrame(table)
        for name in _geometry_columns(table):
            flat[name] = table[name].to_wkt()
        flat.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")
    else:
        table.to_parquet(path, index=False)


def _geometry_columns(table: pd.DataFrame) -> list[str]:
    return [str(name) for name, dtype in table.dtypes.items() if dtype.name == "geometry"]


def _columns(table: pd.DataFrame) -> Mapping[str, Any]:
    """Describe rows and columns as the table extension does."""
    places = _geometry_columns(table)
    described: dict[str, Any] = {
        "table:row_count": len(table),
        "table:columns": [{"name": str(name), "type": dtype.name} for name, dtype in table.dtypes.items()],
    }
    if places:
        described["table:primary_geometry"] = places[0]
    return described


def _shape(geometry: Any) -> Any:
    from shapely.geometry import shape

    return shape(geometry) if isinstance(geometry, dict) else geometry
