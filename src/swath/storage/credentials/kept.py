"""Secrets that are kept somewhere and change there: files, and commands that print them."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
import subprocess
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from swath.model import NotAllowedError, parse_instant
from swath.storage.credentials.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 60.0
"""Seconds that a command may take to print a secret."""


class FromFile:
    """A token in a file that somebody keeps up to date; read again when the file changes.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._held = Secret()

    def secret(self) -> Secret:
        """Give what the file holds now."""
        with self._lock:
            try:
                told = self._path.stat()
                stamp = (told.st_mtime_ns, told.st_ino)
                if stamp != self._stamp:
                    self._held = parse_token(self._path.read_text(encoding="utf-8"), str(self._path))
                    self._stamp = stamp
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is no text"
                raise NotAllowedError(
                    f"credentials: {str(self._path)!r} cannot be read ({reason})",
                    fix="write a token into it, readable for you alone",
                ) from error
            return self._held

    def renew(self, refused: Secret) -> bool:
        """Tell whether the file holds another secret by now."""
        return self.secret() != refused


class FromCommand:
    """A secret that a command prints, such as ``oidc-token surf``; run again when it ends or is refused.

    Parameters
    ----------
    words : str
        The command, quoted as for a shell, which is not asked.
    """

    def __init__(self, words: str) -> None:
        self._words = shlex.split(words)
        self._lock = threading.Lock()
        self._held: Secret | None = None

    def secret(self) -> Secret:
        """Give the secret that was printed last, or run the command."""
        with self._lock:
            if self._held is None or self._held.is_stale(dt.datetime.now(dt.UTC)):
                self._held = self._run()
            return self._held

    def renew(self, refused: Secret) -> bool:
        """Run the command again, unless somebody has done so meanwhile."""
        with self._lock:
            if self._held is None or self._held == refused:
                self._held = self._run()
            return self._held != refused

    def _run(self) -> Secret:
        program = self._words[0]
        try:
            done = subprocess.run(
                self._words,
                check=False,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or f"it took more than {_PATIENCE_S:.0f} s"
            raise NotAllowedError(f"credentials: the command {program!r} fails ({reason})") from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise NotAllowedError(f"credentials: the command {program!r} fails ({last[:200]})")
        return parse_token(done.stdout, f"the command {program!r}")


def parse_token(text: str, source: str) -> Secret:
    r"""Understand a token as files and commands give it.

    Plain; as JSON of OAuth (``access_token``, ``expires_at`` or ``expires_in``), of AWS'
    ``credential_process`` (``AccessKeyId`` ...) or of dCache (``macaroon``); or a line ``bearer_token = ...``
    of a file of rclone.

    Raises
    ------
    NotAllowedError
        It is none of them.

    Examples
    --------
    >>> parse_token("[surf]\nbearer_token = MDAx\n", "the file").authorization
    'Bearer MDAx'
    """
    text = text.strip()
    if text.startswith("{"):
        return _parse_json(text, source)
    if found := re.search(r"^\s*bearer_token\s*=\s*(\S+)\s*$", text, re.MULTILINE):
        return Secret(token=found[1])
    if re.fullmatch(r"[\x21-\x7e]+", text):
        return Secret(token=text)
    raise NotAllowedError(f"credentials: {source} gives no token", fix="it is one word, or JSON with one")


_KIND = "swath-secret"


def format_secret(secret: Secret) -> bytes:
    """Write a secret as `parse_token` reads it, for a file that its owner alone can read."""
    told = {"kind": _KIND} | {name: value for name, value in asdict(secret).items() if value}
    if secret.expires:
        told["expires"] = secret.expires.isoformat()
    return json.dumps(told).encode()


def _parse_json(text: str, source: str) -> Secret:
    try:
        told = json.loads(text)
        if told.get("kind") == _KIND:
            fields = {name: value for name, value in told.items() if name != "kind"}
            if "expires" in fields:
                fields["expires"] = parse_instant(fields["expires"])
            return Secret(**fields)
        expires = told.get("Expiration") or told.get("expires_at")
        if isinstance(expires, str):
            expires = parse_instant(expires)
        elif expires is None and "expires_in" in told:
            expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=float(told["expires_in"]))
        elif expires is not None:
            expires = dt.datetime.fromtimestamp(float(expires), dt.UTC)
        if "AccessKeyId" in told:
            session = told.get("SessionToken") or ""
            return Secret(
                key=told["AccessKeyId"], secret=told["SecretAccessKey"], session=session, expires=expires
            )
        return Secret(token=told.get("access_token") or told["macaroon"], expires=expires)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAllowedError(
            f"credentials: {source} gives JSON without a token",
            fix="it has access_token, macaroon or AccessKeyId",
        ) from error


class Prompted:
    """A secret that the user types at the terminal, once.

    Parameters
    ----------
    store : str
        What the question names.
    ask : callable
        Gives the `Secret`; the terminal unless given.
    """

    def __init__(self, store: str, ask: Callable[[str], Secret] | None = None) -> None:
        self._store, self._ask = store, ask or _ask_terminal
        self._lock = threading.Lock()
        self._held: Secret | None = None

    def secret(self) -> Secret:
        """Give what was typed, or ask."""
        with self._lock:
            if self._held is None:
                self._held = self._ask(self._store)
            return self._held

    def renew(self, refused: Secret) -> bool:
        """Ask no second time: a job may be running."""
        return self.secret() != refused


def _ask_terminal(store: str) -> Secret:
    import getpass

    try:
        with Path("/dev/tty").open("r+b", buffering=0):
            pass
    except OSError as error:
        raise NotAllowedError(
            f"credentials: those of {store!r} are to be typed, and there is no terminal",
            fix="set another source of credentials for it, such as token-file:PATH",
        ) from error
    user = input(f"User name at {store} (empty for a token): ").strip()
    typed = getpass.getpass(f"{'Password' if user else 'Token'} at {store}: ")
    return Secret(user=user, password=typed) if user else Secret(token=typed.strip())
