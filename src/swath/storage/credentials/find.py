"""Where the credentials of a store are: as its settings say, else in the usual places."""

from __future__ import annotations

import configparser
import netrc
import os
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from swath.model import NotAllowedError, unknown
from swath.storage.credentials.kept import FromCommand, FromFile, Prompted
from swath.storage.credentials.secret import Credentials, Fixed, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from swath.config import StoreSettings

_TRUE = ("YES", "TRUE", "ON", "1")


def find_credentials(
    name: str,
    settings: StoreSettings,
    *,
    host: str,
    s3: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Credentials | None:
    """Find who asks at a store.

    Parameters
    ----------
    name : str
        The store's name, for errors and questions.
    settings : StoreSettings
        What is set for it.
    host : str
        Host that a netrc file names.
    s3 : bool
        True for S3, which signs with keys.
    environ : mapping, optional
        The environment; this process's unless given.

    Returns
    -------
    Credentials or None
        None: the machine itself has a role, for which the client of S3 asks.

    Raises
    ------
    NotAllowedError
        There are none where the settings say.
    """
    environ = os.environ if environ is None else environ
    source, _, argument = settings.credentials.partition(":")
    if source == "instance":
        return None
    if source == "token-file":
        path = Path(argument).expanduser()
        return FromFile(path)
    if source == "command":
        return FromCommand(argument)
    if source == "prompt":
        return Prompted(name)
    found = _lasting(source, argument, settings, host=host, s3=s3, environ=environ)
    if found is None:
        raise NotAllowedError(
            f"credentials: there are none for {name!r} ({source or 'the usual places'})",
            fix=_advice(source, s3=s3),
        )
    return found


def _lasting(
    source: str, argument: str, settings: StoreSettings, *, host: str, s3: bool, environ: Mapping[str, str]
) -> Credentials | None:
    given = _given(settings)
    if source == "none":
        return Fixed()
    if source == "environment":
        return given or (_aws_environment(environ) if s3 else _bearer_environment(environ))
    if source == "netrc":
        return _netrc(host, environ)
    if source == "profile":
        return _profile(argument, environ)
    if source == "oidc":
        return _bearer_environment(environ) or _bearer_files(environ)
    if given:
        return given
    if s3:
        return _aws_environment(environ) or _profile(environ.get("AWS_PROFILE", ""), environ)
    named_dcache = settings.kind == "dcache" or settings.url.startswith("dcache:")
    found = (_bearer_environment(environ) or _bearer_files(environ)) if named_dcache else None
    return found or _netrc(host, environ) or Fixed()


def _advice(source: str, *, s3: bool) -> str:
    if source == "netrc":
        return "write its host into ~/.netrc"
    if source == "oidc":
        return "set BEARER_TOKEN or BEARER_TOKEN_FILE"
    if s3:
        return "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or credentials = 'none' for what is public"
    return "set its user and password, or token"


def _given(settings: StoreSettings) -> Credentials | None:
    secret = Secret(
        user=settings.user,
        password=settings.password.get_secret_value(),
        token=settings.token.get_secret_value(),
        key=settings.key,
        secret=settings.secret.get_secret_value(),
    )
    return Fixed(secret) if secret != Secret() else None


def _aws_environment(environ: Mapping[str, str]) -> Credentials | None:
    """Read what AWS' own tools read; roles of web identities and containers are left to the client."""
    if any(environ.get(name, "").upper() in _TRUE for name in ("AWS_NO_SIGN_REQUEST", "AWS_SKIP_SIGNATURE")):
        return Fixed()
    if key := environ.get("AWS_ACCESS_KEY_ID"):
        secret = environ.get("AWS_SECRET_ACCESS_KEY", "")
        return Fixed(Secret(key=key, secret=secret, session=environ.get("AWS_SESSION_TOKEN", "")))
    return None


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or "~").expanduser()


def _profile(name: str, environ: Mapping[str, str]) -> Credentials | None:
    """Read a profile of AWS' files: keys, or a command that prints them; for single sign-on AWS' tool.

    Raises
    ------
    NotAllowedError
        There is no such profile, it has neither, or the tool is not there.
    """
    table = read_profile(name, environ)
    if table.get("aws_access_key_id"):
        session = table.get("aws_session_token", "")
        secret = table.get("aws_secret_access_key", "")
        return Fixed(Secret(key=table["aws_access_key_id"], secret=secret, session=session))
    if words := table.get("credential_process"):
        return FromCommand(words)
    if any(key.startswith("sso_") or key == "role_arn" for key in table):
        return _by_tool(name or "default", environ)
    if name:
        raise NotAllowedError(
            f"credentials: the profile {name!r} has no keys",
            fix="give it aws_access_key_id and aws_secret_access_key, or credential_process",
        )
    return None


def _by_tool(name: str, environ: Mapping[str, str]) -> Credentials:
    """Let AWS' own tool give the keys of a profile that signs in, or takes a role.

    Raises
    ------
    NotAllowedError
        The tool is not installed.
    """
    tool = shutil.which("aws", path=environ.get("PATH"))
    if tool is None:
        raise NotAllowedError(
            f"credentials: the profile {name!r} signs in or takes a role, which needs AWS' tool `aws`",
            fix=f"install it and call `aws sso login --profile {name}`, or set credential_process",
        )
    words = (tool, "configure", "export-credentials", "--profile", name, "--format", "process")
    return FromCommand(shlex.join(words))


def read_profile(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Read what AWS' files of settings and credentials say of a profile; empty: the default one, if any.

    Raises
    ------
    NotFoundError
        A profile of this name is in neither file.
    """
    folder = _home(environ) / ".aws"
    config = configparser.RawConfigParser(default_section="")
    config.read(environ.get("AWS_CONFIG_FILE", str(folder / "config")))
    keys = configparser.RawConfigParser(default_section="")
    keys.read(environ.get("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials")))
    section = "default" if name in ("", "default") else f"profile {name}"
    found: dict[str, str] = {}
    for parser, key in ((config, section), (keys, name or "default")):
        if parser.has_section(key):
            found |= dict(parser.items(key))
    if not found and name:
        known = {each.removeprefix("profile ") for each in config.sections()} | set(keys.sections())
        raise unknown(f"credentials: there is no profile {name!r} of AWS", name, known, NotAllowedError)
    return found


def _netrc(host: str, environ: Mapping[str, str]) -> Credentials | None:
    path = Path(environ.get("NETRC") or _home(environ) / ".netrc")
    try:
        held = netrc.netrc(str(path)).authenticators(host.partition(":")[0])
    except FileNotFoundError:
        return None
    except (netrc.NetrcParseError, OSError) as error:
        raise NotAllowedError(f"credentials: {str(path)!r} cannot be read ({error})") from error
    return Fixed(Secret(user=held[0] or "", password=held[2] or "")) if held else None


def _bearer_environment(environ: Mapping[str, str]) -> Credentials | None:
    """Look for a token as WLCG's Bearer Token Discovery says (version 1.0, 2021): the variables."""
    if token := environ.get("BEARER_TOKEN", "").strip():
        return Fixed(Secret(token=token))
    if path := environ.get("BEARER_TOKEN_FILE"):
        return FromFile(Path(path))
    return None


def _bearer_files(environ: Mapping[str, str]) -> Credentials | None:
    """Look for it in the files that the same document names."""
    name = f"bt_u{os.geteuid()}"
    for folder in filter(None, (environ.get("XDG_RUNTIME_DIR"), "/tmp")):  # noqa: S108 -- the document says so
        path = Path(folder) / name
        if path.is_file() and path.stat().st_uid == os.geteuid():
            return FromFile(path)
    return None
