"""Plain rasters made items: what their names say by a pattern, and what their headers say by GDAL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from swath.catalog.intake.patterns import NamedFile, match_file, parse_pattern
from swath.catalog.intake.prepare import Located, Rejected
from swath.model import InputError, NotFoundError, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIDECARS = (".aux.xml", ".ovr", ".msk", ".tfw", ".prj")
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
]


def read_rasters(folder: Path, pattern: str, collection: str | None) -> Iterator[Located | Rejected]:
    """Give one item for all files of a folder (and those below) that belong together.

    Parameters
    ----------
    folder : Path
        Absolute.
    pattern : str
        As for ``parse_pattern``.
    collection : str, optional
        Id of the collection; else the pattern's ``{collection}``, else the folder's name.
    """
    parsed = parse_pattern(pattern)
    if not folder.is_dir():
        raise NotFoundError(f"ingest: the folder {folder} does not exist")
    grouped: dict[tuple[str, str], list[NamedFile]] = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or path.name.lower().endswith(_SIDECARS):
            continue
        try:
            file = match_file(parsed, folder, path, collection)
            grouped.setdefault((file.collection, file.item), []).append(file)
        except InputError as error:
            yield Rejected(str(path.relative_to(folder)), error.what)
    for files in grouped.values():
        yield from _item_of(files, folder)


def _item_of(files: list[NamedFile], folder: Path) -> Iterator[Located | Rejected]:
    assets: dict[str, dict[str, Any]] = {}
    outlines: list[dict[str, Any]] = []
    for file in files:
        key = file.band or "data"
        if key in assets:
            yield Rejected(
                str(file.path.relative_to(folder)), f"item {file.item!r} has a file of {key!r} already"
            )
            continue
        try:
            asset, outline = read_asset(file.path, key)
        except InputError as error:
            yield Rejected(str(file.path.relative_to(folder)), error.what)
            continue
        assets[key] = asset
        if outline not in outlines:
            outlines.append(outline)
    if assets:
        yield Located(_item(files[0], assets, outlines), str(files[0].path), is_own=True)


def _item(
    file: NamedFile, assets: dict[str, dict[str, Any]], outlines: list[dict[str, Any]]
) -> dict[str, Any]:
    from shapely import union_all
    from shapely.geometry import mapping, shape

    from swath.catalog.geometry import box_of, cut_at_antimeridian

    geometry = cut_at_antimeridian(union_all([shape(each) for each in outlines]))
    properties: dict[str, Any] = {"datetime": format_instant(file.start), **dict(file.fields)}
    if file.end != file.start:
        properties |= {
            "datetime": None,
            "start_datetime": format_instant(file.start),
            "end_datetime": format_instant(file.end),
        }
    projections = [{k: v for k, v in each.items() if k.startswith("proj:")} for each in assets.values()]
    if all(each == projections[0] for each in projections):  # one grid: said once, on the item
        properties |= projections[0]
        assets = {
            key: {k: v for k, v in each.items() if not k.startswith("proj:")} for key, each in assets.items()
        }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": file.item,
        "collection": file.collection,
        "geometry": mapping(geometry),
        "bbox": list(box_of(geometry)),
        "properties": properties,
        "links": [],
        "assets": assets,
    }


def read_asset(path: Path, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a raster's header.

    Parameters
    ----------
    path : Path
        The file.
    key : str
        Name of its only band.

    Returns
    -------
    asset : dict
        STAC 1.1 asset, with projection and raster fields.
    outline : dict
        GeoJSON polygon, longitude and latitude.

    Raises
    ------
    InputError
        It is no raster, or does not say where it lies.
    """
    import warnings

    import rasterio

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path) as raster:
                if raster.crs is None or raster.transform.is_identity:
                    raise InputError("it does not say where it lies: no CRS or no transform")
                return _asset_of(raster, path, key), _outline_of(raster)
    except rasterio.errors.RasterioIOError as error:
        raise InputError(
            f"it is no raster that can be read ({' '.join(str(error).split())[:160]})"
        ) from error
    except rasterio.errors.CRSError as error:
        raise InputError(f"its CRS cannot be used ({error})") from error


def _asset_of(raster: Any, path: Path, key: str) -> dict[str, Any]:
    asset: dict[str, Any] = {"href": str(path), "roles": ["data"]}
    if raster.driver in ("GTiff", "COG"):
        asset["type"] = "image/tiff; application=geotiff"
    authority = raster.crs.to_authority()
    if authority:
        asset["proj:code"] = ":".join(authority)
    else:
        asset["proj:code"] = None
        asset["proj:wkt2"] = raster.crs.to_wkt(version="WKT2_2019")
    asset["proj:shape"] = list(raster.shape)
    asset["proj:transform"] = list(raster.transform)[:6]
    names = (
        [key]
        if raster.count == 1
        else [text or f"{key}_{at}" for at, text in enumerate(raster.descriptions, 1)]
    )
    asset["bands"] = [_band_of(raster, at, name) for at, name in enumerate(names)]
    return asset


def _band_of(raster: Any, at: int, name: str) -> dict[str, Any]:
    band: dict[str, Any] = {"name": name, "data_type": raster.dtypes[at]}
    nodata = raster.nodatavals[at]
    if nodata is not None:
        whole = math.isfinite(nodata) and nodata == int(nodata) and "float" not in raster.dtypes[at]
        band["nodata"] = "nan" if math.isnan(nodata) else int(nodata) if whole else nodata
        if isinstance(band["nodata"], float) and math.isinf(nodata):
            band["nodata"] = "inf" if nodata > 0 else "-inf"
    if raster.scales[at] != 1 or raster.offsets[at] != 0:
        band["raster:scale"], band["raster:offset"] = raster.scales[at], raster.offsets[at]
    if raster.units[at]:
        band["unit"] = raster.units[at]
    return band


def _outline_of(raster: Any, *, points: int = 21) -> dict[str, Any]:
    """Give the border of a raster in longitude and latitude, with points along its curved sides."""
    import rasterio.warp

    steps = [each / (points - 1) for each in range(points)]
    height, width = raster.shape
    ring = [(0.0, height * each) for each in steps]
    ring += [(width * each, float(height)) for each in steps[1:]]
    ring += [(float(width), height * (1 - each)) for each in steps[1:]]
    ring += [(width * (1 - each), 0.0) for each in steps[1:]]
    a, b, c, d, e, f = tuple(raster.transform)[:6]
    xs = [a * column + b * row + c for column, row in ring]
    ys = [d * column + e * row + f for column, row in ring]
    lon, lat = rasterio.warp.transform(raster.crs, "EPSG:4326", xs, ys)
    if not all(map(math.isfinite, [*lon, *lat])):
        raise InputError("its border has no longitude and latitude in its CRS")
    border = [[round(x, 7), round(y, 7)] for x, y in zip(lon, lat, strict=True)]
    return {"type": "Polygon", "coordinates": [[*border[:-1], border[0]]]}
