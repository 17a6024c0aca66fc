"""What the settings say of a store: ``[stores.NAME]``."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from swath.model import InputError

SCHEMES = ("s3", "dcache", "davs", "dav", "https", "http", "file")
_SOURCES = (
    "",
    "none",
    "environment",
    "netrc",
    "profile",
    "instance",
    "token-file",
    "command",
    "oidc",
    "prompt",
)
_ARGUED = ("profile", "token-file", "command")


class StoreSettings(BaseModel):
    """A place where bytes live: its address, and who asks there.

    What is secret (``password``, ``token``, ``secret``) is better set by the environment, such as
    ``SWATH_STORES__archive__TOKEN``, or found by ``credentials``, than written here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(
        description="Its root: `s3://bucket/prefix`, `davs://host/path`, `dcache://host:2880/path`, "
        "`https://host/path` or a folder.",
    )
    kind: str = Field(
        default="",
        description="`s3`, `webdav`, `dcache`, `http` or `folder`, where the scheme of `url` does not tell.",
    )
    endpoint: str = Field(
        default="", description="S3: address of the server, such as https://s3.example.org; empty: AWS."
    )
    region: str = Field(default="", description="S3: region; empty: AWS_REGION, else us-east-1.")
    virtual_hosts: bool = Field(
        default=False, description="S3: true where an endpoint wants the bucket's name as part of the host."
    )
    api: str = Field(
        default="",
        description="dCache: address of its REST API, such as https://host:3880/api/v1; it knows of tape.",
    )
    credentials: str = Field(
        default="",
        description="Where credentials are: `none`, `environment`, `netrc`, `profile:NAME`, `instance`, "
        "`token-file:PATH` (a token or macaroon), `command:WORDS` that print one, `oidc` (BEARER_TOKEN, "
        "BEARER_TOKEN_FILE and the like), or `prompt`; empty: what is set here, then the usual places.",
    )
    user: str = Field(default="", description="User name.")
    password: SecretStr = Field(default=SecretStr(""), description="Password.")
    token: SecretStr = Field(default=SecretStr(""), description="Bearer token or macaroon.")
    key: str = Field(default="", description="S3: access key id.")
    secret: SecretStr = Field(default=SecretStr(""), description="S3: secret access key.")
    ca: str = Field(
        default="",
        description="File with the certificates (PEM) that its own is signed with; empty: the usual.",
    )
    connections: int = Field(default=16, ge=1, description="Requests that may be under way at once.")

    @field_validator("kind")
    @classmethod
    def _check_kind(cls, text: str) -> str:
        if text not in ("", "s3", "webdav", "dcache", "http", "folder"):
            raise InputError(
                f"settings: {text!r} is no kind of store", known=("s3", "webdav", "dcache", "http", "folder")
            )
        return text

    @field_validator("url")
    @classmethod
    def _check_url(cls, text: str) -> str:
        scheme, mark, rest = text.partition("://")
        if not text or (mark and (scheme not in SCHEMES or not rest)):
            raise InputError(
                f"settings: {text!r} is no address of a store",
                fix="write a folder, or a scheme, a host or bucket, and a path: s3://bucket/prefix",
                known=SCHEMES,
            )
        return text

    @field_validator("credentials")
    @classmethod
    def _check_credentials(cls, text: str) -> str:
        source, _, argument = text.partition(":")
        if source not in _SOURCES or (source in _ARGUED) != bool(argument):
            raise InputError(
                f"settings: {text!r} says not where credentials are",
                fix="write one of the known, with what stands for NAME, PATH or WORDS",
                known=[
                    f"{each}:{what}" if what else each
                    for each in _SOURCES[1:]
                    for what in ({"profile": "NAME", "token-file": "PATH", "command": "WORDS"}.get(each, ""),)
                ],
            )
        return text


def check_store_name(name: str) -> str:
    """Check the name of a store: it stands before a colon, and is a key of the settings.

    Raises
    ------
    InputError
        It is a scheme, has one letter alone, or other characters than letters, digits, `-` and `_`.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{1,39}", name) or name.lower() in SCHEMES:
        raise InputError(
            f"stores: {name!r} cannot be a store's name",
            fix="use two or more letters, digits, - and _, beginning with a letter, and no scheme",
        )
    return name
