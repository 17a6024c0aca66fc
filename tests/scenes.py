"""Small files and items around them, so that a test can see each pixel by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio.warp import transform_bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CRS = "EPSG:32635"
CORNER = (500_000.0, 5_000_000.0)
"""Upper left corner of a scene, metres in UTM 35: at longitude 27, latitude 45.1."""


def grid(pixel: float = 10.0, corner: tuple[float, float] = CORNER) -> rasterio.Affine:
    """Give the transform of a grid with square pixels."""
    return rasterio.Affine(pixel, 0.0, corner[0], 0.0, -pixel, corner[1])


def write_tiff(
    path: Path,
    layers: Any,
    *,
    transform: rasterio.Affine | None = None,
    crs: str | None = CRS,
    mask: Any = None,
    **options: Any,
) -> Path:
    """Write (y, x) or (layer, y, x) as a tiled GeoTIFF; ``mask`` is kept inside the file."""
    data = np.asarray(layers)
    data = data[np.newaxis] if data.ndim == 2 else data
    profile = {
        "driver": "GTiff", "count": len(data), "height": data.shape[1], "width": data.shape[2],
        "dtype": data.dtype, "crs": crs, "transform": transform or grid(), "tiled": True,
        "blockxsize": 16, "blockysize": 16, "compress": "deflate", **options,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as file:
        file.write(data)
        if mask is not None:
            file.write_mask(np.asarray(mask, bool))
    return path


def make_item(
    name: str,
    files: Mapping[str, Path],
    *,
    datetime: str = "2020-06-01T10:00:00Z",
    collection: str = "tiny",
    bands: Mapping[str, Sequence[dict[str, Any]]] | None = None,
    says_grid: bool = True,
    **properties: Any,
) -> dict[str, Any]:
    """Make the item of some files; what it says of their grid is read from them."""
    assets, boxes = {}, []
    for key, path in files.items():
        with rasterio.open(path) as file:
            asset: dict[str, Any] = {"href": str(path), "type": "image/tiff; application=geotiff"}
            asset["roles"] = ["data"]
            if says_grid:
                asset["proj:code"] = file.crs.to_string()
                asset["proj:transform"] = list(file.transform)[:6]
                asset["proj:shape"] = list(file.shape)
            boxes.append(transform_bounds(file.crs, "EPSG:4326", *file.bounds, densify_pts=21))
        asset["bands"] = list((bands or {}).get(key, [{"name": key}]))
        assets[key] = asset
    wests, souths, easts, norths = zip(*boxes, strict=True)
    west, south, east, north = min(wests), min(souths), max(easts), max(norths)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature", "stac_version": "1.1.0", "id": name, "collection": collection,
        "bbox": [west, south, east, north], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": datetime, **properties}, "assets": assets, "links": [],
    }  # fmt: skip


def ramp(height: int = 20, width: int = 30, start: int = 1) -> np.ndarray:
    """Give a scene in which each pixel has another number."""
    return np.arange(start, start + height * width, dtype="u2").reshape(height, width)


def write_items(path: Path, items: Sequence[dict[str, Any]]) -> Path:
    """Write items as a file that ``-i items=`` takes."""
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
    return path
