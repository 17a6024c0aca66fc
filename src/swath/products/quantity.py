"""What the numbers of a layer mean, and how they are stored: decided by the name, never by the data."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import cache

_INT16_REACH = 3.2767
"""Largest value that int16 holds in steps of 0.0001."""
_REFLECTANCE = re.compile(
    r"coastal|blue|green(05)?|yellow|red|rededge(\d{1,3})?|nir(08|09)?|cirrus|pan|swir(1\d|2\d)"
    # B10 and B11 are thermal on Landsat: which one is meant is not to be seen from the name.
    r"|B0?[1-9]A?|B12|SR_B[1-7]|sur_refl_b0[1-7]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quantity:
    """A quantity and its stored form: value = stored * ``scale`` + ``offset``."""

    name: str
    """Name of the layer, such as ``NDVI``."""
    dtype: str
    """Number type in files: ``int16``, ``uint8``, ``uint16`` or ``float32``."""
    scale: float = 1.0
    """What a stored step is worth, in ``unit``."""
    offset: float = 0.0
    """What a stored 0 is worth, in ``unit``."""
    nodata: float = math.nan
    """Stored number that means missing."""
    unit: str = "1"
    """Unit in UCUM spelling; ``1`` for a ratio."""
    description: str = ""
    """One phrase for people."""
    colormap: str = "viridis"
    """Name of the colours that a picture of it takes, as matplotlib spells it."""
    vmin: float | None = None
    """Value of the first colour, in ``unit``; None: from the data."""
    vmax: float | None = None
    """Value of the last colour, in ``unit``; None: from the data."""

    @property
    def is_float(self) -> bool:
        """True when values are stored as they are."""
        return self.dtype.startswith("float")


def _packed(name: str, description: str, colormap: str, vmin: float, vmax: float) -> Quantity:
    return Quantity(
        name, "int16", 1e-4, 0.0, -32768, description=description, colormap=colormap, vmin=vmin, vmax=vmax
    )


_FIXED = {
    "quality": Quantity(
        "", "uint8", nodata=255, unit="%", description="Quality of the value", vmin=0, vmax=100
    ),
    "count": Quantity("", "uint16", nodata=65535, description="Number of clear observations", vmin=0),
    "p_value": Quantity("", "float32", description="Two-sided probability without a trend", vmin=0, vmax=1),
    "slope": Quantity("", "float32", description="Trend per unit of time", colormap="RdBu"),
    "intercept": Quantity("", "float32", description="Value of the trend line at time 0"),
    "z": Quantity("", "float32", description="Standard score of the trend", colormap="RdBu", vmin=-4, vmax=4),
}
"""Quantities that processes make; a layer's name is one of these, or ends in one (``NDVI_slope``)."""

_COLOURS = {"vegetation": ("YlGn", 0.0), "kernel": ("YlGn", 0.0)}


@cache
def quantity_of(name: str) -> Quantity:
    """Decide how a layer of a given name is stored.

    Parameters
    ----------
    name : str
        A spectral index of spyndex, a band (STAC common name, or ``B04``, ``SR_B4``), or ``quality``,
        ``count``, ``slope``, ``intercept``, ``z``, ``p_value``, alone or behind another name
        (``NDVI_quality``).

    Returns
    -------
    Quantity
        Bounded indices and reflectance are int16 in steps of 0.0001, quality uint8, counts uint16; all
        else float32. An index is bounded where its formula is (`swath.products.bounded`).

    Examples
    --------
    >>> quantity_of("NDVI").dtype, quantity_of("red").dtype, quantity_of("EVI").dtype
    ('int16', 'int16', 'float32')
    >>> quantity_of("NDVI_quality").nodata
    255
    """
    for ending, fixed in _FIXED.items():
        if name == ending or name.endswith(f"_{ending}"):
            return replace(fixed, name=name)
    if _REFLECTANCE.fullmatch(name):
        return _packed(name, f"Reflectance, {name}", "gray", 0.0, 0.4)
    return _index_quantity(name) or Quantity(name, "float32", description=name)


def _index_quantity(name: str) -> Quantity | None:
    from swath.cube.index_table import constant, find_index
    from swath.products.bounded import bound_of

    index = find_index(name)
    if index is None:
        return None
    values = {each: constant(each) for each in index.letters}
    bound = bound_of(index.formula, {each: value for each, value in values.items() if value is not None})
    if bound is None or bound > _INT16_REACH:
        return Quantity(name, "float32", description=index.title)
    colormap, vmin = _COLOURS.get(index.domain, ("viridis", -1.0))
    return _packed(name, index.title, colormap, vmin, 1.0)
