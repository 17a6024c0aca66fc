"""odc-geo without Dask: it would load that, 0.1 s of each process, to ask whether an array is Dask's."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import Any

_ASKS = "odc.geo._interop"


def is_dask_collection(value: Any) -> bool:
    """Tell whether a value is a collection of Dask; there is none while Dask is not loaded."""
    dask = sys.modules.get("dask")
    return dask is not None and bool(dask.is_dask_collection(value))


def _answer() -> None:
    """Put the answer where odc-geo looks for it, before it looks."""
    package = None if "odc.geo" in sys.modules else find_spec("odc.geo")
    spec = package and PathFinder.find_spec(_ASKS, package.submodule_search_locations)
    if not spec or not spec.loader:  # it is loaded already, or of a version that asks another way
        return
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.is_dask_collection = is_dask_collection  # type: ignore[attr-defined]
    sys.modules[_ASKS] = module


_answer()

from odc.geo.geobox import GeoBox  # noqa: E402 -- only now

__all__ = ["GeoBox", "is_dask_collection"]
