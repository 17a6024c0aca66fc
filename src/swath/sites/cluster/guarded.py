"""Scheduler and worker whose web pages, too, are shown only to who has the cluster's certificate.

Dask's own pages answer everybody who reaches the port, which on a cluster is every user.
"""

from __future__ import annotations

import signal
from typing import Any

from distributed import Scheduler, Worker


class GuardedScheduler(Scheduler):
    """A scheduler whose dashboard asks for the certificate."""

    def start_http_server(self, *arguments: Any, **options: Any) -> None:
        """Start the dashboard; see `distributed.node.ServerNode`."""
        options["ssl_options"] = self.security.get_listen_args("scheduler")["ssl_context"]
        super().start_http_server(*arguments, **options)  # type: ignore[no-untyped-call]


class GuardedWorker(Worker):
    """A worker whose pages ask for the certificate, and whose end its nanny decides."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Slurm tells all processes of a job of its end: the nanny hands over what this one holds first.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def start_http_server(self, *arguments: Any, **options: Any) -> None:
        """Start the worker's pages; see `distributed.node.ServerNode`."""
        options["ssl_options"] = self.security.get_listen_args("worker")["ssl_context"]
        super().start_http_server(*arguments, **options)  # type: ignore[no-untyped-call]
