"""Zarr stores for tests: written by zarr or xarray, in all that a reader meets, and served over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import zarr
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from scenes import CRS, grid

if TYPE_CHECKING:
    from pathlib import Path

    from http_server import RangeServer
    from numpy.typing import NDArray


def noise(shape: tuple[int, ...], dtype: str = "i2", seed: int = 3) -> NDArray[Any]:
    """Make numbers that are no pattern, within -99 and 99, or 0 and 198."""
    numbers = np.random.default_rng(seed).integers(-99, 100, shape)
    return (numbers + 99 if np.dtype(dtype).kind == "u" else numbers).astype(dtype)


def write_store(
    path: Path, numbers: NDArray[Any], *, zarr_format: int = 3, name: str = "red", **options: Any
) -> Path:
    """Write (time, y, x) as zarr does with these options, and coordinates and grid mapping as xarray does."""
    box = GeoBox(numbers.shape[-2:], grid(), CRS)
    dims = ("time", "y", "x")[-numbers.ndim :]
    xr.Dataset(coords=xr_coords(box)).to_zarr(path, mode="w", zarr_format=zarr_format, consolidated=False)
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    attributes = {"grid_mapping": "spatial_ref", **options.pop("attributes", {})}
    if zarr_format == 3:
        options["dimension_names"] = dims
    else:
        attributes["_ARRAY_DIMENSIONS"] = list(dims)
    options.setdefault("chunks", (1, 16, 16)[-numbers.ndim :])
    options.setdefault("fill_value", -100 if numbers.dtype.kind != "u" else 255)
    array = group.create_array(
        name, shape=numbers.shape, dtype=numbers.dtype, attributes=attributes, **options
    )
    array[...] = numbers
    return path


def consolidate(path: Path, zarr_format: int = 3) -> None:
    """Repeat all metadata in one file."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that other readers may pass over it
        zarr.consolidate_metadata(path, zarr_format=zarr_format)


def serve(server: RangeServer, path: Path) -> str:
    """Put all files of a store on a server; give its address."""
    for each in path.rglob("*"):
        if each.is_file():
            server.put(f"{path.name}/{each.relative_to(path)}", each.read_bytes())
    return f"{server.address}/{path.name}"


def zarr_item(href: str | Path, numbers: NDArray[Any], *, name: str = "red", **band: Any) -> dict[str, Any]:
    """Describe a store as an item, with a date for each image of its time axis."""
    times = [f"2020-01-{day + 1:02}T10:00:00Z" for day in range(numbers.shape[0] if numbers.ndim == 3 else 1)]
    box = GeoBox(numbers.shape[-2:], grid(), CRS)
    footprint = box.extent.to_crs("EPSG:4326")
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": "one", "collection": "tiny", "links": [],
        "bbox": list(footprint.boundingbox), "geometry": footprint.json,
        "properties": {
            "datetime": times[0], "proj:code": CRS, "proj:transform": list(grid()[:6]),
            "proj:shape": list(numbers.shape[-2:]),
            "cube:dimensions": {"time": {"type": "temporal", "values": times}},
        },
        "assets": {
            "data": {
                "href": str(href), "type": "application/vnd+zarr", "roles": ["data"],
                "bands": [{"name": name, **band}],
            }
        },
    }  # fmt: skip
