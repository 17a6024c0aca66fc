"""STAC items to lazy arrays: grids, time grouping, masks, scale and offset, mosaicking, and the reader.

What needs xarray is imported when it is first used: a job's units work on plain arrays, and xarray with
pandas would cost each of its processes 1.6 s.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from swath.cube.cost import CubeCost, format_bytes
from swath.cube.given import item_dicts, parse_geometry
from swath.cube.indices import SpectralIndex, bands_for, spectral_index
from swath.cube.plan import CubePlan, block_edges, plan_cube
from swath.cube.valid import ValidRule, parse_rule, rule_for

if TYPE_CHECKING:
    from swath.cube.accessor import SwathAccessor
    from swath.cube.loading import lazy_cube, load, read_stack

_WITH_XARRAY = {
    "SwathAccessor": "swath.cube.accessor",
    "lazy_cube": "swath.cube.loading",
    "load": "swath.cube.loading",
    "read_stack": "swath.cube.loading",
}

__all__ = [
    "CubeCost",
    "CubePlan",
    "SpectralIndex",
    "SwathAccessor",
    "ValidRule",
    "bands_for",
    "block_edges",
    "format_bytes",
    "item_dicts",
    "lazy_cube",
    "load",
    "parse_geometry",
    "parse_rule",
    "plan_cube",
    "read_stack",
    "rule_for",
    "spectral_index",
]


def __getattr__(name: str) -> Any:
    if name not in _WITH_XARRAY:
        raise AttributeError(f"module 'swath.cube' has no attribute {name!r}")
    return getattr(import_module(_WITH_XARRAY[name]), name)
