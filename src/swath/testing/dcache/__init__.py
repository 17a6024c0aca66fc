"""An emulator of dCache's doors, for tests and for whoever works without a dCache at hand."""

from swath.testing.dcache.clock import Clock
from swath.testing.dcache.emulator import DCache
from swath.testing.dcache.login import User
from swath.testing.dcache.options import Options

__all__ = ["Clock", "DCache", "Options", "User"]
