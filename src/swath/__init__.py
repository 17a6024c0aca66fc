"""swath: Earth observation on the computers you already have; catalog in, catalog out."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from swath.version import __version__

if TYPE_CHECKING:
    from swath import catalog
    from swath.api.items import mirror, order, save, search
    from swath.api.running import cluster, run
    from swath.catalog import ingest
    from swath.cube import load
    from swath.demo import demo_items
    from swath.storage.filesystem import filesystem

_WHERE = {
    "cluster": "swath.api.running",
    "mirror": "swath.api.items",
    "order": "swath.api.items",
    "run": "swath.api.running",
    "save": "swath.api.items",
    "search": "swath.api.items",
    "ingest": "swath.catalog",
    "load": "swath.cube",
    "demo_items": "swath.demo",
    "filesystem": "swath.storage.filesystem",
}

__all__ = [
    "__version__",
    "catalog",
    "cluster",
    "demo_items",
    "filesystem",
    "ingest",
    "load",
    "mirror",
    "order",
    "run",
    "save",
    "search",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``import swath`` alone loads nothing else."""
    if name == "catalog":  # the package itself, which can be called
        return import_module("swath.catalog")
    if name not in _WHERE:
        raise AttributeError(f"module 'swath' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
