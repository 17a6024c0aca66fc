"""Orders a session: its folder at the site, its script, and its submission."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from swath.jobs.sessions.session import Session
from swath.model import SiteError
from swath.sites.session import SessionOrder
from swath.sites.slurm import SlurmResources, batch_script

if TYPE_CHECKING:
    from swath.jobs.sessions.catalogue import AppFolder
    from swath.jobs.sessions.place import Place

_MAKE = 'umask 077 && mkdir -p "$1" && chmod 700 "$1" && mkdir "$1/$2" "$1/$2/app"'


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user wants of a session."""

    app: AppFolder
    """The app."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """Choices, by its form."""
    asked: SlurmResources = field(default_factory=SlurmResources)
    """What it may use, where the site has Slurm."""


def order_session(wish: Wish, place: Place) -> Session:
    """Order a session; one that the site refuses leaves nothing behind.

    Raises
    ------
    InputError
        A choice is wrong, or something is asked for that the site has not.
    SiteError
        The site does not answer, or Slurm refuses it.
    """
    app = wish.app
    inputs = app.check(wish.inputs)
    options = place.options(wish.asked, dict(app.resources))
    if place.name != "local" and shares_node(app, inputs):
        options.append("--exclusive=user")
    started = place.launch()
    name = f"{app.name}-{secrets.token_hex(3)}"
    folder = place.folder("sessions", name)
    order = SessionOrder(
        id=name, app=app.name, title=app.title, site=place.name, created=_now(), inputs=inputs,
        script=app.command(inputs), listens="port" if app.takes_port(inputs) else "socket",
        ready=app.ready, open=app.open, password=app.password, needs=app.needs,
        clusters=place.folder("clusters"),
    )  # fmt: skip
    script = batch_script(
        about=(f"{app.title}, session {name}.", "It is reached by: swath sessions open"),
        options=options, folder=folder, prepare="\n".join((place.prepare, *started.lines)),
        command=(*started.python, "-m", "swath", "sessions", "host", folder),
    )  # fmt: skip
    made = place.transport.run(("sh", "-c", _MAKE, "sh", place.folder("sessions"), name))
    if made.exit_code:
        raise SiteError(
            f"site: the folder {folder!r} cannot be made at {place.name} ({' '.join(made.errors.split())})",
            fix="look whether the disk is full and the folder is yours",
        )
    return _submit(order, folder, script, wish, place)


def shares_node(app: AppFolder, inputs: dict[str, Any]) -> bool:
    """Tell whether other users of its node could connect to an app: then the node may have no others."""
    return app.takes_port(inputs) and not app.password


def _submit(order: SessionOrder, folder: str, script: str, wish: Wish, place: Place) -> Session:
    way = place.transport
    try:
        text = json.dumps(asdict(order), indent=2)
        way.write(f"{folder}/order.json", text.encode(), mode=0o600)
        for name, content in wish.app.files.items():
            way.write(f"{folder}/app/{name}", content, mode=0o600)
        way.write(f"{folder}/job.sh", script.encode(), mode=0o700)
        handle = place.submit(order.id, f"{folder}/job.sh", folder)
    except BaseException:
        with contextlib.suppress(Exception):
            if place.find(order.id) is None:  # else Slurm has it: it is left to be opened or stopped
                way.run(("rm", "-rf", folder))
        raise
    session = Session(order, folder, place, handle)
    session.remember()
    return session


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
