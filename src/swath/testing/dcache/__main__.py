"""``python -m swath.testing.dcache``: an emulated dCache until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from swath.testing.dcache.emulator import DCache

_HOST = "127.0.0.1"


def main(arguments: list[str] | None = None) -> int:
    """Serve until the process is told to end."""
    parser = argparse.ArgumentParser(prog="python -m swath.testing.dcache", description=__doc__)
    parser.add_argument(
        "--folder", type=Path, help="where the files lie; none: a folder that goes at the end"
    )
    parser.add_argument(
        "--user", action="append", metavar="NAME:PASSWORD", help="who may log in; usual: demo:demo"
    )
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="PEM files; none: http")
    parser.add_argument(
        "--host", default=_HOST, help="the name in the addresses; it has to lead to 127.0.0.1"
    )
    parser.add_argument("--webdav-port", type=int, default=0)
    parser.add_argument("--api-port", type=int, default=0)
    parser.add_argument(
        "--tape",
        action="append",
        metavar="PATH",
        default=[],
        help="a folder whose files go to tape, and are there alone if they are there now",
    )
    parser.add_argument(
        "--recall-seconds", type=float, default=60.0, help="how long a drive takes for a file"
    )
    parser.add_argument("--drives", type=int, default=2)
    asked = parser.parse_args(arguments)
    users = dict(each.split(":", 1) for each in asked.user or ["demo:demo"])
    dcache = DCache(
        asked.folder,
        users=users,
        tls=tuple(asked.tls) if asked.tls else None,
        host=asked.host,
        pool_host=asked.host,
        webdav_port=asked.webdav_port,
        api_port=asked.api_port,
    )
    dcache.tape.recall_s, dcache.tape.drives = asked.recall_seconds, asked.drives
    ended = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: ended.set())
    with dcache:
        for path in asked.tape:
            dcache.mkdir(path, tape=True)
            for name in dcache.namespace.children(path):
                if not dcache.namespace.is_folder(f"{path}/{name}"):
                    dcache.set_locality(f"{path}/{name}", "NEARLINE")
        sys.stdout.write(f"webdav {dcache.webdav_url}\napi    {dcache.api_url}\nusers  {', '.join(users)}\n")
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
