"""``swath sites``: where jobs can run."""

from __future__ import annotations

import platform

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, read_settings

app = typer.Typer(add_completion=False, no_args_is_help=True, help="List the places where jobs can run.")


@app.callback()
def sites() -> None:
    """List the places where jobs can run."""


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the sites: so far, this machine."""
    from swath.cube import format_bytes

    settings = read_settings()
    site = {
        "name": "local", "host": platform.node(), "threads": settings.thread_count(),
        "memory_bytes": settings.memory_bytes(), "jobs": str(settings.home / "jobs"),
    }  # fmt: skip
    if as_json:
        emit_json([site])
        return
    row = (site["name"], site["host"], site["threads"], format_bytes(settings.memory_bytes()), site["jobs"])
    emit_table(("site", "host", "threads", "memory", "jobs"), [row])
