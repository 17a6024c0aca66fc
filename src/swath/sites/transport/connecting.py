"""Connects to a host over SSH, as OpenSSH would: ``~/.ssh/config``, hosts on the way, keys, questions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncssh

from swath.model import NotAllowedError, SiteError, SwathError
from swath.sites.transport.asking import Asker, has_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONNECT_S = 20.0
"""How long a host may take, without what people take to answer."""
_LOGIN_S = 600.0
"""When asyncssh itself gives up; a host gives up before, after two minutes by OpenSSH's default."""
_KEEPALIVE_S = 15.0


async def connect(
    name: str, *, through: asyncssh.SSHClientConnection | None = None
) -> asyncssh.SSHClientConnection:
    """Connect to a host, over those that ``ProxyJump`` names.

    Parameters
    ----------
    name : str
        ``user@host``, ``user@host:port``, or a name of ``~/.ssh/config``.
    through : asyncssh.SSHClientConnection, optional
        The host before it on the way; it is left when this one is.

    Raises
    ------
    SiteError
        A host does not answer, or its key is unknown or another one.
    NotAllowedError
        It does not let the user in.
    """
    host, known = parse_address(name)
    asker = Asker(name)
    try:
        options = asyncssh.SSHClientConnectionOptions(host=host, config=(), **known)
        # asyncssh would go there by itself, and ask nobody for what the hosts on the way want to know.
        if through is None and isinstance(options.tunnel, str):
            for each in options.tunnel.split(","):
                through = await connect(each, through=through)
        async with asyncio.timeout(_CONNECT_S) as asker.limit:
            connection = await asyncssh.connect(
                host, client_factory=lambda: asker, keepalive_interval=_KEEPALIVE_S, login_timeout=_LOGIN_S,
                connect_timeout=None, tunnel=through or None, **known,
            )  # fmt: skip
    except BaseException as error:
        if through is not None:
            through.close()
        if told := _told(error, name, asker):
            raise told from error
        raise
    if through is not None:
        connection.set_tunnel(through)
    return connection


def parse_address(name: str) -> tuple[str, dict[str, Any]]:
    """Take an address apart; what it leaves out is for ``~/.ssh/config`` to say.

    Examples
    --------
    >>> parse_address("alice@login:2222"), parse_address("hpc")
    (('login', {'username': 'alice', 'port': 2222}), ('hpc', {}))
    """
    user, _, rest = name.rpartition("@")
    host, _, port = rest.partition(":")
    known: dict[str, Any] = {"username": user} if user else {}
    return host, {**known, "port": int(port)} if port.isdecimal() else known


def reason_of(error: BaseException) -> str:
    """Give the words of an error in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _told(error: BaseException, name: str, asker: Asker) -> SiteError | NotAllowedError | None:
    """Put what went wrong into a sentence; None for what is none of ours."""
    fix = f"find out with: ssh {name}"
    match error:
        case SwathError():  # of a host on the way
            return None
        case asyncssh.HostKeyNotVerifiable():
            return _about_key(name, asker)
        case asyncssh.PermissionDenied() if asker.wanted and not has_terminal():
            return NotAllowedError(
                f"site: {name} asks for a password or a one-time code, and there is no terminal to ask at",
                fix="run this command in a terminal; where there can be none, the site has to let you in "
                "by a key alone",
            )
        case asyncssh.PermissionDenied():
            return NotAllowedError(f"site: {name} does not let you in ({reason_of(error)})", fix=fix)
        case TimeoutError():
            return SiteError(f"site: {name} does not answer within {_CONNECT_S:g} s", fix=fix)
        case OSError() | asyncssh.Error():
            return SiteError(f"site: {name} does not answer ({reason_of(error)})", fix=fix)
    return None


def _about_key(name: str, asker: Asker) -> SiteError:
    """Say of a host key that was refused whether the host is new or has another key."""
    host, address, port, key = asker.refused or ("", "", 22, None)
    path = Path("~/.ssh/known_hosts").expanduser()
    known: Sequence[Any] = ()
    try:
        known = asyncssh.read_known_hosts(str(path)).match(host, address, port)[0]
    except (OSError, ValueError):
        known = ()
    mark = key.get_fingerprint() if key else "unknown"
    if known:
        entry = host if port == 22 else f"[{host}]:{port}"
        return SiteError(
            f"site: the host key of {name} is not the one in {path}, but {mark}: the host was set up anew, "
            "or somebody else answers",
            fix=f"ask its administrators whether the new one is right, and only then: ssh-keygen -R {entry}",
        )
    return SiteError(
        f"site: the host key of {name} is not known, its fingerprint is {mark}",
        fix=f"compare it with what the site publishes, and then connect once with: ssh {name}",
    )
