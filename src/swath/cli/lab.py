"""``swath lab``: starts an app at a site, waits for it, and opens it in the browser."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, program, read_settings, say
from swath.cli.run import parse_assignments
from swath.cli.slurm_options import SLURM, AccountOption, PartitionOption, QosOption, SlurmOption
from swath.model import InputError, JobFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swath.config import Settings
    from swath.jobs.sessions import Session, SessionStatus
    from swath.jobs.sessions.door import Door
    from swath.jobs.sessions.tunnel import Tunnel

PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port of this machine; 0: any that is free.")]
BrowserOption = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")]

app = typer.Typer(add_completion=False)


@app.command()
def lab(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND ...]", help="Any command, instead of an app.")
    ] = None,
    app_name: Annotated[
        str, typer.Option("--app", metavar="NAME", help="What to start; see `swath sessions apps`.")
    ] = "",
    on: Annotated[
        str, typer.Option("--on", metavar="SITE", help="Where to run; see `swath sites list`.")
    ] = "local",
    inputs: Annotated[
        list[str] | None, typer.Option("--input", "-i", metavar="NAME=VALUE", help="A choice of the app.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Submit it, print its name and return.")] = False,
    browser: BrowserOption = True,
    port: PortOption = 0,
    partition: PartitionOption = "",
    account: AccountOption = "",
    qos: QosOption = "",
    time: Annotated[
        str, typer.Option(help="Slurm: longest time, such as 04:00:00.", rich_help_panel=SLURM)
    ] = "",
    cpus: Annotated[int, typer.Option(min=0, help="Slurm: CPUs.", rich_help_panel=SLURM)] = 0,
    mem: Annotated[str, typer.Option(help="Slurm: memory, such as 8GB.", rich_help_panel=SLURM)] = "",
    gpus: Annotated[int, typer.Option(min=0, help="Slurm: GPUs.", rich_help_panel=SLURM)] = 0,
    slurm: SlurmOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start an app at a site, and open it in the browser: JupyterLab unless told otherwise.

    Ctrl-C leaves it where it is; `swath sessions open` goes on with it, `swath sessions stop` ends it.

    Example: swath lab --on spider --time 08:00:00
    """
    from swath.jobs.sessions import Wish, open_place, order_session, read_app
    from swath.sites.slurm import SlurmResources

    settings = read_settings()
    choices: dict[str, Any] = parse_assignments(inputs or [])
    if command:
        if app_name not in ("", "command"):
            raise InputError(f"--app: {app_name} takes no command", fix="leave --app out")
        app_name, choices = "command", {**choices, "command": command}
    asked = SlurmResources(partition, account, qos, time, cpus, mem, gpus, slurm=tuple(slurm or ()))
    wish = Wish(read_app(app_name or "jupyterlab", settings), choices, asked)
    session = order_session(wish, open_place(on, settings))
    if on == "local" and "{port}" in str(choices.get("command")):
        say("swath: what listens on a port can be opened by other users of this machine; {socket} cannot")
    if detach:
        if as_json:
            emit_json(describe(session.status()))
        else:
            print(session.id)
            say(f"submitted; `{program()} sessions open {session.id}` opens it")
        return
    open_session(session, settings, browser=browser, port=port, as_json=as_json)


def describe(status: SessionStatus) -> dict[str, Any]:
    """Give a status for machines."""
    from dataclasses import asdict

    return asdict(status)


def open_session(
    session: Session, settings: Settings, *, browser: bool, port: int = 0, as_json: bool = False
) -> None:
    """Wait until a session is ready, open the way and the browser, and stay until it ends.

    Raises
    ------
    JobFailedError
        It has failed.
    KeyboardInterrupt
        Ctrl-C: the session stays where it is.
    """
    from swath.jobs.sessions.company import mend, stay, wait_ready
    from swath.jobs.sessions.tunnel import Tunnel
    from swath.sites.session import SessionState

    with _left_there(session):
        status = wait_ready(session, teller())
        _raise_failure(status)
        if status.state is SessionState.ENDED:
            say(f"swath: {status.id} has ended: {status.message}")
            return
        tunnel = Tunnel(session)
        with contextlib.closing(tunnel), _closing_terminal():
            if (ended := mend(session, tunnel, _told)) is None:
                with contextlib.closing(_door(session, tunnel, settings, port)) as door:
                    _invite(door, status, browser=browser, as_json=as_json)
                    ended = stay(session, tunnel, _told)
        _raise_failure(ended)
        say(f"swath: {ended.id} has ended: {ended.message}")


def _door(session: Session, tunnel: Tunnel, settings: Settings, port: int) -> Door:
    """Open the door, where it was the last time if that is possible: a page that is open then goes on."""
    from swath.jobs.sessions.door import Door
    from swath.jobs.sessions.memory import Remembered, recall, remember

    known = recall(session.id, settings)
    try:
        door = Door(tunnel, port=port or known.port, cookie=known.cookie, tell=_told)
    except InputError:
        if port:
            raise
        door = Door(tunnel, cookie=known.cookie, tell=_told)
    remember(session.id, Remembered(door.port, door.cookie), settings)
    return door


def _invite(door: Door, status: SessionStatus, *, browser: bool, as_json: bool) -> None:
    address = door.invite()
    until = f" until {status.ends}" if status.ends else ""
    say(f"swath: {status.id} is ready on {status.node}{until}; Ctrl-C leaves it running")
    if as_json:
        emit_json({**describe(status), "address": address})
        sys.stdout.flush()
    if browser and has_browser():
        if webbrowser.open(address):
            say(f"swath: opened in the browser at http://127.0.0.1:{door.port}/")
            return
        say("swath: the browser does not open")
    if not as_json:
        print(address, flush=True)
        say("swath: open this address; it lets one browser in, once")


def has_browser() -> bool:
    """Tell whether there is a browser with windows: one in the terminal would not do."""
    if os.environ.get("BROWSER") or sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def teller() -> Callable[[SessionStatus], None]:
    """Say each change of how a session stands."""
    said = ""

    def tell(status: SessionStatus) -> None:
        nonlocal said
        told = f"swath: {status.id}: {status.words()}"
        if told != said:
            said = told
            say(told)

    return tell


def _told(sentence: str) -> None:
    bell = "\a" if sys.stderr.isatty() and "time is over" in sentence else ""
    say(f"{bell}swath: {sentence}")


@contextlib.contextmanager
def _left_there(session: Session) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        say(f"\nswath: left there: {session.id}; `{program()} sessions open {session.id}` opens it, "
            f"`{program()} sessions stop {session.id}` ends it")  # fmt: skip
        raise


@contextlib.contextmanager
def _closing_terminal() -> Iterator[None]:
    """Take the end of the terminal as Ctrl-C: the way is closed in peace."""
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    for each in before:
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _raise_failure(status: SessionStatus) -> None:
    from swath.sites.session import SessionState

    if status.state is SessionState.FAILED:
        what = (
            status.message
            if status.message.startswith("session")
            else f"session {status.id}: {status.message}"
        )
        raise JobFailedError(what.splitlines()[0], fix=f"see `{program()} sessions logs {status.id}`")
