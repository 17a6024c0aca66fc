"""Items: searched, made, copied and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.config import Settings, parse_size
from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from swath.catalog import Search
    from swath.catalog.mirror import MirrorReport


def order(
    items: Any,
    bands: str | Sequence[str] = (),
    *,
    catalog: str | Path = "",
    on: str = "local",
    skip_bad: bool = False,
    watch: Callable[[str], object] | None = None,
    **asked: Any,
) -> list[dict[str, Any]]:
    """Have assets made that items lack, by the recipes of their collections.

    What is there already is not made again; what somebody else makes just now is waited for. What was made
    becomes part of the items in the catalog.

    Parameters
    ----------
    items : iterable of pystac.Item or dict, ItemCollection, or a search
        Items of collections with recipes; see ``swath catalog recipe``.
    bands : str or sequence of str
        Assets or bands that are wanted; all that recipes make unless given.
    catalog : str or Path
        The catalog that the items are of; the settings' unless given.
    on : str
        Where they are made: ``local``, or a Slurm site of the settings.
    skip_bad : bool
        True: those that cannot be made are left out.
    watch : callable, optional
        Is told in a line how far it is.
    **asked
        At a Slurm site, for each task: as for `run`.

    Returns
    -------
    list of dict
        The items, with what was made; ``swath.load`` takes them.

    Raises
    ------
    InputError
        A band that an item has not, and that no recipe makes; something that is no resource.
    JobFailedError
        Some could not be made, and ``skip_bad`` is False; the others are made.
    """
    from swath.api.running import split_resources
    from swath.cube import item_dicts
    from swath.jobs.orders import order as make
    from swath.jobs.orders import raise_failed

    if asked and on == "local":
        raise InputError(
            f"order: {', '.join(asked)} are for Slurm sites", fix="leave them out, or say on=SITE"
        )
    resources, _ = split_resources("order", asked)
    names = (bands,) if isinstance(bands, str) else tuple(bands)
    filled, made = make(
        item_dicts(items), names, Settings.read(), catalog=str(catalog), on=on,
        resources=resources, tell=watch or (lambda _: None),
    )  # fmt: skip
    if not skip_bad:
        raise_failed(made)
    return filled


def mirror(
    source: str | Path,
    target: str | Path,
    *,
    collections: Sequence[str] | str | None = None,
    bbox: Any = None,
    datetime: Any = None,
    assets: Sequence[str] | str | None = None,
    max_items: int | None = None,
    concurrency: int = 16,
    bandwidth: int | str = 0,
    dry_run: bool = False,
    verify: bool = False,
    repair: bool = False,
    into: str | Path | None = None,
    watch: Callable[[MirrorReport], None] | None = None,
) -> MirrorReport:
    """Copy items with their files to a place of one's own, as a static STAC catalog.

    What is there already is not copied again; after a stop, the same call goes on.

    Parameters
    ----------
    source : str or Path
        A catalog file, a static catalog or collection (path or URL), or the address of a STAC API.
    target : str or Path
        A folder, ``NAME:path`` with a store of the settings, or an address such as ``s3://bucket/path``.
    collections : sequence of str or str, optional
        Only these; a text is cut at its commas.
    bbox, datetime : optional
        Only items that touch them, as in ``Catalog.search``.
    assets : sequence of str or str, optional
        Only these, by their keys or the common names of their bands. Others keep their href.
    max_items : int, optional
        Items in all.
    concurrency : int
        Files at once.
    bandwidth : int or str
        Bytes in a second, such as ``"50MB"``; 0: no limit.
    dry_run : bool
        Count files and bytes, and write nothing.
    verify : bool
        Copy nothing; read back what is there, and compare it with its checksums.
    repair : bool
        The same, and then copy again what is wrong, and remove what no item refers to.
    into : str or Path, optional
        Catalog file that takes the items in as they are there; none unless given.
    watch : callable, optional
        Is told the report so far, now and then, by any thread.

    Returns
    -------
    MirrorReport
        What was done; ``failures`` names what is not there or wrong.

    Raises
    ------
    SwathError
        The source cannot be read, or the target takes nothing.
    """
    from swath.catalog.mirror import Choice, Pace
    from swath.catalog.mirror import mirror as copy
    from swath.storage import use_stores

    settings = Settings.read()
    use_stores(settings.stores)
    choice = Choice(_names(collections), bbox, datetime, _names(assets), max_items)
    pace = Pace(concurrency, parse_size(bandwidth))
    return copy(
        source, target, home=Path(settings.home), choice=choice, pace=pace, dry_run=dry_run, verify=verify,
        repair=repair, into=into, watch=watch,
    )  # fmt: skip


def search(where: str | Path | None = None, **options: Any) -> Search:
    """Search the items of a catalog, wherever it is.

    Parameters
    ----------
    where : str or Path, optional
        A catalog file, the address of a STAC API, or a static catalog: its ``catalog.json`` as a path,
        ``https://...``, ``s3://...``, or ``NAME:folder/catalog.json`` in a store of the settings. That of
        the settings unless given.
    **options
        ``collections``, ``bbox``, ``intersects``, ``datetime``, ``ids``, ``filter``, ``sortby`` and the like;
        see `swath.catalog.Catalog.search`.

    Returns
    -------
    Search
        `swath.load` takes it.
    """
    from swath.catalog import open_catalog

    return open_catalog(where or Settings.read().catalog_path).search(**options)


def _names(given: Sequence[str] | str | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = given.split(",") if isinstance(given, str) else given
    return tuple(each.strip() for each in names if each.strip())


def save(
    array: xr.Dataset | xr.DataArray,
    folder: str | Path,
    *,
    name: str,
    collection: str | None = None,
    format: str = "cog",
    overwrite: bool = True,
    message: str = "",
) -> list[dict[str, Any]]:
    """Write a cube as products: files, STAC items and thumbnails.

    In a store, the files of an item are all there before the item is; a call that was broken off leaves no
    item that names a file that is not there, and the same call again goes on.

    Parameters
    ----------
    array : Dataset or DataArray, (time, y, x) or (y, x)
        With a CRS, as `load` gives it; lazy or not. Names decide how values are stored.
    folder : path or address
        Where the files go; made when it does not exist. A folder of this machine, or one of a store:
        ``"NAME:folder"`` with a name of the settings, or ``"s3://bucket/prefix"``.
    name : str
        Stem of the items' ids.
    collection : str, optional
        Collection that the items go into, in the settings' catalog; none unless given.
    format : {"cog", "zarr", "icechunk"}
        One item for each time, or one Zarr store of all, or one versioned Zarr store: an Icechunk repository,
        where each call is a commit, and new times are appended.
    overwrite : bool
        False: what is there already stays, and is an error.
    message : str
        What the commit says; for ``format="icechunk"`` alone.

    Returns
    -------
    list of dict
        The items, with absolute hrefs.

    Raises
    ------
    ConflictError
        It is there already and may not be replaced, or somebody else has committed meanwhile.
    SwathError
        The store refuses or does not answer.
    """
    from swath.products.saving import save_cube

    path = Settings.read().catalog_path
    return save_cube(
        array, folder, name=name, collection=collection, form=format, catalog_path=path,
        overwrite=overwrite, message=message,
    )  # fmt: skip
