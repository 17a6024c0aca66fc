"""Many tiles as one image: a VRT that GDAL and QGIS open, a tile index for very many, or one COG."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from swath.model import InputError
from swath.storage.whole import file_name, write_bytes, writing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MANY = 500
"""More tiles than this make a tile index: a VRT reads its whole list each time it is opened."""
_TYPES = {"uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32",
          "int32": "Int32", "float32": "Float32", "float64": "Float64"}  # fmt: skip
_EPOCH = "1970-01-01T00:00:00.000Z"


@dataclass(frozen=True)
class Tile:
    """One file of a mosaic on the common grid."""

    path: str
    """File name from the folder of the mosaic."""
    transform: tuple[float, ...]
    """Affine transform: six numbers, pixel to CRS."""
    shape: tuple[int, int]
    """(y, x)."""
    crs: str
    """``EPSG:n`` or WKT."""
    band: tuple[tuple[str, Any], ...]
    """What the item says of the band: the same for all tiles."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Its (minx, miny, maxx, maxy) in the CRS."""
        a, _, c, _, e, f = self.transform
        xs, ys = sorted((c, c + a * self.shape[1])), sorted((f, f + e * self.shape[0]))
        return xs[0], ys[0], xs[1], ys[1]


def write_mosaic(
    folder: Path, items: Sequence[dict[str, Any]], *, name: str, asset: str | None = None
) -> Path:
    """Write a file that opens the tiles of one period as one image.

    Parameters
    ----------
    folder : Path
        Where the mosaic goes. It names the tiles relative to itself, so that all can move together.
    items : sequence of dict
        Items of `write_raster` on one grid. The hrefs of their assets are absolute, or relative to their
        ``self`` link; to ``folder`` where they have none.
    name : str
        Name of the file without its ending.
    asset : str, optional
        Which layer; the first data asset of the first item unless given.

    Returns
    -------
    Path
        ``<name>.vrt``; above ``MANY`` tiles ``<name>.gti.gpkg`` (a tile index for GDAL 3.10 or newer).

    Raises
    ------
    InputError
        No items, or tiles of different grids, CRS or number types.
    """
    tiles = _tiles(folder, items, asset)
    stem = file_name(name)
    if len(tiles) > MANY:
        return _write_index(folder, tiles, stem)
    path = folder / f"{stem}.vrt"
    write_bytes(path, _xml(_vrt(tiles)))
    return path


def merge_cog(folder: Path, items: Sequence[dict[str, Any]], *, name: str, asset: str | None = None) -> Path:
    """Write the tiles of one period as one COG; GDAL streams them, so memory does not grow with the area.

    Parameters
    ----------
    folder, items, name, asset
        As for `write_mosaic`.

    Returns
    -------
    Path
        ``<name>.tif``, with statistics, overviews, scale, offset and nodata.
    """
    import rasterio
    import rasterio.shutil
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    from swath.products.cog import cog_options
    from swath.products.quantity import quantity_of

    tiles = _tiles(folder, items, asset)
    band = dict(tiles[0].band)
    target = folder / f"{file_name(name)}.tif"
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f".{target.stem}.vrt"
    try:
        with writing(target) as part, rasterio.Env():
            source.write_bytes(_xml(_vrt(tiles)))
            _, (height, width) = _whole(tiles)
            options = cog_options(max(height, width), quantity_of(str(band["name"])))
            try:
                rasterio.shutil.copy(source, part, **options, statistics="YES")
                _read_back(part)
            except (RasterioError, CPLE_BaseError) as error:  # GDAL says why in words: no room, no permission
                raise OSError(0, str(error)) from error
    finally:
        source.unlink(missing_ok=True)
    return target


def _read_back(path: Path) -> None:
    """Read a COG whole: on a full disk GDAL's driver prints an error, and reports success."""
    import rasterio

    with rasterio.open(path) as source:
        count = len(source.overviews(1))
    for level in range(-1, count):
        options = {} if level < 0 else {"overview_level": level}
        with rasterio.open(path, **options) as source:
            for _, window in source.block_windows(1):
                source.read(1, window=window)


def _tiles(folder: Path, items: Sequence[dict[str, Any]], asset: str | None) -> list[Tile]:
    if not items:
        raise InputError("mosaic: there are no items to put together")
    key = asset or next(
        (name for name, each in items[0]["assets"].items() if "data" in each.get("roles", [])), ""
    )
    base = str(folder)
    tiles = sorted((_tile(base, each, key) for each in items), key=lambda tile: tile.path)
    first = tiles[0]
    for tile in tiles:
        if tile.crs != first.crs or tile.band != first.band:
            raise InputError(f"mosaic: {tile.path} and {first.path} differ in CRS, number type or scale")
        _pixel_offset(first, tile)
    return tiles


def _tile(folder: str, item: dict[str, Any], key: str) -> Tile:
    if key not in item["assets"]:
        raise InputError(f"mosaic: the item {item['id']} has no asset {key!r}", known=sorted(item["assets"]))
    asset = item["assets"][key]
    grid = {**item["properties"], **asset}
    band = {name: value for name, value in asset["bands"][0].items() if name != "statistics"}
    return Tile(
        _relative(folder, item, str(asset["href"])),
        tuple(float(each) for each in grid["proj:transform"][:6]),
        (int(grid["proj:shape"][0]), int(grid["proj:shape"][1])),
        str(grid.get("proj:code") or grid.get("proj:wkt2")),
        tuple(sorted(band.items())),
    )


def _relative(folder: str, item: dict[str, Any], href: str) -> str:
    """Name a file from the folder of the mosaic."""
    if "://" in href and not href.startswith("file://"):
        raise InputError(f"mosaic: {href} is not a local file", fix="download the product first")
    home = next((str(each["href"]) for each in item["links"] if each["rel"] == "self"), "")
    home, href = home.removeprefix("file://"), href.removeprefix("file://")
    whole = os.path.join(folder, home.rpartition("/")[0], href)  # noqa: PTH118 -- faster, for many tiles
    return os.path.relpath(whole, folder).replace(os.sep, "/")


def _pixel_offset(first: Tile, tile: Tile) -> tuple[int, int]:
    """Count the pixels (x, y) from one tile's corner to another's; they must be whole."""
    a, b, c, d, e, f = first.transform
    same = all(abs(p - q) <= 1e-9 * abs(a) for p, q in zip((a, b, d, e), _steps(tile), strict=True))
    x, y = (tile.transform[2] - c) / a, (tile.transform[5] - f) / e
    if not same or b or d or max(abs(x - round(x)), abs(y - round(y))) > 1e-3:
        raise InputError(f"mosaic: {tile.path} and {first.path} are not on one grid")
    return round(x), round(y)


def _steps(tile: Tile) -> tuple[float, float, float, float]:
    a, b, _, d, e, _ = tile.transform
    return a, b, d, e


def _whole(tiles: Sequence[Tile]) -> tuple[tuple[float, ...], tuple[int, int]]:
    """Give transform and shape (y, x) of the grid that holds all tiles."""
    first = tiles[0]
    spots = [_pixel_offset(first, tile) for tile in tiles]
    left, top = min(x for x, _ in spots), min(y for _, y in spots)
    right = max(x + tile.shape[1] for (x, _), tile in zip(spots, tiles, strict=True))
    bottom = max(y + tile.shape[0] for (_, y), tile in zip(spots, tiles, strict=True))
    a, b, c, d, e, f = first.transform
    return (a, b, c + left * a, d, e, f + top * e), (bottom - top, right - left)


def _vrt(tiles: Sequence[Tile]) -> ET.Element:
    transform, (height, width) = _whole(tiles)
    root = ET.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    ET.SubElement(root, "SRS", dataAxisToSRSAxisMapping=_axes(tiles[0].crs)).text = tiles[0].crs
    a, b, c, d, e, f = transform
    ET.SubElement(root, "GeoTransform").text = ", ".join(repr(each) for each in (c, a, b, f, d, e))
    band = _band(root, tiles[0])
    corner = Tile("", transform, (height, width), "", ())
    for tile in tiles:
        x, y = _pixel_offset(corner, tile)
        rows, columns = tile.shape
        source = ET.SubElement(band, "ComplexSource")
        ET.SubElement(source, "SourceFilename", relativeToVRT="1").text = tile.path
        ET.SubElement(source, "SourceBand").text = "1"
        block = str(512 if max(tile.shape) > 512 else 256)
        ET.SubElement(
            source, "SourceProperties", RasterXSize=str(columns), RasterYSize=str(rows),
            DataType=str(band.get("dataType")), BlockXSize=block, BlockYSize=block,
        )  # fmt: skip
        size = {"xSize": str(columns), "ySize": str(rows)}
        ET.SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **size})
        ET.SubElement(source, "DstRect", {"xOff": str(x), "yOff": str(y), **size})
        # Where tiles overlap, a pixel that is missing in one must not hide another's.
        ET.SubElement(source, "NODATA").text = str(dict(tile.band)["nodata"])
    return root


def _band(root: ET.Element, tile: Tile) -> ET.Element:
    """Describe the band: number type, nodata, scale, offset, unit and name."""
    band = dict(tile.band)
    element = ET.SubElement(root, "VRTRasterBand", dataType=_TYPES[band["data_type"]], band="1")
    ET.SubElement(element, "Description").text = str(band["name"])
    ET.SubElement(element, "NoDataValue").text = str(band["nodata"])
    ET.SubElement(element, "UnitType").text = str(band.get("unit", ""))
    ET.SubElement(element, "Offset").text = repr(band.get("raster:offset", 0.0))
    ET.SubElement(element, "Scale").text = repr(band.get("raster:scale", 1.0))
    return element


def _axes(crs: str) -> str:
    """Say which axis of the CRS is x: GDAL's files always have east, or longitude, first."""
    import pyproj

    axes = pyproj.CRS.from_user_input(crs).axis_info
    north_first = bool(axes) and axes[0].direction.lower() in ("north", "south")
    return "2,1" if north_first else "1,2"


def _write_index(folder: Path, tiles: Sequence[Tile], stem: str) -> Path:
    """Write a GeoPackage with the outline of each tile, whose metadata make an image of it."""
    import geopandas
    import pyogrio
    from shapely import box

    outlines = geopandas.GeoDataFrame(
        {"location": [tile.path for tile in tiles]},
        geometry=[box(*tile.bounds) for tile in tiles],
        crs=tiles[0].crs,
    )
    path = folder / f"{stem}.gti.gpkg"
    date = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _EPOCH})  # else the file has the time of day in it
    try:
        with writing(path) as part:
            try:
                pyogrio.write_dataframe(
                    outlines,
                    part,
                    driver="GPKG",
                    layer="tiles",
                    layer_metadata={"LOCATION_FIELD": "location"},
                )
                _describe_index(part, tiles)
            except (RuntimeError, sqlite3.Error) as error:  # all of pyogrio's errors are RuntimeErrors
                raise OSError(0, str(error)) from error
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": date})
    return path


def _describe_index(index: Path, tiles: Sequence[Tile]) -> None:
    """Put the description of the image into the metadata of the index, in GDAL's domain ``xml:GTI``.

    An XML file beside the index could say the same, but GDAL looks for the index that it names from the
    working folder. Without a description it takes the number type from a tile, but not the scale.
    """
    root = ET.Element("GDALMultiDomainMetadata")
    ET.SubElement(root, "Metadata", domain="xml:GTI", format="xml").append(_gti(tiles))
    with contextlib.closing(sqlite3.connect(index)) as connection, connection:
        connection.execute("UPDATE gpkg_metadata SET metadata = ?", (_xml(root).decode(),))


def _gti(tiles: Sequence[Tile]) -> ET.Element:
    (a, _, c, _, e, f), (height, width) = _whole(tiles)
    root = ET.Element("GDALTileIndexDataset")
    ET.SubElement(root, "LocationField").text = "location"
    numbers = {
        "ResX": a, "ResY": abs(e), "MinX": c, "MinY": f + e * height, "MaxX": c + a * width, "MaxY": f,
    }  # fmt: skip
    for name, value in numbers.items():
        ET.SubElement(root, name).text = repr(value)
    band = dict(tiles[0].band)
    element = ET.SubElement(root, "Band", band="1", dataType=_TYPES[band["data_type"]])
    for name, value in {
        "Description": band["name"],
        "Offset": band.get("raster:offset", 0.0),
        "Scale": band.get("raster:scale", 1.0),
        "NoDataValue": band["nodata"],
        "UnitType": band.get("unit", ""),
    }.items():
        ET.SubElement(element, name).text = str(value)
    return root


def _xml(root: ET.Element) -> bytes:
    ET.indent(root, " ")
    data: bytes = ET.tostring(root, encoding="utf-8")
    return data + b"\n"
