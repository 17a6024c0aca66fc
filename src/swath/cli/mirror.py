"""The command ``swath catalog mirror``: how far it is, what failed, and how to go on."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, say

if TYPE_CHECKING:
    from swath.catalog.mirror import MirrorReport

_PLAIN_EVERY_S = 10.0
_BAR_EVERY_S = 0.1
_FAILURES_SHOWN = 50


def mirror(
    source: Annotated[
        str, typer.Argument(help="Catalog file, static catalog (path or URL), or address of a STAC API.")
    ],
    target: Annotated[str, typer.Argument(help="Folder, NAME:path of a store, s3://..., davs://...")],
    collections: Annotated[str | None, typer.Option(help="Ids of collections, with commas between.")] = None,
    bbox: Annotated[str | None, typer.Option(help="West,south,east,north in degrees.")] = None,
    datetime: Annotated[str | None, typer.Option(help="2019, 2019-06/2020-03, 2020-01-05/..")] = None,
    assets: Annotated[
        str | None, typer.Option(help="Only these: keys, or common names of bands, with commas between.")
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Files at once.")] = 16,
    bandwidth: Annotated[str, typer.Option(help="Bytes in a second, such as 50MB; 0: no limit.")] = "0",
    max_items: Annotated[int | None, typer.Option(help="Stop after this many.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count files and bytes; write nothing.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Copy nothing; read back what is there, compare its checksums.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Verify, then copy again what is wrong or missing.")
    ] = False,
    into: Annotated[
        str | None, typer.Option(help="Catalog file that takes the items in, with their new places.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy items with their files to a store or folder, as a static STAC catalog; goes on where it was."""
    from swath.api import items as api

    last: list[MirrorReport] = []
    try:
        with _progress() as watch:

            def seen(report: MirrorReport) -> None:
                last[:] = [report]
                watch(report)

            report = api.mirror(
                source, target, collections=collections, bbox=bbox, datetime=datetime, assets=assets,
                max_items=max_items, concurrency=concurrency, bandwidth=bandwidth, dry_run=dry_run,
                verify=verify, repair=repair, into=into, watch=seen,
            )  # fmt: skip
    except BaseException:
        if last and last[0].done:
            say(f"\nswath: {last[0].done} of {last[0].files} files are there ({last[0].copied} copied now)")
            say("swath: the same command goes on from there")
        raise
    _tell(report, dry_run=dry_run, verify=verify and not repair, as_json=as_json)
    if report.failures:
        raise typer.Exit(5)


def _tell(report: MirrorReport, *, dry_run: bool, verify: bool, as_json: bool) -> None:
    for each in report.failures[:_FAILURES_SHOWN]:
        name = " ".join(part for part in (each.item, each.asset) if part)
        say(f"failed: {name or each.href}: {each.reason}")
    if len(report.failures) > _FAILURES_SHOWN:
        say(f"failed: … and {len(report.failures) - _FAILURES_SHOWN} more (all of them with --json)")
    if as_json:
        emit_json(report.to_dict())
    elif dry_run:
        print(f"{report.items} items, {report.files} files, {size_text(report.total_bytes)}")
        if report.unknown_sizes:
            say(f"{report.unknown_sizes} files more tell no size")
    elif verify:
        print(f"{report.verified} files read back, {len(report.failures)} wrong or missing")
        if report.strays:
            say(f"{len(report.strays)} files belong to no item; --repair removes them")
    else:
        print(
            f"{report.copied} files copied ({size_text(report.copied_bytes)}), {report.shared} shared, "
            f"{report.kept} there already, {len(report.failures)} failed"
        )


def size_text(count: float) -> str:
    """Write bytes for people.

    Examples
    --------
    >>> size_text(999), size_text(1_500_000)
    ('999 B', '1.5 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.1f} TB"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[Any], None]]:
    """Show files, bytes, rate and time left: a bar on a terminal, a line now and then elsewhere."""
    began, lock = time.monotonic(), threading.Lock()
    if not sys.stderr.isatty():
        yield _every(_PLAIN_EVERY_S, lock, lambda report: say(f"swath: {_line(report, began)}"))
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("mirroring"), BarColumn(), MofNCompleteColumn(), TextColumn("files"),
        TextColumn("{task.fields[told]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, told="")

        def draw(report: Any) -> None:
            done = report.verified if report.verified else report.done
            bar.update(task, total=report.files or None, completed=done, told=_rate(report, began))

        yield _every(_BAR_EVERY_S, lock, draw)


def _every(seconds: float, lock: threading.Lock, draw: Callable[[Any], None]) -> Callable[[Any], None]:
    last = time.monotonic()

    def watch(report: Any) -> None:
        nonlocal last
        if time.monotonic() - last < seconds or not lock.acquire(blocking=False):
            return
        try:
            last = time.monotonic()
            with contextlib.suppress(OSError):  # a terminal that is gone does not end the mirror
                draw(report)
        finally:
            lock.release()

    return watch


def _rate(report: Any, began: float) -> str:
    rate = report.moved_bytes / max(time.monotonic() - began, 1e-6)
    return f"{size_text(report.moved_bytes)}, {size_text(rate)}/s"


def _line(report: Any, began: float) -> str:
    done = report.verified or report.done
    spent_s = time.monotonic() - began
    left = f", {spent_s / done * (report.files - done):.0f} s left" if done else ""
    return f"{done} of {report.files} files, {_rate(report, began)}{left}"
