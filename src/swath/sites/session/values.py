"""What was asked of a session (``order.json``), and what its node tells of it (``session.json``)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self


class SessionState(StrEnum):
    """How far a session is."""

    QUEUED = "queued"
    STARTING = "starting"
    READY = "ready"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True when nothing will come of it any more."""
        return self in (SessionState.ENDED, SessionState.FAILED)


@dataclass(frozen=True, slots=True)
class SessionOrder:
    """What was asked for; written once, by who asked."""

    id: str
    """Its name, such as ``jupyterlab-3f9a2c``."""
    app: str
    """Name of the app."""
    title: str
    """What people call the app."""
    site: str
    """Name of the site, as the caller's settings have it."""
    created: str
    """When it was asked for, RFC 3339."""
    script: tuple[str, ...]
    """The command that starts the app; ``{folder}`` in it is the session's."""
    listens: str = "socket"
    """``socket``: a unix socket that swath names; ``port``: a port of the loopback that swath names."""
    ready: str = ""
    """Path that answers once the app is ready; empty: it is when one can connect."""
    open: str = "/"
    """Path that the browser opens."""
    password: bool = False
    """True where the app takes a password, which the caller's end then adds to each request."""
    needs: tuple[str, ...] = ()
    """Programs, and Python modules as ``python:NAME``, that have to be there."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """What the user chose, by the app's form."""
    clusters: str = ""
    """Folder with the Dask clusters of the caller, for apps that show them."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``order.json``; keys of a later version are left out."""
        tree = json.loads(text)
        known = {each.name for each in fields(cls)}
        kept: dict[str, Any] = {key: value for key, value in tree.items() if key in known}
        for key in ("script", "needs"):
            kept[key] = tuple(kept.get(key, ()))
        return cls(**kept)


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What the node tells; the certificate is public, the secret is in a file of its own."""

    state: SessionState
    """How far it is."""
    node: str
    """Name of the node, as others of the site know it."""
    message: str = ""
    """What else there is to say, such as why it failed."""
    port: int = 0
    """Port of the node at which the gate listens."""
    certificate: str = ""
    """The gate's certificate, PEM: the only one that the caller's end believes."""
    job: str = ""
    """Id of the Slurm job; empty without Slurm."""
    started: str = ""
    """When it began, RFC 3339."""
    ends: str = ""
    """When its time is over, RFC 3339; empty where nothing ends it."""


def parse_report(text: str) -> SessionReport | None:
    """Read ``session.json``; None where it is being written just now.

    Examples
    --------
    >>> parse_report('{"state": "ready", "node": "n1", "port": 4711}').port
    4711
    >>> parse_report('{"state": "re')
    """
    try:
        tree = json.loads(text)
        known = {each.name for each in fields(SessionReport)}
        kept = {key: value for key, value in tree.items() if key in known}
        return SessionReport(**{**kept, "state": SessionState(tree["state"])})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
