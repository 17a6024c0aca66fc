"""Copies of other catalogs' items with their files, in a store of one's own, as static STAC catalogs."""

from swath.catalog.mirror.running import mirror
from swath.catalog.mirror.values import Choice, Failure, MirrorReport, Pace

__all__ = ["Choice", "Failure", "MirrorReport", "Pace", "mirror"]
