"""The commands of ``swath catalog``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, read_settings, say
from swath.cli.mirror import mirror
from swath.cli.order import order, orders
from swath.cli.recipe import recipe
from swath.cli.search_options import (
    BboxOption,
    CatalogOption,
    CollectionsOption,
    DatetimeOption,
    FilterOption,
    IdsOption,
    IntersectsOption,
    read_geometry,
)
from swath.cli.stage import stage
from swath.model import InputError

if TYPE_CHECKING:
    from swath.catalog import Catalog, IngestReport

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="STAC collections and items: take in, search, give out."
)

_REJECTED_SHOWN = 50

app.command()(stage)
app.command()(recipe)
app.command()(order)
app.command()(orders)


def _open(where: str, *, create: bool = False) -> Catalog:
    from swath.catalog import open_catalog

    return open_catalog(where or read_settings().catalog_path, create=create)


@app.command()
def init(
    index: Annotated[
        list[str] | None,
        typer.Option(help="Index a property, so that sorting by it is quick; may be repeated."),
    ] = None,
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make an empty catalog; one that is there stays as it is."""
    from swath.catalog import SqliteCatalog

    with _open(catalog, create=True) as held:
        for name in index or ():
            if isinstance(held, SqliteCatalog):
                held.index_property(name)
        count = held.count()
        if as_json:
            emit_json({"catalog": held.location, "items": count})
        else:
            print(held.location)
            say(f"{count} items")


@app.command()
def ingest(
    source: Annotated[
        str, typer.Argument(help="File, folder or address: static STAC, items, GeoParquet, API.")
    ],
    collection: Annotated[str | None, typer.Option(help="Put the items into this collection.")] = None,
    pattern: Annotated[
        str | None, typer.Option(help="Names of rasters: '{collection}_{datetime:%Y%m%d}_{band}.tif'.")
    ] = None,
    bbox: BboxOption = None,
    datetime: DatetimeOption = None,
    max_items: Annotated[int | None, typer.Option(help="Stop after this many.")] = None,
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take the items of a source in; those that are there already are replaced."""
    from swath.catalog import ingest as take_in

    with _open(catalog, create=True) as held:
        report = take_in(
            held, source, collection=collection, pattern=pattern, bbox=bbox, datetime=datetime,
            max_items=max_items, progress=_progress if sys.stderr.isatty() else None,
        )  # fmt: skip
    _tell_rejected(report)
    if as_json:
        emit_json(report.to_dict())
    else:
        print(f"{report.added} added, {report.updated} updated, {len(report.rejected)} rejected")
    if report.rejected and not (report.accepted or report.collections):
        raise typer.Exit(2)


def _progress(report: IngestReport) -> None:
    say(f"{report.accepted} items so far")


def _tell_rejected(report: IngestReport) -> None:
    for each in report.rejected[:_REJECTED_SHOWN]:
        say(f"rejected: {each.id}: {each.reason}")
    if len(report.rejected) > _REJECTED_SHOWN:
        say(f"rejected: … and {len(report.rejected) - _REJECTED_SHOWN} more (all of them with --json)")


@app.command()
def search(
    where: Annotated[
        str, typer.Argument(help="As --catalog: NAME:folder/catalog.json, s3://..., https://...")
    ] = "",
    collections: CollectionsOption = None,
    ids: IdsOption = None,
    bbox: BboxOption = None,
    intersects: IntersectsOption = None,
    datetime: DatetimeOption = None,
    filter: FilterOption = None,
    sortby: Annotated[
        str | None, typer.Option(help="-eo:cloud_cover,id; the newest first unless given.")
    ] = None,
    fields: Annotated[str | None, typer.Option(help="Parts of items: id,properties.gsd,-links.")] = None,
    limit: Annotated[int, typer.Option(help="Items in this page.")] = 100,
    token: Annotated[str | None, typer.Option(help="Where to begin: from the last page.")] = None,
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Search items; all that is given must hold."""
    from swath.catalog.search import as_feature_collection

    if where and catalog:
        raise InputError(f"catalog: {where!r} and {catalog!r} are two", fix="name one")
    with _open(where or catalog) as held:
        found = held.search(
            collections=collections, ids=ids, bbox=bbox, intersects=read_geometry(intersects),
            datetime=datetime, filter=filter, sortby=sortby, fields=fields, limit=limit, token=token,
        )  # fmt: skip
        page = found.page()
        matched = found.matched()
    if as_json:
        emit_json({**as_feature_collection(page), "numberMatched": matched})
        return
    emit_table(("collection", "id", "datetime", "cloud"), map(_row, page.items))
    say(f"{len(page.items)} of {'?' if matched is None else matched} items")
    if page.token is not None:
        say(f"the next page: --token {page.token}")


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    properties = item.get("properties", {})
    when = properties.get("datetime") or "/".join(
        str(properties.get(name, "..")) for name in ("start_datetime", "end_datetime")
    )
    return (item.get("collection", ""), item["id"], when, str(properties.get("eo:cloud_cover", "")))


@app.command()
def collections(
    collection: Annotated[str | None, typer.Argument(help="Tell all about this one.")] = None,
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the collections, or show one."""
    with _open(catalog) as held:
        if collection is not None:
            body = held.get_collection(collection)
            if as_json:
                emit_json(body)
            else:
                print(json.dumps(body, indent=2, ensure_ascii=False))
            return
        bodies = held.collections()
        if as_json:
            emit_json(bodies)
            return
        emit_table(
            ("id", "items", "from", "to", "title"),
            ((each["id"], held.count(each["id"]), *_times(each), each.get("title", "")) for each in bodies),
        )


def _times(body: dict[str, Any]) -> tuple[str, str]:
    start, end = body["extent"]["temporal"]["interval"][0]
    return (start or "..")[:10], (end or "..")[:10]


@app.command()
def export(
    target: Annotated[
        str, typer.Argument(help="A .parquet file, or a new folder for a static STAC catalog.")
    ],
    collections: CollectionsOption = None,
    bbox: BboxOption = None,
    datetime: DatetimeOption = None,
    filter: FilterOption = None,
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the items that a search finds, or all, as stac-geoparquet or a static catalog."""
    from swath.catalog.export import export as write

    with _open(catalog) as held:
        count = write(held, target, collections=collections, bbox=bbox, datetime=datetime, filter=filter)
    if as_json:
        emit_json({"target": target, "items": count})
    else:
        print(f"{count} items written to {target}")


@app.command()
def remove(
    collection: Annotated[str, typer.Argument(help="The collection, with all its items.")],
    ids: Annotated[str | None, typer.Option(help="Only these items, with commas between.")] = None,
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Remove a collection, or some of its items; files that they name stay."""
    with _open(catalog) as held:
        if ids is None:
            count = held.delete_collection(collection)
        else:
            count = held.delete_items(collection, [each.strip() for each in ids.split(",")])
    if as_json:
        emit_json({"collection": collection, "items": count})
    else:
        print(f"{count} items removed")


app.command()(mirror)
