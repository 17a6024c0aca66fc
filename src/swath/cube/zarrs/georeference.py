"""Where the images of an array lie: as CF, GDAL's own Zarr and the conventions of GeoZarr say it."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError

from swath.cube.tiff import Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from swath.cube.zarrs.header import ZarrArray
    from swath.cube.zarrs.store import Node

    Find = Callable[[str], Node | None]
    Numbers = Callable[[str], NDArray[Any] | None]

_SAME = 0.01
"""Share of a pixel by which coordinates may be beside an even grid."""
_AXES = {
    "x": "x", "lon": "x", "longitude": "x", "easting": "x", "projection_x_coordinate": "x",
    "y": "y", "lat": "y", "latitude": "y", "northing": "y", "projection_y_coordinate": "y",
}  # fmt: skip


def georeference(array: ZarrArray, find: Find, numbers: Numbers) -> tuple[Any, Affine]:
    """Give CRS and transform of an array's images.

    Parameters
    ----------
    array : ZarrArray
        The array; y and x are its last axes.
    find : callable
        Gives the metadata of another array, or of the group (by an empty name), beside this one.
    numbers : callable
        Gives the numbers of another array beside this one.

    Returns
    -------
    tuple of rasterio.crs.CRS, and affine.Affine

    Raises
    ------
    Unsupported
        It says neither, or not in a way that is known here.

    References
    ----------
    CF conventions 1.11, section 5.6 and appendix F; GDAL's documentation of ``_CRS`` in its Zarr driver;
    conventions "proj" and "spatial" of GeoZarr.
    """
    group = (find("") or {}).get("attributes") or {}
    mapping = _grid_mapping(array, find)
    _check_axes(array, find)
    crs = _crs(array.attributes, mapping, group)
    said = _affine(array.attributes, mapping, group)
    measured = _measured(array, numbers)
    if measured is None:
        if said is None:
            raise Unsupported("no coordinates")
        return crs, said
    if said is not None and _agree(said, measured, array):
        return crs, said  # it is not rounded
    return crs, measured


def _grid_mapping(array: ZarrArray, find: Find) -> Mapping[str, Any]:
    """Give the attributes of the grid mapping that an array names, or of the usual one."""
    name = str(array.attributes.get("grid_mapping") or "spatial_ref").split(":")[0].split(" ")[0]
    return (find(name) or {}).get("attributes") or {}


def _check_axes(array: ZarrArray, find: Find) -> None:
    """Refuse images whose axes are not y and x, in this order."""
    kinds = []
    for name in array.dims[-2:]:
        about = (find(name) or {}).get("attributes") or {} if name else {}
        said = str(about.get("axis") or about.get("standard_name") or name or "").lower()
        kinds.append(_AXES.get(said, _AXES.get(str(name).lower())))
    if kinds[0] == "x" or kinds[1] == "y":
        raise Unsupported(f"axes in the order {', '.join(map(str, array.dims))}")


def _crs(own: Mapping[str, Any], mapping: Mapping[str, Any], group: Mapping[str, Any]) -> Any:
    for said in (
        mapping.get("crs_wkt"), mapping.get("spatial_ref"), own.get("_CRS"),
        *(each.get(key) for each in (own, group) for key in ("proj:code", "proj:wkt2", "proj:projjson")),
        *(f"EPSG:{each['proj:epsg']}" for each in (own, group) if each.get("proj:epsg")),
    ):  # fmt: skip
        if isinstance(said, dict):  # _CRS has up to three spellings, PROJJSON is one
            said = said.get("wkt") or said.get("projjson") or said.get("url") or said  # noqa: PLW2901
        if said:
            return _read_crs(said if isinstance(said, str) else json.dumps(said))
    if mapping.get("grid_mapping_name"):
        return _read_crs(json.dumps({"cf": {k: v for k, v in mapping.items() if k != "GeoTransform"}}))
    raise Unsupported("no coordinate reference system")


@lru_cache(maxsize=1024)
def _read_crs(said: str) -> Any:
    from pyproj import CRS as ProjCRS
    from pyproj.exceptions import CRSError as ProjError

    try:
        if said.startswith('{"cf"'):
            said = ProjCRS.from_cf(json.loads(said)["cf"]).to_wkt()
        elif said.startswith(("{", "http")):
            said = ProjCRS.from_user_input(said).to_wkt()
        return CRS.from_user_input(said)
    except (CRSError, ProjError, KeyError, TypeError, ValueError) as error:
        raise Unsupported(f"its coordinate reference system ({error})") from error


def _affine(own: Mapping[str, Any], mapping: Mapping[str, Any], group: Mapping[str, Any]) -> Affine | None:
    """Give the transform that is written as such."""
    try:
        if "GeoTransform" in mapping:
            said = mapping["GeoTransform"]
            numbers = said.split() if isinstance(said, str) else said
            return Affine.from_gdal(*(float(each) for each in numbers))
        for each in (own, group):
            if "spatial:transform" in each:
                return Affine(*(float(number) for number in each["spatial:transform"][:6]))
    except (TypeError, ValueError) as error:
        raise Unsupported(f"its transform ({error})") from error
    return None


def _measured(array: ZarrArray, numbers: Numbers) -> Affine | None:
    """Give the transform by the coordinates of pixel centres; None where there are none, or but one."""
    sides = []
    for name, count in zip(array.dims[-2:], array.shape[-2:], strict=True):
        centres = numbers(name) if name else None
        if centres is None or count < 2:
            return None
        if centres.shape != (count,):
            raise Unsupported(f"coordinates {name} of another length than the array")
        step = float(centres[-1] - centres[0]) / (count - 1)
        even = centres[0] + step * np.arange(count)
        if not math.isfinite(step) or step == 0 or not np.abs(centres - even).max() <= _SAME * abs(step):
            raise Unsupported(f"coordinates {name} that are not evenly spaced")
        sides.append((float(centres[0]) - step / 2, step))
    (top, down), (left, right) = sides
    return Affine(right, 0.0, left, 0.0, down, top)


def _agree(said: Affine, measured: Affine, array: ZarrArray) -> bool:
    """Tell whether two transforms are the same, all over an image."""
    corners = [(0, 0), (array.width, 0), (0, array.height), (array.width, array.height)]
    pixel = _SAME * min(abs(measured.a), abs(measured.e))
    pairs = zip((said * each for each in corners), (measured * each for each in corners), strict=True)
    return all(abs(a - b) <= pixel for here, there in pairs for a, b in zip(here, there, strict=True))
