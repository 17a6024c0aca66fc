"""What is known of satellite products beyond their items: scales, offsets, and which pixels are good.

Items say their scale and offset in ``raster:bands`` or ``bands``; that always wins. Many catalogs leave it
out, so the rules of the large families stand here, each with its source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """A satellite product line: how to know it, its radiometry and its quality bands."""

    name: str
    """What people call it."""
    recognises: Callable[[Item], bool]
    """True for an item of this family."""
    scale_offset: Callable[[Item, Sequence[str]], tuple[float, float] | None]
    """(scale, offset) of the band with these names, or None where numbers are meant as they stand."""
    valid: tuple[dict[str, Any], ...] = ()
    """Rules for good pixels; the first whose band an item has is taken."""

    def radiometry(self, item: Item, names: Sequence[str], band: Mapping[str, Any]) -> tuple[float, float]:
        """Give the scale and offset of a band: what its item says, else what the family knows.

        Parameters
        ----------
        item : dict
            The STAC item.
        names : sequence of str
            What the band is called.
        band : mapping
            Its description, with ``scale`` and ``offset`` where the item has them.
        """
        if "scale" in band or "offset" in band:
            scale, offset = float(band.get("scale") or 1.0), float(band.get("offset") or 0.0)
            # Earth Search names the offset of the original product also where it has applied it already.
            if item["properties"].get("earthsearch:boa_offset_applied") is True:
                offset = 0.0
            return scale, offset
        return self.scale_offset(item, [each.casefold() for each in names]) or (1.0, 0.0)


_S2_REFLECTANCE = re.compile(r"b(0?[1-9]|1[0-2]|8a|08a)|coastal|blue|green|red|rededge.*|nir.*|swir.*")


def _sentinel2(item: Item) -> bool:
    properties = item["properties"]
    platform = str(properties.get("platform") or properties.get("constellation") or "").casefold()
    return "s2:processing_baseline" in properties or platform.startswith("sentinel-2")


def _sentinel2_radiometry(item: Item, names: Sequence[str]) -> tuple[float, float] | None:
    """Scale reflectance: quantification value 10000, and an offset of -1000 from baseline 04.00 on.

    Source: Sentinel-2 Products Specification Document (S2-PDGS-TAS-DI-PSD), issue 14.9, and ESA's notice on
    processing baseline 04.00 of 25 January 2022.
    """
    if not any(_S2_REFLECTANCE.fullmatch(each) for each in names):
        return None
    properties = item["properties"]
    baseline = properties.get("s2:processing_baseline") or properties.get("processing:version") or "0"
    applied = properties.get("earthsearch:boa_offset_applied") is True
    return 1e-4, (-0.1 if _version(str(baseline)) >= (4, 0) and not applied else 0.0)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", text)[:2]) or (0,)


def _landsat2(item: Item) -> bool:
    properties = item["properties"]
    level2 = "L2S" in str(properties.get("landsat:correction", "")) or re.search(
        r"L2S[PR]|landsat-c2-?l2", f"{item.get('id')} {item.get('collection')}"
    )
    number = str(properties.get("landsat:collection_number", ""))
    return bool(level2) and (number in ("02", "2") or "_02_" in str(item.get("id")) or not number)


def _landsat2_radiometry(_item: Item, names: Sequence[str]) -> tuple[float, float] | None:
    """Scale Collection 2 Level 2 bands.

    Source: USGS LSDS-1619, Landsat 8-9 Collection 2 Level 2 Science Product Guide, table 6-1.
    """
    if any(re.fullmatch(r"sr_b[1-7]|coastal|blue|green|red|nir08|swir16|swir22", each) for each in names):
        return 2.75e-5, -0.2
    if any(re.fullmatch(r"st_b(6|10)|lwir(11)?", each) for each in names):
        return 0.00341802, 149.0
    return None


_MODIS_VI = re.compile(r"(mod|myd|modis-)13[aqc]\d", re.IGNORECASE)


def _modis_vi(item: Item) -> bool:
    return bool(_MODIS_VI.search(f"{item.get('collection')} {item.get('id')}"))


def _modis_vi_radiometry(_item: Item, names: Sequence[str]) -> tuple[float, float] | None:
    """Scale MOD13 and MYD13, version 6.1 (user's guide, Didan and Munoz, 2019, table 2)."""
    pattern = r"(250m_|500m_|1km_|)(16_days_|)(ndvi|evi|red|nir|blue|mir)(_reflectance)?"
    return (1e-4, 0.0) if any(re.fullmatch(pattern, each) for each in names) else None


_FAMILIES = (
    Family(
        "Sentinel-2", _sentinel2, _sentinel2_radiometry,
        # Scene classification: 4 vegetation, 5 bare, 6 water, 7 unclassified, 11 snow.
        # QA60: bit 10 clouds, bit 11 cirrus.
        valid=({"band": "SCL", "values": [4, 5, 6, 7, 11]}, {"band": "QA60", "bits_clear": [10, 11]}),
    ),
    Family(
        "Landsat Collection 2 Level 2", _landsat2, _landsat2_radiometry,
        # QA_PIXEL: 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow (LSDS-1619, table 6-3).
        valid=({"band": "QA_PIXEL", "bits_clear": [0, 1, 2, 3, 4]},),
    ),
    Family(
        "MODIS vegetation indices", _modis_vi, _modis_vi_radiometry,
        # Pixel reliability: 0 good, 1 marginal. VI quality bits 0-1: 0 good, 1 see the other bits
        # (the same guide, tables 4 and 5).
        valid=(
            {"band": "RELIABILITY", "values": [0, 1]},
            {"band": "pixel_reliability", "values": [0, 1]},
            {"band": "1km_16_days_pixel_reliability", "values": [0, 1]},
            {"band": "250m_16_days_pixel_reliability", "values": [0, 1]},
            {"band": "500m_16_days_pixel_reliability", "values": [0, 1]},
            {"band": "VIQ", "bits": [{"first": 0, "count": 2, "values": [0, 1]}]},
        ),
    ),
)  # fmt: skip
_OTHER = Family("other", lambda _item: True, lambda _item, _names: None)


def family_of(item: Item) -> Family:
    """Tell which product line an item belongs to; one that changes nothing where none is known."""
    return next((each for each in _FAMILIES if each.recognises(item)), _OTHER)
