"""How an emulated dCache is set up."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass
class Options:
    """How this dCache is set up; what is not given is dCache's default, except ``plain_credentials``."""

    redirect_reads: bool = True
    """True: the WebDAV door sends a GET on to the pool."""
    redirect_writes: bool = True
    """True: it sends a PUT with ``Expect: 100-continue`` on to the pool; others go through the door."""
    redirect_status: int = 307
    """How it says so for a GET."""
    overwrite: bool = True
    """True: a PUT may replace a file."""
    anonymous: Literal["NONE", "READONLY", "FULL"] = "NONE"
    """What nobody in particular may do."""
    plain_credentials: bool = True
    """True: credentials and macaroons work without TLS too. dCache refuses that."""
    on_nearline: Literal["stage", "refuse"] = "stage"
    """A GET of a file on tape: it is staged and the client waits, or 403 as where staging is not allowed."""
    mover_timeout_s: float = 180.0
    """How long a GET waits for tape before it fails with 500; seconds of the clock."""
    marker_s: float = 5.0
    """Real seconds between the reports of a third-party copy."""
