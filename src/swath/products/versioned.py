"""A cube that keeps its versions: an Icechunk repository, where each save is a commit."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.model import (
    ConflictError,
    InputError,
    MissingObjectError,
    NotFoundError,
    StoreError,
    format_instant,
)
from swath.products.store import in_order, one_by_one, picture_of, stack, store_asset, store_item
from swath.storage import file_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from swath.products.lineage import Lineage
    from swath.products.place import Place
    from swath.products.raster import Raster

BRANCH = "main"
MEDIA_TYPE = "application/vnd.zarr+icechunk"


def save_version(
    place: Place,
    rasters: Sequence[Raster],
    lineage: Lineage,
    *,
    id: str,
    message: str = "",
    overwrite: bool = True,
) -> dict[str, Any]:
    """Write rasters into a repository as one commit; the item is given, and not written.

    Times that are there already are written again, later ones appended.

    Parameters
    ----------
    place : Place
        Where the repository ``<id>.icechunk`` is, or will be.
    rasters, lineage
        As `write_zarr` has them.
    id : str
        Id of the item.
    message : str
        What the commit says.
    overwrite : bool
        False: times that are there already are an error.

    Returns
    -------
    dict
        The item; ``icechunk:snapshot_id`` of its asset names this version.

    Raises
    ------
    ConflictError
        Somebody else has committed meanwhile; or a time is there already.
    InputError
        Icechunk is not installed, the store cannot hold it, or grid or variables differ from what is there.
    """
    from swath.products.item import asset
    from swath.products.place import stamped

    rasters = in_order(rasters)
    name = f"{file_name(id)}.icechunk"
    dataset, saturated = stack(rasters)
    dataset["time_bnds"].encoding = dict(dataset["time"].encoding)  # units for later times too
    icechunk = _icechunk()
    with _failures(place, name):
        _touch(place, name)
        repository = icechunk.Repository.open_or_create(_storage(place, name))
        session = repository.writable_session(BRANCH)
        with one_by_one(dataset):
            times = _write(session.store, dataset, name, overwrite=overwrite)
        said = message or f"swath: {id}, {len(rasters)} time{'s' if len(rasters) > 1 else ''}"
        snapshot = session.commit(said)
    picture = picture_of(rasters)
    thumbnail = asset(f"{file_name(id)}.png", "png", ["thumbnail"], picture, title="Thumbnail")
    drawn = stamped(f"{file_name(id)}.png", thumbnail["file:checksum"])
    place.store.put(place.key(drawn), picture)
    data = store_asset(name, rasters) | {
        "href": place.href(name), "type": MEDIA_TYPE, "title": "Icechunk repository",
        "icechunk:snapshot_id": snapshot, "icechunk:branch": BRANCH,
    }  # fmt: skip
    assets = {"data": data, "thumbnail": thumbnail | {"href": place.href(drawn)}}
    item = store_item(id, rasters, lineage, assets, saturated)
    return _of_all_times(item, times)


def open_versioned(address: str) -> Any:
    """Open a repository that `swath.save` has written.

    Parameters
    ----------
    address : str
        Href of the asset, ``NAME:path``, or a path.

    Returns
    -------
    icechunk.Repository
        ``xr.open_zarr(it.readonly_session("main").store, consolidated=False)`` reads the newest version, and
        ``snapshot_id=`` instead of the branch any other.

    Raises
    ------
    NotFoundError
        There is none.
    """
    from swath.products.place import find_place

    icechunk, place = _icechunk(), find_place(address)
    try:
        with _failures(place, ""):
            return icechunk.Repository.open(_storage(place, ""))
    except icechunk.RepositoryNotFoundError as error:
        raise NotFoundError(f"icechunk: there is no repository {address!r}") from error


def _icechunk() -> Any:
    try:
        import icechunk
    except ImportError as error:
        raise InputError("icechunk: it is not installed", fix="pip install swath[icechunk]") from error
    return icechunk


def _touch(place: Place, name: str) -> None:
    """Ask the store for something, so that its own sentence comes where it does not answer."""
    with contextlib.suppress(MissingObjectError):
        place.store.stat(place.key(f"{name}/repo"))


def _storage(place: Place, name: str) -> Any:
    """Describe to Icechunk where a repository is, and who asks there."""
    import os

    from swath.storage.folder import FolderStore
    from swath.storage.s3 import S3Store, s3_place

    icechunk = _icechunk()
    key = place.key(name) if name else place.prefix
    store = place.store
    if isinstance(store, FolderStore):
        path = store.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        icechunk.set_logs_filter("error")  # it warns of commits at the same time on each opening: documented
        return icechunk.local_filesystem_storage(str(path))
    if not isinstance(store, S3Store):
        raise InputError(
            f"icechunk: it cannot keep versions in {store.name!r}, which is no S3",
            fix='save to S3 or a folder of this machine, or use format="zarr"',
        )
    about, secret = s3_place(store.settings, os.environ), store.client.secret()
    who: dict[str, Any] = {"from_env": True}
    if secret is not None and secret.key:
        who = {"access_key_id": secret.key, "secret_access_key": secret.secret}
        who |= {"session_token": secret.session} if secret.session else {}
    elif secret is not None:
        who = {"anonymous": True}
    icechunk.set_logs_filter("error")
    return icechunk.s3_storage(
        bucket=store.root.host, prefix=store.client.path(key), region=about["region"],
        endpoint_url=about["endpoint"] or None, allow_http=about["endpoint"].startswith("http://"),
        force_path_style=bool(about["endpoint"]) and not store.settings.virtual_hosts, **who,
    )  # fmt: skip


@contextlib.contextmanager
def _failures(place: Place, name: str) -> Iterator[None]:
    """Turn what Icechunk raises into our errors: its first line says it."""
    icechunk = _icechunk()
    where = f"icechunk: {place.href(name) if name else place.address}"
    try:
        with _trusting(place):
            yield
    except icechunk.RepositoryNotFoundError:
        raise
    except icechunk.ConflictError as error:
        raise ConflictError(
            f"{where}: somebody else has committed meanwhile", fix="save again: yours then comes after theirs"
        ) from error
    except icechunk.StorageError as error:
        from swath.storage.failures import failure, parse_told

        what = str(error).partition("\n")[0]
        if "UnknownIssuer" in what:
            raise StoreError(
                f"{where}: its certificate is signed by nobody whom Icechunk trusts",
                fix="set ca for the store; Icechunk reads certificates once in a process: begin a new one",
            ) from error
        status = 403 if "AccessDenied" in what else 404 if "NoSuch" in what else 0
        raise failure(place.store.name, place.href(name), status, parse_told(what).what) from error
    except icechunk.IcechunkError as error:
        raise StoreError(f"{where}: {str(error).partition(chr(10))[0]}") from error


@contextlib.contextmanager
def _trusting(place: Place) -> Iterator[None]:
    """Let Icechunk trust the authority of a store besides the usual: it looks into the environment alone."""
    import os
    import ssl
    import tempfile

    from swath.storage.client import read_ca
    from swath.storage.s3 import S3Store

    store = place.store
    if not isinstance(store, S3Store) or not store.settings.ca:
        yield
        return
    usual = ssl.get_default_verify_paths().cafile
    known = [read_ca(store.settings.ca).read_text(encoding="ascii", errors="replace")]
    known += [Path(usual).read_text(encoding="ascii", errors="replace")] if usual else []
    with tempfile.NamedTemporaryFile("w", prefix="swath-ca-", suffix=".pem") as file:
        file.write("\n".join(known))
        file.flush()
        before = os.environ.get("SSL_CERT_FILE")
        os.environ["SSL_CERT_FILE"] = file.name
        try:
            yield
        finally:
            os.environ.pop("SSL_CERT_FILE")
            os.environ.update({"SSL_CERT_FILE": before} if before is not None else {})


def _write(store: Any, dataset: xr.Dataset, name: str, *, overwrite: bool) -> NDArray[Any]:
    """Write what is new, and again what is not; gives begin and end of all times that are there then."""
    import xarray as xr

    try:
        there = xr.open_zarr(store, consolidated=False, chunks=None, decode_cf=False)
    except FileNotFoundError:
        dataset.to_zarr(store, mode="w-", zarr_format=3, consolidated=False)
        return _numbers(dataset["time_bnds"])
    own, times = _numbers(dataset["time"]), there["time"].values
    _check_same(there, dataset, name)
    known = np.isin(own, times)
    if known.any() and not overwrite:
        raise ConflictError(
            f"icechunk: {name} has the time {_said(own[known][0])} already",
            fix="leave it out, or write it again with overwrite=True",
        )
    if (~known).any() and own[~known].min() < times.max():
        raise InputError(
            f"icechunk: {name} goes to {_said(times.max())}, and {_said(own[~known].min())} is before that",
            fix="append times in their order, or save under another name",
        )
    return _put_in(store, dataset, np.searchsorted(np.append(times, own[~known]), own))


def _put_in(store: Any, dataset: xr.Dataset, at: NDArray[Any]) -> NDArray[Any]:
    """Write the images of a dataset to their places on the axis of time, which grows where it must."""
    import zarr

    group = zarr.open_group(store, mode="r+", use_consolidated=False)
    first, count = int(at[0]), len(at)
    for key, variable in dataset.variables.items():
        if "time" not in variable.dims:
            continue
        array: Any = group[str(key)]
        if array.shape[0] <= at[-1]:
            array.resize((int(at[-1]) + 1, *array.shape[1:]))
        numbers = _numbers(variable)
        if at[-1] - first + 1 == count:
            array[first : first + count] = numbers
        else:
            for place, image in zip(at, numbers, strict=True):
                array[int(place)] = image
    bounds: Any = group["time_bnds"]
    return np.asarray(bounds[:])


def _numbers(variable: Any) -> NDArray[Any]:
    """Give what is stored of a variable: of times the seconds since 1970."""
    values = np.asarray(variable.values)
    return values.astype("datetime64[s]").astype("int64") if values.dtype.kind == "M" else values


def _said(seconds: int) -> str:
    return format_instant(dt.datetime.fromtimestamp(int(seconds), dt.UTC))


def _of_all_times(item: dict[str, Any], bounds: NDArray[Any]) -> dict[str, Any]:
    """Let an item tell of all times that its repository has."""
    starts = [_said(each) for each in bounds[:, 0]]
    axis = item["properties"]["cube:dimensions"]["time"]
    axis |= {"extent": [starts[0], starts[-1]], "values": starts}
    span = {"start_datetime": starts[0], "end_datetime": _said(bounds[:, 1].max())}
    item["properties"] |= {"datetime": starts[0], **span}
    return item


def _check_same(there: xr.Dataset, dataset: xr.Dataset, name: str) -> None:
    if set(there.variables) != set(dataset.variables):
        raise InputError(
            f"icechunk: {name} has {', '.join(sorted(map(str, there.data_vars)))}, and not "
            f"{', '.join(sorted(map(str, dataset.data_vars)))}",
            fix="save what it has, or use another name",
        )
    for each in dataset.coords:
        if each != "time" and not np.array_equal(there[each].values, dataset[each].values):
            raise InputError(f"icechunk: {name} is on another grid", fix="use the same, or another name")
