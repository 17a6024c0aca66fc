"""``swath catalog order`` and ``orders``: has missing assets made, and tells what was made and is kept."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, program, read_settings, say
from swath.cli.search_options import (
    BboxOption,
    CatalogOption,
    CollectionsOption,
    DatetimeOption,
    FilterOption,
    IdsOption,
    IntersectsOption,
    search_asked,
)
from swath.cli.slurm_options import SLURM, AccountOption, PartitionOption, QosOption, SlurmOption

if TYPE_CHECKING:
    from swath.config import Settings
    from swath.jobs import Request
    from swath.jobs.orders import Made, OrderRow
    from swath.sites.slurm import SlurmResources

_NAMED = 20


def order(
    collections: CollectionsOption = None,
    ids: IdsOption = None,
    bbox: BboxOption = None,
    intersects: IntersectsOption = None,
    datetime: DatetimeOption = None,
    filter: FilterOption = None,
    assets: Annotated[
        str | None,
        typer.Option(help="Assets or bands, with commas between; all that can be made unless given."),
    ] = None,
    on: Annotated[
        str, typer.Option("--on", metavar="SITE", help="Where they are made; see `swath sites list`.")
    ] = "local",
    partition: PartitionOption = "",
    account: AccountOption = "",
    qos: QosOption = "",
    time: Annotated[
        str, typer.Option(help="Slurm: longest time of a job, such as 02:00:00.", rich_help_panel=SLURM)
    ] = "",
    slurm: SlurmOption = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave it to a process of its own, and return at once.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell how many there are, make none.")] = False,
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Have assets made that items lack, by the recipes of their collections; each is made once."""
    from swath.catalog import open_catalog
    from swath.cli.foreground import stopping
    from swath.jobs import orders as room
    from swath.jobs.orders.asking import missing
    from swath.model import NotFoundError
    from swath.sites.slurm import SlurmResources

    settings = read_settings()
    asked = search_asked(
        "order", collections=collections, ids=ids, bbox=bbox, intersects=intersects, datetime=datetime,
        filter=filter,
    )  # fmt: skip
    where = catalog or settings.catalog_path
    with open_catalog(where) as held:
        found = list(held.search(**asked, limit=1000).items_as_dicts())
    if not found:
        raise NotFoundError("order: no item fits", fix="widen the search; try `swath catalog search`")
    names = [each.strip() for each in (assets or "").split(",") if each.strip()]
    if dry_run or detach:  # who makes them counts them himself
        count = missing(found, names, settings, where)
        _tell_if_none(count)
    if dry_run:
        emit_json({"items": len(found), "orders": count}) if as_json else print(
            f"{count} orders for {len(found)} items"
        )
        return
    if detach:
        _leave(settings)
        return
    resources = SlurmResources(partition, account, qos, time, slurm=tuple(slurm or ()))
    stop = threading.Event()
    with stopping(stop):
        _, made = room.order(
            found, names, settings, catalog=where, on=on, resources=resources, tell=_tell, stop=stop
        )
    _tell_if_none(made.asked)
    _print(made, as_json=as_json)
    if stop.is_set():
        say("swath: stopped; the same command goes on from there")
        raise KeyboardInterrupt
    room.raise_failed(made)


def _tell(text: str) -> None:
    say(f"swath: {text}")


def _leave(settings: Settings) -> None:
    """Start this very command again, without the terminal."""
    from swath.sites import start, swath_command

    settings.home.mkdir(parents=True, exist_ok=True)
    log = settings.home / "orders.log"
    words = [each for each in sys.argv[1:] if each != "--detach"]
    start(swath_command(*words), log, folder=Path.cwd())
    print(log)
    say(f"started; `{program()} catalog orders` tells how far it is, and that file what it says")


def _tell_if_none(count: int) -> None:
    if not count:
        say("swath: nothing can be made that these items lack; `swath catalog recipe COLLECTION` tells what")


def _print(made: Made, *, as_json: bool) -> None:
    there = len(made.assets) - made.fresh
    if as_json:
        emit_json({"orders": made.asked, "made": made.fresh, "there": there, "failed": made.failed})
        return
    counts = f"{made.fresh} made now, {there} made before or by others, {len(made.failed)} failed"
    print(f"{made.asked} orders: {counts}")
    for why in list(made.failed.values())[:_NAMED]:
        say(f"swath: {why}")


def orders(
    trim: Annotated[
        str, typer.Option(metavar="SIZE", help="Drop what was not used for longest, down to this: 10GB, 0.")
    ] = "",
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Tell what was made when it was asked for, what is being made, and how much room that takes."""
    from swath.config import parse_size
    from swath.jobs.orders import OrderCache
    from swath.jobs.orders.ledger import owning
    from swath.model import format_bytes

    settings = read_settings()
    cache = OrderCache(settings, catalog or settings.catalog_path)
    dropped: list[OrderRow] = []
    if trim and cache.ledger.exists():
        with owning(cache.ledger) as owner:
            dropped = cache.trim(owner, parse_size(trim), keep_s=0.0)
    rows = cache.rows()
    if as_json:
        emit_json(
            {
                "folder": str(cache.folder), "size_bytes": settings.orders.size_bytes,
                "used_bytes": sum(each.bytes for each in rows), "dropped": [each.key.id for each in dropped],
                "orders": [_as_dict(each) for each in rows],
            }
        )  # fmt: skip
        return
    emit_table(
        ("order", "collection", "item", "recipe", "state", "size", "used"),
        (
            (each.key.id, each.key.collection, each.key.item, each.key.recipe, each.state,
             format_bytes(each.bytes), _when(each.used))
            for each in reversed(rows)
        ),
    )  # fmt: skip
    used = sum(each.bytes for each in rows)
    if trim:
        say(f"{len(dropped)} dropped, {format_bytes(sum(each.bytes for each in dropped))}")
    say(f"{format_bytes(used)} of {format_bytes(settings.orders.size_bytes)} in {cache.folder}")


def _when(seconds: float) -> str:
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).astimezone().isoformat(sep=" ")[:16]


def _as_dict(row: OrderRow) -> dict[str, Any]:
    from swath.jobs.orders.making import stamp

    return {
        "id": row.key.id, "collection": row.key.collection, "item": row.key.item, "recipe": row.key.recipe,
        "state": row.state, "folder": row.key.folder, "bytes": row.bytes, "asked": stamp(row.asked),
        "used": stamp(row.used), "message": row.message,
    }  # fmt: skip


def order_first(
    request: Request,
    settings: Settings,
    *,
    on: str = "local",
    resources: SlurmResources | None = None,
    dry_run: bool = False,
) -> Request:
    """Have what a job reads made before it begins, where its items lack it and a recipe makes it."""
    from swath.cli.foreground import stopping
    from swath.jobs.orders import order_missing

    stop = threading.Event()
    with stopping(stop):
        filled, count = order_missing(
            request, settings, on=on, resources=resources, tell=_tell, stop=stop, dry_run=dry_run
        )
    if stop.is_set():
        say("swath: stopped; the same command goes on from there")
        raise KeyboardInterrupt
    if dry_run and count:
        print(f"orders      {count} assets are made first, by recipes of the collection")
        raise typer.Exit(0)
    return filled
