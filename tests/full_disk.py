"""A full disk, for tests of what is written."""

from __future__ import annotations

import contextlib
import resource
import signal
import sys


@contextlib.contextmanager
def room_for(size):
    """Let files grow to so many bytes only: writing more fails, as it does on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    sys.dont_write_bytecode, written = (
        True,
        sys.dont_write_bytecode,
    )  # Python would leave half a .pyc for good
    try:
        yield
    finally:
        sys.dont_write_bytecode = written
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
