"""Makes a product again from its provenance record, and compares every byte and pixel."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.catalog.hrefs import absolute_href
from swath.jobs.folder import JobFolder
from swath.jobs.staging import refuse_tape_of
from swath.jobs.units import compute_unit
from swath.model import InputError, MissingAssetError, NotFoundError, SwathWarning
from swath.products import file_checksum, folder_checksum
from swath.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class AssetComparison:
    """How an asset that was made again compares with the one that is there."""

    asset: str
    """Key of the asset."""
    identical: bool
    """True when every byte is the same, of the new file and of the one that is there, as the item says."""
    pixels: int
    """Pixels in all; 0 for what is no raster."""
    different: int
    """Pixels that differ."""
    largest: float
    """Largest difference, in stored numbers."""


def read_item(path: Path | str) -> dict[str, Any]:
    """Read an item's file, with hrefs made absolute.

    Raises
    ------
    NotFoundError, InputError
        There is no such file; it is no item.
    """
    path = Path(path).absolute()
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFoundError(f"item: there is no file {str(path)!r}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(f"item: {str(path)!r} is not JSON ({error})") from error
    if not isinstance(item, dict) or item.get("type") != "Feature" or "assets" not in item:
        raise InputError(f"item: {str(path)!r} is no STAC item")
    for each in (*item["assets"].values(), *item.get("links", ())):
        each["href"] = absolute_href(each["href"], str(path))
    return item


def job_of(item: Mapping[str, Any]) -> JobFolder:
    """Find the job folder that an item came from, by its link to the provenance record.

    Raises
    ------
    InputError
        swath did not make the item.
    NotFoundError
        The record is not there any more.
    """
    records = [each["href"] for each in item.get("links", ()) if each["rel"] == "processing-execution"]
    if not records:
        raise InputError(f"item: {item['id']!r} has no link to a provenance record: swath did not make it")
    record = Path(records[0])
    folder = JobFolder(record.parent.parent)
    if not record.exists() or not folder.job_file.exists():
        raise NotFoundError(
            f"item: its provenance record {str(record)!r} is not there",
            fix="keep the job folder with its products",
        )
    return folder


def rerun_item(path: Path | str, *, threads: int = 1, keep: Path | None = None) -> list[AssetComparison]:
    """Make a product again and compare.

    Parameters
    ----------
    path : path
        The item's JSON file, in its job folder.
    threads : int
        Threads; the result does not depend on it.
    keep : Path, optional
        Folder that the new files are kept in; they are deleted unless given.

    Returns
    -------
    list of AssetComparison
        One for each asset with a checksum.
    """
    import warnings

    item = read_item(path)
    folder = job_of(item)
    if folder.job["swath_version"] != __version__:
        warnings.warn(
            f"rerun: made by swath {folder.job['swath_version']}, made again by {__version__}",
            SwathWarning,
            stacklevel=2,
        )
    name = Path(path).absolute().parent.name
    if name not in folder.units:
        raise InputError(
            f"item: {item['id']!r} lies in no unit of {str(folder.path)!r}", fix="rerun the item of a tile"
        )
    refuse_tape_of(folder, name)
    with tempfile.TemporaryDirectory(prefix="swath-rerun-") as temporary:
        target = keep or Path(temporary)
        target.mkdir(parents=True, exist_ok=True)
        compute_unit(folder, folder.units[name], target, threads=threads)
        return [
            _compare(key, asset, target / Path(asset["href"]).name)
            for key, asset in item["assets"].items()
            if _checksum_of(asset)
        ]


def _checksum_of(asset: Mapping[str, Any]) -> str | None:
    """Give the checksum of an asset: of a file, or of a Zarr store, which is a folder."""
    return asset.get("file:checksum") or asset.get("swath:checksum")


def _compare(key: str, asset: Mapping[str, Any], again: Path) -> AssetComparison:
    if not again.exists():
        raise MissingAssetError(f"rerun: the asset {key!r} was not made again ({again.name})")
    said, before = _checksum_of(asset), Path(asset["href"])
    if _checksum(again) == said and (not before.exists() or _checksum(before) == said):
        return AssetComparison(key, True, 0, 0, 0.0)  # noqa: FBT003 -- a plain value
    return _count_differences(key, before, again)


def _checksum(path: Path) -> str:
    return folder_checksum(path)[0] if path.is_dir() else file_checksum(path)


def _count_differences(key: str, before: Path, again: Path) -> AssetComparison:
    """Count the pixels that differ, where both are rasters."""
    import rasterio
    from rasterio.errors import RasterioError

    try:
        with rasterio.open(before) as old, rasterio.open(again) as new:
            a, b = (np.nan_to_num(each.read().astype(np.float64), nan=-1e30) for each in (old, new))
    except RasterioError:
        return AssetComparison(key, False, 0, 0, 0.0)  # noqa: FBT003 -- a plain value
    if a.shape != b.shape:
        return AssetComparison(key, False, a.size, a.size, float("inf"))  # noqa: FBT003 -- a plain value
    gap = np.abs(a - b)
    return AssetComparison(key, False, a.size, int((gap > 0).sum()), float(gap.max()))  # noqa: FBT003 -- a plain value
