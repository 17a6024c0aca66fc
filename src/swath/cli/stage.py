"""``swath catalog stage``: tells what of a search lies on tape, and has it brought."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, program, read_settings, say
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

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from swath.config import Settings
    from swath.storage.recall import Recall
    from swath.storage.recall_file import RecallFile
    from swath.storage.staging import Census, TapeFile

_NAMED = 50


def stage(
    collections: CollectionsOption = None,
    ids: IdsOption = None,
    bbox: BboxOption = None,
    intersects: IntersectsOption = None,
    datetime: DatetimeOption = None,
    filter: FilterOption = None,
    assets: Annotated[
        str | None, typer.Option(help="Assets or bands, with commas between; all unless given.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until all files are there.")] = False,
    lifetime: Annotated[str, typer.Option(help="How long files stay on disk: 36h, 2d, 1w.")] = "2d",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what lies on tape, and ask for nothing.")
    ] = False,
    status: Annotated[
        str, typer.Option(metavar="ID", help="Look at what was asked for, instead of asking.")
    ] = "",
    cancel: Annotated[
        str, typer.Option(metavar="ID", help="Ask no more for it, and let go what has come.")
    ] = "",
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Bring the files of items from tape; what a search finds is asked for by one request of each store."""
    from swath.config.sizes import parse_lifetime

    settings = read_settings()
    if status or cancel:
        _look_again(settings, status or cancel, cancel=bool(cancel), wait=wait, as_json=as_json)
        return
    kept = parse_lifetime(lifetime)
    asked = search_asked(
        "stage", collections=collections, ids=ids, bbox=bbox, intersects=intersects, datetime=datetime,
        filter=filter,
    )  # fmt: skip
    from swath.catalog import open_catalog

    with open_catalog(catalog or settings.catalog_path) as held:
        found = held.search(**asked, limit=1000).items_as_dicts()
        hrefs, tiers = read_assets(found, (assets or "").split(",") if assets else ())
    _stage(settings, hrefs, tiers, lifetime=kept, wait=wait, dry_run=dry_run, as_json=as_json)


def read_assets(
    items: Iterable[dict[str, Any]], names: Iterable[str]
) -> tuple[dict[str, int], dict[str, str]]:
    """List the files of items.

    Parameters
    ----------
    items : iterable of dict
        STAC items.
    names : iterable of str
        Keys of assets, or names of bands; none: all assets.

    Returns
    -------
    hrefs : dict of str to int
        Addresses, and bytes; 0 where the items do not say.
    tiers : dict of str to str
        Addresses to what items themselves say of where files are kept.
    """
    from swath.cube.sources import band_sources

    wanted = {each.strip().casefold() for each in names}
    hrefs, tiers = dict[str, int](), dict[str, str]()
    for item in items:
        bands = {
            source.asset
            for source in (band_sources(item) if wanted else ())
            if wanted & {each.casefold() for each in source.names}
        }
        for key, asset in item.get("assets", {}).items():
            if not wanted or key.casefold() in wanted or key in bands:
                href = str(asset["href"])
                hrefs[href] = int(asset.get("file:size") or 0)
                if tier := _tier(item, asset):
                    tiers[href] = tier
    return hrefs, tiers


def _tier(item: Mapping[str, Any], asset: Mapping[str, Any]) -> str:
    """Give what the storage extension (1.0: ``storage:tier``; 2.0: ``storage:refs``) tells of an asset."""
    properties = item.get("properties", {})
    for name in ("storage:tier", "file:locality"):
        if said := asset.get(name) or properties.get(name):
            return str(said)
    return ", ".join(asset.get("storage:refs") or ())


def _stage(
    settings: Settings,
    hrefs: Mapping[str, int],
    tiers: Mapping[str, str],
    *,
    lifetime: dt.timedelta,
    wait: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from swath.storage.recall_file import recall_file
    from swath.storage.staging import look_up, tape_files

    files = tape_files(hrefs)
    census = look_up(files)
    told = _count(census, files, hrefs, tiers)
    if not as_json:
        _print_counts(told)
    bad = {file.href: why for file, why in census.bad.items()}
    if census.on_tape and not dry_run:
        file = recall_file(settings.home, files)
        file.begin(files, lifetime)
        recall = file.advance(force=True)
        if not as_json:
            _print_orders(file, recall)
        recall = _follow(file) if wait else recall
        bad |= recall.bad
        told |= _describe(file, recall)
    if as_json:
        emit_json(told)
    _name_bad(bad)


def _count(
    census: Census, files: Iterable[TapeFile], hrefs: Mapping[str, int], tiers: Mapping[str, str]
) -> dict[str, Any]:
    from swath.storage.staging import is_of

    known = {each.href for each in files}
    zarrs = {each for each in hrefs if each.endswith(".zarr") and any(is_of(href, each) for href in known)}
    others = [each for each in hrefs if each not in known and each not in zarrs]
    return {
        "files": len(known) + len(others), "online": len(census.online), "on_tape": len(census.on_tape),
        "bytes_on_tape": census.tape_bytes,
        **{word.replace(" ", "_"): [each.href for each in census.of(word)]
           for word in ("lost", "not available", "not there")},
        "elsewhere": len(others),
        "tiers": dict(Counter(tiers[each] for each in others if each in tiers)),
    }  # fmt: skip


def _print_counts(told: Mapping[str, Any]) -> None:
    from swath.model import format_bytes

    size = f" ({format_bytes(told['bytes_on_tape'])})" if told["bytes_on_tape"] else ""
    parts = [f"{told['online']} online", f"{told['on_tape']} on tape{size}", f"{len(told['lost'])} lost"]
    for name in ("not_available", "not_there"):
        parts += [f"{len(told[name])} {name.replace('_', ' ')}"] if told[name] else []
    if told["elsewhere"]:
        tiers = ", ".join(f"{count} {tier}" for tier, count in told["tiers"].items())
        said = f" (their items say: {tiers})" if tiers else ""
        parts.append(f"{told['elsewhere']} in stores that cannot tell{said}")
    print(f"{told['files']} files: {', '.join(parts)}")


def _print_orders(file: RecallFile, recall: Recall) -> None:
    for each in recall.orders:
        print(f"{file.path.stem}  asked {each.store} for {len(each.keys)} files, request {each.request}")
    for store, what in recall.away.items():
        say(f"swath: {store} gives no answer now ({what}); ask again later")
    say(f"`{program()} catalog stage --status {file.path.stem}` tells how it stands, "
        f"`--cancel {file.path.stem}` ends it")  # fmt: skip


def _describe(file: RecallFile, recall: Recall) -> dict[str, Any]:
    return {
        "id": file.path.stem, "message": recall.words(), "waiting": len(recall.waiting),
        "there": len(recall.there), "failed": dict(recall.bad), "away": dict(recall.away),
        "requests": [
            {"store": each.store, "request": each.request, "files": len(each.keys), "asked": each.asked,
             "lifetime_s": each.lifetime_s}
            for each in recall.orders
        ],
    }  # fmt: skip


def _follow(file: RecallFile) -> Recall:
    """Wait, and show how far it is: a line that changes on a terminal, a line for each change elsewhere."""
    from rich.console import Console

    from swath.storage.recall_file import wait_for

    said = ""

    def tell(recall: Recall) -> None:
        nonlocal said
        words = recall.words()
        if words != said:
            said = words
            say(f"swath: {words}") if line is None else line.update(words)

    try:
        if not sys.stderr.isatty():
            line = None
            return wait_for(file, tell)
        with Console(stderr=True).status("waiting") as line:
            return wait_for(file, tell)
    except KeyboardInterrupt:
        name = file.path.stem
        say(f"\nswath: the request goes on; `{program()} catalog stage --status {name}` looks again "
            f"(with --wait it waits), `--cancel {name}` ends it")  # fmt: skip
        raise


def _look_again(settings: Settings, name: str, *, cancel: bool, wait: bool, as_json: bool) -> None:
    from swath.model import NotFoundError, StoreError
    from swath.storage.recall_file import RecallFile, stage_path

    path = stage_path(settings.home, name)
    if path is None:
        known = sorted(each.stem for each in (settings.home / "staging").glob("*.json"))
        raise NotFoundError(f"stage: nothing was asked for as {name!r}", known=known)
    file = RecallFile(path)
    if cancel:
        recall = file.let_go()
        if recall.away:
            store, what = next(iter(recall.away.items()))
            raise StoreError(
                f"stage: {store} does not take the end of {name!r} now ({what})", fix="try again"
            )
        file.remove()
        emit_json(_describe(file, recall)) if as_json else print(f"{file.path.stem} cancelled and let go")
        return
    recall = _follow(file) if wait else file.advance(force=True)
    emit_json(_describe(file, recall)) if as_json else print(recall.words())
    _name_bad(recall.bad)


def _name_bad(bad: Mapping[str, str]) -> None:
    """Name the files that cannot be had, and end with 5 where there are some."""
    for href, why in list(bad.items())[:_NAMED]:
        say(f"swath: {href}: {why}")
    if len(bad) > _NAMED:
        say(f"swath: … and {len(bad) - _NAMED} more (all of them with --json)")
    if bad:
        raise typer.Exit(5)
