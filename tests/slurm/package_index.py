"""A package index on an address of this machine, with wheels of packages that are installed here."""

from __future__ import annotations

import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def serve(folder: Path, address: str) -> Iterator[str]:
    """Serve wheels as PEP 503 has it.

    Parameters
    ----------
    folder : Path
        Holds the wheels; a page for each package is written beside them.
    address : str
        Where to listen.

    Yields
    ------
    str
        The index's address, as pip wants it.
    """
    for wheel in folder.glob("*.whl"):
        page = folder / "index" / wheel.name.split("-")[0].lower().replace("_", "-") / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f'<!DOCTYPE html><a href="/{wheel.name}">{wheel.name}</a>')
    server = ThreadingHTTPServer((address, 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{address}:{server.server_port}/index"
    finally:
        server.shutdown()
        server.server_close()
