"""The table of spectral indices inside spyndex, which itself would load an HTTP client and its plots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class TableRow:
    """An index as spyndex describes it."""

    name: str
    """Short name."""
    title: str
    """Long name."""
    formula: str
    """Formula in letters for bands and constants, without blanks."""
    letters: tuple[str, ...]
    """Letters of the formula."""
    domain: str
    """What it is for, such as ``vegetation``."""


@cache
def index_names() -> dict[str, str]:
    """Give the names of all indices by their spelling without capitals."""
    return {each.casefold(): each for each in _indices()}


def find_index(name: str) -> TableRow | None:
    """Find an index by its name, however it is capitalised; None where there is none.

    Examples
    --------
    >>> find_index("ndvi").formula
    '(N-R)/(N+R)'
    """
    # Some names differ in their case alone (MSR705, mSR705): as it is written comes first.
    spelled = name if name in _indices() else index_names().get(name.casefold())
    if spelled is None:
        return None
    found = _indices()[spelled]
    formula = found["formula"].replace(" ", "")
    return TableRow(spelled, found["long_name"], formula, tuple(found["bands"]), found["application_domain"])


def constant(letter: str) -> float | None:
    """Give the usual value of a letter that stands for a constant; None where it has none, or is a band.

    Examples
    --------
    >>> constant("L"), constant("N")
    (1.0, None)
    """
    value = _constants().get(letter, {}).get("default")
    return None if value is None else float(value)


@cache
def _indices() -> dict[str, Any]:
    return dict(_read("spectral-indices-dict.json")["SpectralIndices"])


@cache
def _constants() -> dict[str, Any]:
    return _read("constants.json")


def _read(name: str) -> dict[str, Any]:
    spec = find_spec("spyndex")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("spyndex is not installed", name="spyndex")
    return dict(orjson.loads((Path(spec.origin).parent / "data" / name).read_bytes()))
