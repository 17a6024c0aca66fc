"""The processes that come with swath; importing this registers them, as a plug-in's module does its own."""

from swath.processes import composite, fill, index, statistics, trend

__all__ = ["composite", "fill", "index", "statistics", "trend"]
