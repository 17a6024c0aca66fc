"""Asking: which assets items lack that a recipe can make, and the items as they are with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.catalog import is_catalog_file, open_catalog
from swath.catalog.static import static_address
from swath.cube.orderable import RECIPES
from swath.jobs.folder import JobFolder
from swath.jobs.orders.cache import OrderCache
from swath.jobs.orders.ledger import OrdersRead
from swath.jobs.orders.making import Made, Maker, stamp
from swath.jobs.orders.recipes import (
    PLACEHOLDER,
    with_assets,
)
from swath.jobs.orders.shelf import Shelf, find_collection
from swath.jobs.prepare import find_items
from swath.jobs.slurm_record import read_record
from swath.model import JobFailedError
from swath.processes import bands_asked, get_process, parse_inputs
from swath.sites.slurm import open_site

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from swath.config import Settings
    from swath.jobs.prepare import Request
    from swath.sites.slurm import SlurmResources

    Item = dict[str, Any]


def order(
    items: Sequence[Item],
    bands: Sequence[str],
    settings: Settings,
    *,
    catalog: str = "",
    on: str = "local",
    resources: SlurmResources | None = None,
    tell: Callable[[str], object] = lambda _: None,
    stop: threading.Event | None = None,
    strict: bool = True,
) -> tuple[list[Item], Made]:
    """Have the assets made that items lack.

    Parameters
    ----------
    items : sequence of dict
        STAC items of collections with recipes.
    bands : sequence of str
        Assets or bands that are wanted; none: all that recipes can make.
    settings : Settings
        Cache, resources and sites.
    catalog : str
        Path or address of the catalog that the items are of; the settings' unless given.
    on, resources, tell, stop
        See `Maker`.
    strict : bool
        False: a band that is neither there nor can be made is nothing to complain of here.

    Returns
    -------
    items : list of dict
        With what was made, in the order in which they were given.
    made : Made
        What has become of each order.

    Raises
    ------
    InputError
        A band that neither an item has nor a recipe makes.
    """
    if on != "local":
        settings.site(on)
    where = catalog or settings.catalog_path
    cache = OrderCache(settings, where)
    with open_catalog(where) as held:
        shelf = Shelf(held, cache)
        wanted = [shelf.orders_for(each, bands, strict=strict) for each in items]
    unique = {each.key.id: each for several in wanted for each in several}
    if not unique:
        return list(items), Made()
    maker = Maker(cache, settings, on=on, resources=resources, tell=tell, stop=stop)
    made = maker.make(list(unique.values()))
    made.asked = len(unique)
    filled = []
    for item, several in zip(items, wanted, strict=True):
        for each in several:
            id = each.key.id
            if id in made.told:
                item = with_assets(item, made.assets[id], id, stamp(made.told[id]))  # noqa: PLW2901
        filled.append(item)
    return filled, made


def missing(items: Sequence[Item], bands: Sequence[str], settings: Settings, catalog: str = "") -> int:
    """Count what would be ordered; nothing is made."""
    where = catalog or settings.catalog_path
    with open_catalog(where) as held:
        shelf = Shelf(held, OrderCache(settings, where))
        return len({each.key.id for item in items for each in shelf.orders_for(item, bands, strict=False)})


def order_missing(
    request: Request,
    settings: Settings,
    *,
    on: str = "local",
    resources: SlurmResources | None = None,
    tell: Callable[[str], object] = lambda _: None,
    stop: threading.Event | None = None,
    dry_run: bool = False,
) -> tuple[Request, int]:
    """Have the assets made that a process reads and that the items of its collections lack.

    Parameters
    ----------
    request : Request
        What is to be run.
    settings, on, resources, tell, stop
        See `order`.
    dry_run : bool
        True: only count them.

    Returns
    -------
    request : Request
        The same; of a catalog that cannot be written, with the items as they are now.
    count : int
        How many assets were ordered, made before or now.

    Raises
    ------
    JobFailedError
        Some cannot be made, and bad files are not to be left out.
    """
    if on != "local":
        settings.site(on)
    process = get_process(request.process)
    inputs: Any = parse_inputs(process, request.inputs)
    where = getattr(inputs, "catalog", None) or settings.catalog_path
    if not _may_have_recipes(inputs, where):
        return request, 0
    items, _ = find_items(inputs, settings)
    with open_catalog(where) as held:
        shelf = Shelf(held, OrderCache(settings, where))
        shown = [shelf.shown(each) for each in items]
    if not any(PLACEHOLDER in each["href"] for item in shown for each in item["assets"].values()):
        return request, 0
    bands = bands_asked(inputs, shown, settings.valid)
    if dry_run:
        return request, missing(items, bands, settings, where)
    filled, made = order(
        items, bands, settings, catalog=where, on=on, resources=resources, tell=tell, stop=stop, strict=False
    )
    if made.failed and not request.skip_bad:
        raise_failed(made)
    read = OrdersRead(OrderCache(settings, where).ledger.path, tuple(made.assets)) if made.assets else None
    moved = _moved(made, on, settings)
    if not is_catalog_file(where) or inputs.items is not None or moved:
        filled = [_seen_there(each, moved) for each in filled]
        given = {key: value for key, value in request.inputs.items() if key not in _SEARCHED}
        return replace(request, inputs={**given, "items": filled}, orders=read), len(made.assets)
    return replace(request, orders=read), len(made.assets)


def _moved(made: Made, on: str, settings: Settings) -> dict[str, tuple[str, str]]:
    """Tell by order which folders here are which at a site that does not see them."""
    if on == "local" or not open_site(on, settings).is_remote:
        return {}
    moved = {}
    for id, path in made.folders.items():
        folder = JobFolder(Path(path))
        if folder.slurm_file.exists() and (record := read_record(folder)).site == on:
            moved[id] = str(folder.path), record.folder
    return moved


def _seen_there(item: Item, moved: Mapping[str, tuple[str, str]]) -> Item:
    """Give an item as a site sees it, which has made some of its assets."""
    assets = dict(item["assets"])
    for key, each in assets.items():
        here, there = moved.get(each.get("order:id", ""), ("", ""))
        if here and each["href"].startswith(f"{here}/"):
            assets[key] = {**each, "href": there + each["href"].removeprefix(here)}
    return {**item, "assets": assets}


_SEARCHED = ("collection", "catalog", "filter")


def raise_failed(made: Made) -> None:
    """Raise the reason why orders have failed, if some have."""
    if made.failed:
        reason = next(iter(made.failed.values())).splitlines()[0]
        count, total = len(made.failed), len(made.failed) + len(made.assets)
        raise JobFailedError(f"orders: {count} of {total} could not be made: {reason}")


def _may_have_recipes(inputs: Any, where: str) -> bool:
    if static_address(where) or (is_catalog_file(where) and not Path(where).exists()):
        return False  # a static catalog is read whole when it is opened: once is enough
    with open_catalog(where) as held:
        if getattr(inputs, "items", None) is not None:  # not read just to learn their collections
            known: Iterable[Mapping[str, Any]] = held.collections()
        else:
            known = (find_collection(held, each) for each in getattr(inputs, "collection", ()))
        return any(RECIPES in each for each in known)
