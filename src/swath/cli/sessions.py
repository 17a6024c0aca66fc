"""``swath sessions``: look at sessions, open them again, stop them; their logs."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, read_settings, say
from swath.cli.lab import BrowserOption, PortOption, describe, open_session

if TYPE_CHECKING:
    from swath.jobs.sessions import Session, SessionStatus

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at sessions, open and stop them.")
SessionArgument = Annotated[
    str, typer.Argument(metavar="SESSION", help="Name of a session, or its beginning; none: the only one.")
]
SiteOption = Annotated[str, typer.Option("--on", metavar="SITE", help="Look at this site only.")]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    on: SiteOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the sessions of all sites, the newest first."""
    from swath.jobs.sessions import list_sessions

    listed = list_sessions(
        read_settings(), on=on, away=lambda site, error: say(f"swath: {site} is left out: {error.what}")
    )
    found = [status for _, status in listed if every or not status.state.is_final]
    if as_json:
        emit_json([describe(each) for each in found])
        return
    emit_table(("session", "site", "state", "node", "left", "message"), [_row(each) for each in found])


def _row(status: SessionStatus) -> tuple[str, ...]:
    left = status.left_s(dt.datetime.now(dt.UTC))
    shown = "" if left is None or status.state.is_final else str(dt.timedelta(seconds=max(0, int(left))))
    message = status.message.splitlines()[0][:80] if status.message else ""
    return (status.id, status.site, status.state, status.node, shown, message)


@app.command("open")
def open_(
    session: SessionArgument = "",
    browser: BrowserOption = True,
    port: PortOption = 0,
    on: SiteOption = "",
    as_json: JsonOption = False,
) -> None:
    """Open a session in the browser, from whatever machine; wait for it where it is still in the queue."""
    from swath.jobs.sessions import find_session

    settings = read_settings()
    found = find_session(session, settings, on=on)
    open_session(found, settings, browser=browser, port=port, as_json=as_json)


@app.command()
def stop(
    sessions: Annotated[list[str] | None, typer.Argument(metavar="SESSION ...", help="Which ones.")] = None,
    on: SiteOption = "",
    as_json: JsonOption = False,
) -> None:
    """End sessions; those that wait leave the queue."""
    from swath.jobs.sessions import find_session
    from swath.jobs.sessions.memory import forget

    settings = read_settings()
    told = []
    for each in sessions or [""]:
        found = find_session(each, settings, on=on)
        status = found.stop()
        forget(found.id, settings)
        told.append(describe(status))
        if not as_json:
            print(f"{found.id} has ended: {status.message}")
    if as_json:
        emit_json(told)


@app.command()
def remove(
    sessions: Annotated[list[str], typer.Argument(metavar="SESSION ...")], on: SiteOption = ""
) -> None:
    """Delete what sessions that have ended have left at their site: their logs."""
    from swath.jobs.sessions import find_session

    settings = read_settings()
    for each in sessions:
        find_session(each, settings, on=on).remove()


@app.command()
def logs(
    session: SessionArgument = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the session ends.")] = False,
    on: SiteOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print what a session has logged."""
    from swath.jobs.sessions import find_session

    found = find_session(session, read_settings(), on=on)
    if as_json:
        emit_json({"id": found.id, "log": found.read_log()})
        return
    with contextlib.suppress(KeyboardInterrupt):
        _print_log(found, follow=follow)


def _print_log(session: Session, *, follow: bool) -> None:
    at = 0
    while True:
        ended = not follow or session.status().state.is_final
        text = session.read_log(at)
        at += len(text.encode())
        sys.stdout.write(text)
        sys.stdout.flush()
        if ended:
            return
        time.sleep(0.5)


@app.command()
def apps(as_json: JsonOption = False) -> None:
    """List the apps that `swath lab --app` can start, and what can be chosen."""
    from swath.jobs.sessions import app_folders, read_app

    settings = read_settings()
    found = [read_app(each, settings) for each in app_folders(settings)]
    if as_json:
        emit_json(
            [
                {"name": each.name, "title": each.title, "about": each.about, "form": each.form}
                for each in found
            ]
        )
        return
    rows = [(each.name, ", ".join(each.form.get("properties", {})), each.about) for each in found]
    emit_table(("app", "choices", "about"), rows)


@app.command(hidden=True)
def host(folder: Path) -> None:
    """Run a session on its node; this is what batch scripts run."""
    import logging

    from swath.sites.session.host import run_session

    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # handshakes of strangers are no news
    raise typer.Exit(run_session(folder))
