"""Longitude and latitude to a CRS and back; PROJ takes 50 ms to start, so what it made is kept."""

from __future__ import annotations

import threading
from typing import Any

import pyproj

_KEPT = threading.local()  # PROJ's objects are not to be shared between threads


def _transformer(source: str, target: str) -> pyproj.Transformer:
    kept: dict[tuple[str, str], pyproj.Transformer] = _KEPT.__dict__.setdefault("by_pair", {})
    if (source, target) not in kept:
        kept[source, target] = pyproj.Transformer.from_crs(source, target, always_xy=True)
    return kept[source, target]


def from_lonlat(crs: str, longitude: Any, latitude: Any) -> tuple[Any, Any]:
    """Bring degrees to a CRS.

    Parameters
    ----------
    crs : str
        Code or WKT.
    longitude, latitude : array-like, degrees (WGS 84)

    Returns
    -------
    x, y : arrays of the same shape, units of ``crs``
        Infinite where the CRS does not reach.

    Examples
    --------
    >>> x, y = from_lonlat("EPSG:32635", 27.0, 0.0)
    >>> round(float(x)), round(float(y))
    (500000, 0)
    """
    x, y = _transformer("OGC:CRS84", crs).transform(longitude, latitude)
    return x, y


def to_lonlat(crs: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Bring coordinates of a CRS to degrees; the inverse of `from_lonlat`."""
    longitude, latitude = _transformer(crs, "OGC:CRS84").transform(x, y)
    return longitude, latitude
