"""Spectral indices by the names and formulas of spyndex, on bands by their STAC common names."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from swath.cube.index_table import constant, find_index, index_names
from swath.cube.sources import Item, band_names, band_sources, find_band
from swath.model import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType

# Letters of spyndex to STAC common names (eo extension 1.1 and 2.0), the usual one first.
_COMMON_NAMES = {
    "A": ("coastal",), "B": ("blue",), "G1": ("green05",), "G": ("green",), "Y": ("yellow",), "R": ("red",),
    "RE1": ("rededge071", "rededge1", "rededge", "B05", "B5"),
    "RE2": ("rededge075", "rededge2", "B06", "B6"), "RE3": ("rededge078", "rededge3", "B07", "B7"),
    "N": ("nir", "nir08", "nir09"), "N2": ("nir08", "B8A", "nir"), "WV": ("nir09",),
    "S1": ("swir16",), "S2": ("swir22",), "T": ("lwir",), "T1": ("lwir11", "lwir"), "T2": ("lwir12",),
    "VV": ("vv",), "VH": ("vh",), "HH": ("hh",), "HV": ("hv",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpectralIndex:
    """An index of spyndex: its formula, and which letters stand for bands and which for constants."""

    name: str
    """Short name, as spyndex spells it."""
    title: str
    """Long name."""
    formula: str
    """Formula in the letters of spyndex."""
    letters: tuple[str, ...]
    """Letters that are bands."""
    constants: tuple[tuple[str, float], ...]
    """Letters that are constants, with their usual values."""

    def compute(self, bands: Mapping[str, Any]) -> Any:
        """Compute the index.

        Parameters
        ----------
        bands : mapping of letter to array of any shape, float, reflectance, 1

        Returns
        -------
        array of the same shape, float
            NaN where a band is NaN or the formula divides by zero.

        References
        ----------
        Montero et al. (2023), A standardized catalogue of spectral indices, Scientific Data 10, 197.

        Examples
        --------
        >>> nir, red = np.array([0.5, 0.0]), np.array([0.1, 0.0])
        >>> spectral_index("NDVI").compute({"N": nir, "R": red}).round(3).tolist()
        [0.667, nan]
        """
        with np.errstate(all="ignore"):
            values = eval(  # noqa: S307 -- a formula of the installed catalogue, which names only letters
                _compiled(self.formula), {"__builtins__": {}}, {**dict(self.constants), **bands}
            )
            if hasattr(values, "where"):  # xarray, lazy or not
                return values.where(abs(values) < np.inf)
            return np.where(np.isfinite(values), values, np.nan).astype(values.dtype, copy=False)


@cache
def _compiled(formula: str) -> CodeType:
    # spyndex.computeIndex does the same, but reads its catalogue from disk anew for each call (2 ms).
    return compile(formula, formula, "eval")


@cache
def spectral_index(name: str) -> SpectralIndex:
    """Look an index up by its name.

    Raises
    ------
    InputError
        spyndex has none of this name, or it needs more than bands and constants (kernels); the
        nearest names are given.

    Examples
    --------
    >>> spectral_index("NDVI").formula, spectral_index("NDVI").letters
    ('(N-R)/(N+R)', ('N', 'R'))
    """
    found = find_index(name)
    if found is None:
        raise unknown(f"index: there is no index {name!r}", name, index_names().values())
    letters = tuple(each for each in found.letters if each in _COMMON_NAMES)
    values = {each: constant(each) for each in found.letters if each not in _COMMON_NAMES}
    constants = tuple((each, value) for each, value in values.items() if value is not None)
    if lacking := sorted(values.keys() - dict(constants).keys()):
        raise InputError(
            f"index: {found.name} needs {', '.join(lacking)}, which are neither bands nor constants"
        )
    # The formula divides and takes powers of bands alone: numbers in it are Python's and keep float32.
    return SpectralIndex(found.name, found.title, found.formula, letters, constants)


def bands_for(index: SpectralIndex, items: Sequence[Item]) -> dict[str, str]:
    """Name the band of these items for each letter of an index.

    Parameters
    ----------
    index : SpectralIndex
        The index.
    items : sequence of dict
        STAC items; each letter takes the first of its common names that an item has.

    Returns
    -------
    dict of letter to band name

    Raises
    ------
    InputError
        The items lack a band that the index needs.
    """
    sample = [band_sources(each) for each in items[:20]]
    chosen = {}
    for letter in index.letters:
        names = [name for name in _COMMON_NAMES[letter] if any(find_band(each, name) for each in sample)]
        if not names:
            collections = sorted({str(each.get("collection")) for each in items})
            wanted = " or ".join(_COMMON_NAMES[letter])
            raise InputError(
                f"index: {index.name} needs the band {wanted}, which {', '.join(collections)} lacks",
                fix="choose another index or collection", known=band_names(items[:20]),
            )  # fmt: skip
        chosen[letter] = "|".join(names)
    return chosen
