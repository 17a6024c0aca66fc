"""Where a band of an item lies: which file, which layer of it, and what its numbers mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from swath.cube.families import family_of
from swath.model import SwathError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Item = dict[str, Any]
"""A STAC item as JSON gives it, with absolute hrefs."""

UNAVAILABLE = "unavailable:"
"""What the href of an asset begins with that is known not to be had; the reason and a line feed follow."""

_NO_DATA_ROLES = frozenset({"thumbnail", "overview", "metadata", "documentation", "index"})
_PICTURES = frozenset({"visual", "tci", "rendered_preview", "thumbnail", "preview"})
_RASTER_TYPES = ("tiff", "jp2", "jpeg2000", "netcdf", "hdf", "zarr", "vrt", "img")


@dataclass(frozen=True, slots=True)
class BandSource:
    """One layer of one file, and how its stored numbers become a quantity."""

    href: str
    """Path or address of the file."""
    index: int
    """Number of the layer in the file, from 1."""
    asset: str
    """Key of the asset in its item."""
    nodata: float | None
    """Stored number that means missing, as the item says; None: as the file says."""
    scale: float
    """quantity = stored * scale + offset."""
    offset: float
    """quantity = stored * scale + offset."""
    crs: str | None
    """Coordinate reference system as the item says (``EPSG:32635`` or WKT)."""
    transform: tuple[float, ...] | None
    """Affine transform as the item says: six numbers."""
    shape: tuple[int, int] | None
    """(y, x) as the item says."""
    names: tuple[str, ...] = field(default=(), compare=False)
    """What the layer is called: asset key, band name, common name; the strongest first."""

    @property
    def gsd(self) -> float:
        """Pixel size in the units of the CRS where the item says it, else infinite."""
        return abs(self.transform[0]) if self.transform else float("inf")


def item_datetime(item: Item) -> str:
    """Give an item's datetime, or the start of its interval where it has none."""
    properties = item["properties"]
    return str(properties.get("datetime") or properties.get("start_datetime"))


def item_steps(item: Item) -> tuple[str, ...]:
    """List the datetimes of an item's images: its own, or the time axis of the Zarr stores that it holds."""
    time = item["properties"].get("cube:dimensions", {}).get("time", {})
    held = any("zarr" in str(each.get("type")) for each in item.get("assets", {}).values())
    return tuple(time["values"]) if held and time.get("values") else (item_datetime(item),)


def band_sources(item: Item, step: int = 0) -> tuple[BandSource, ...]:
    """List every layer of every raster asset of an item.

    Understands STAC 1.1 ``bands``, and ``eo:bands`` and ``raster:bands`` of 1.0. Where the item says
    no scale, the rules of known families hold (`swath.cube.families`). ``step`` is the place on the time
    axis of a Zarr store.
    """
    family = family_of(item)
    sources = []
    for key, asset in item.get("assets", {}).items():
        if not _is_raster(asset):
            continue
        crs, transform, shape = _grid_of(item["properties"], asset)
        bands = _bands_of(asset)
        for index, band in enumerate(bands, start=1):
            names = _names(key, band, alone=len(bands) == 1)
            scale, offset = family.radiometry(item, names, band)
            href, place = str(asset["href"]), index
            if "zarr" in str(asset.get("type")) and not href.startswith(UNAVAILABLE):
                # As GDAL names one image of an array with a time axis.
                href, place = f'ZARR:"{href}":/{band.get("name") or ""}:{step}', 1
            sources.append(
                BandSource(
                    href=href, index=place, asset=key, nodata=_number(band.get("nodata")),
                    scale=scale, offset=offset, crs=crs, transform=transform, shape=shape, names=names,
                )
            )  # fmt: skip
    return tuple(sources)


def _is_raster(asset: Mapping[str, Any]) -> bool:
    roles = set(asset.get("roles") or ())
    if roles & _NO_DATA_ROLES and "data" not in roles:
        return False
    media = str(asset.get("type") or "").lower()
    if media:
        return any(each in media for each in _RASTER_TYPES)
    path = str(asset.get("href", "")).lower().split("?")[0]
    return path.endswith((".tif", ".tiff", ".jp2", ".vrt", ".nc", ".img")) or "data" in roles


def _grid_of(
    properties: Mapping[str, Any], asset: Mapping[str, Any]
) -> tuple[str | None, tuple[float, ...] | None, tuple[int, int] | None]:
    def said(name: str) -> Any:
        return asset.get(name, properties.get(name))

    code, epsg = said("proj:code"), said("proj:epsg")
    crs = code or (f"EPSG:{epsg}" if epsg else said("proj:wkt2"))
    transform, shape = said("proj:transform"), said("proj:shape")
    return (
        str(crs) if crs else None,
        tuple(float(each) for each in transform[:6]) if transform else None,
        (int(shape[0]), int(shape[1])) if shape else None,
    )


def _bands_of(asset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bring the three ways to describe bands into one, with ``scale`` and ``offset`` without prefix."""
    lists = [asset.get(name) or [] for name in ("bands", "eo:bands", "raster:bands")]
    count = max(1, *(len(each) for each in lists))
    inherited = {name: asset[name] for name in ("nodata", "raster:scale", "raster:offset") if name in asset}
    merged = []
    for at in range(count):
        band: dict[str, Any] = dict(inherited)
        for each in reversed(lists):
            if at < len(each):
                band.update(each[at])
        for name in ("scale", "offset"):
            if f"raster:{name}" in band:
                band[name] = band[f"raster:{name}"]
        merged.append(band)
    return merged


def _names(key: str, band: Mapping[str, Any], *, alone: bool) -> tuple[str, ...]:
    name, common = band.get("name"), band.get("eo:common_name") or band.get("common_name")
    spelled = [key] if alone else []
    spelled += [str(each) for each in (name, common) if each]
    if name:
        spelled.append(f"{key}:{name}")
    return tuple(dict.fromkeys(spelled))


def _number(value: Any) -> float | None:
    if value is None:
        return None
    return float(value)  # "nan", "inf" and "-inf" are spelled out in STAC


def find_band(sources: Sequence[BandSource], name: str) -> BandSource | None:
    """Find the layer that a name means: by asset key, band name, or common name.

    Of several, the finest wins, and a layer of a picture such as ``visual`` comes last. Upper and lower
    case count only if both exist. ``b20m:B4`` names the asset too; ``nir|nir08`` takes the first that
    there is.
    """
    for each in name.split("|"):
        wanted = each.casefold()
        fits = [source for source in sources if wanted in (other.casefold() for other in source.names)]
        if fits:
            return min(((_rank(source, each), at, source) for at, source in enumerate(fits)))[2]
    return None


def _rank(source: BandSource, name: str) -> tuple[bool, bool, float, int]:
    at = [each.casefold() for each in source.names].index(name.casefold())
    return source.asset.casefold() in _PICTURES, name not in source.names, source.gsd, at


def band_names(items: Iterable[Item]) -> tuple[str, ...]:
    """List what the bands of items are called, in the order of their first mention."""
    found: dict[str, None] = {}
    for item in items:
        for source in band_sources(item):
            if source.asset.casefold() not in _PICTURES:
                found.update(dict.fromkeys(each for each in source.names if ":" not in each))
    return tuple(found)


def unknown_band(name: str, items: Sequence[Item]) -> SwathError:
    """Make the error for a band that no item has."""
    known = band_names(items[:50])
    collections = sorted({str(each.get("collection")) for each in items})
    return unknown(f"bands: {', '.join(collections)} has no band {name!r}", name, known)
