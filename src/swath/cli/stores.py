"""The commands of ``swath stores``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, read_settings, say, tell_steps

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="List and check the places where bytes live."
)

StoreArgument = Annotated[str, typer.Argument(metavar="NAME[:PATH]", help="A store, or a folder in it.")]


@app.callback()
def stores() -> None:
    """List and check the places where bytes live."""


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the stores of the settings."""
    from swath.storage import parse_root
    from swath.storage.book import kind_of

    told = [
        {
            "name": name, "kind": kind_of(each, parse_root(each.url)), "url": each.url,
            "endpoint": each.endpoint, "api": each.api, "credentials": each.credentials or _given(each),
        }
        for name, each in read_settings().stores.items()
    ]  # fmt: skip
    if as_json:
        emit_json(told)
        return
    if not told:
        say("there are none; write a table [stores.NAME] into swath.toml")
        return
    rows = [(each["name"], each["kind"], each["url"], each["credentials"]) for each in told]
    emit_table(("store", "kind", "url", "credentials"), rows)


def _given(settings: Any) -> str:
    names = ("user", "password", "token", "key", "secret")
    return "set here" if any(name in settings.model_fields_set for name in names) else "the usual places"


@app.command()
def check(
    where: StoreArgument,
    write: Annotated[
        bool, typer.Option(help="Write, move and delete small objects too, in a folder of their own.")
    ] = False,
    tape: Annotated[
        str, typer.Option(help="Path in the store of a file that may be asked for from tape.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Prove the way to a store; exit code 5 when a step fails."""
    from swath.storage.check import check_store

    store, key = _locate(where)
    steps = tell_steps(check_store(store, key=key, write=write, tape=tape), as_json=as_json)
    if not all(each.good for each in steps):
        sys.exit(5)


def _locate(where: str) -> Any:
    from swath.storage import StoreBook

    book = StoreBook(read_settings().stores)
    return book.locate(where if ":" in where else f"{where}:")


@app.command()
def ls(where: StoreArgument, as_json: JsonOption = False) -> None:
    """List a folder in a store."""
    store, key = _locate(where)
    found = store.folder(key) or ((store.stat(key),) if key else ())
    if as_json:
        emit_json([asdict(each) for each in found])
        return
    rows = [
        (
            "" if each.is_folder else each.size,
            each.modified.strftime("%Y-%m-%d %H:%M") if each.modified else "",
            each.key + ("/" if each.is_folder else ""),
        )
        for each in found
    ]
    emit_table(("bytes", "written", "key"), rows)


@app.command()
def macaroon(
    where: StoreArgument,
    allow: Annotated[
        str, typer.Option(help="Activities, with commas between: DOWNLOAD,LIST,UPLOAD,STAGE ...")
    ] = "DOWNLOAD,LIST",
    hours: Annotated[float, typer.Option(help="How long it holds.", min=0.01)] = 24.0,
    address: Annotated[
        list[str] | None, typer.Option(help="IP address or network that it is good from; may be repeated.")
    ] = None,
) -> None:
    """Print a macaroon of a dCache: a token that allows no more than what is said here."""
    import datetime as dt

    from swath.model import InputError
    from swath.storage.dcache.store import DcacheStore

    store, key = _locate(where)
    if not isinstance(store, DcacheStore):
        raise InputError(f"macaroon: {where!r} is no dCache", fix="set kind = 'dcache' for it if it is one")
    activities = [each.strip() for each in allow.split(",") if each.strip()]
    print(
        store.macaroon(
            key, activities=activities, lifetime=dt.timedelta(hours=hours), addresses=address or ()
        )
    )
