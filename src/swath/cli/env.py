"""``swath env``: make environments that are one file, list them, and bring them to a site."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, program, read_settings, say
from swath.model import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from swath.config import Settings
    from swath.sites.envs import Kept
    from swath.sites.places import Place

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Make, list and push what jobs run in: one file each."
)

OnOption = Annotated[str, typer.Option(metavar="SITE", help="The site; this machine unless given.")]
UseOption = Annotated[bool, typer.Option("--use", help="Let the jobs of the site run in it from now on.")]


@app.callback()
def env() -> None:
    """Make, list and push what jobs run in."""


@app.command()
def build(
    source: Annotated[
        Path,
        typer.Argument(help="pyproject.toml with a lock, a lock, environment.yml, OCI or Docker archive."),
    ],
    on: OnOption = "",
    name: Annotated[str, typer.Option(help="What to call it; its hash is added.")] = "",
    kind: Annotated[
        str, typer.Option("--as", metavar="KIND", help="charliecloud or apptainer, of an image.")
    ] = "",
    pack: Annotated[str, typer.Option(help="sqfs or tar; sqfs where its tools are, unless given.")] = "",
    use: UseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make an environment of one file, named after its content.

    Example: swath env build pyproject.toml --on spider --use
    """
    from swath.sites.envs import build as build_it
    from swath.sites.envs import read_source

    if kind not in ("", "charliecloud", "apptainer"):
        raise InputError(f"env: {kind!r} is no kind of image", known=("charliecloud", "apptainer"))
    if pack not in ("", "sqfs", "tar"):
        raise InputError(f"env: {pack!r} is no way of packing", known=("sqfs", "tar"))
    settings = read_settings()
    made_of = read_source(source)
    binds = (settings.site(on).folder,) if on else ()
    for place in _place(on, settings):
        kept = build_it(made_of, place, say=say, name=name, kind=kind, packing=pack, binds=binds)
        _tell(kept, on, use=use, as_json=as_json)


@app.command("list")
def list_(on: OnOption = "", as_json: JsonOption = False) -> None:
    """List the environments of a site, or of this machine."""
    from swath.cube import format_bytes
    from swath.sites.envs import list_kept

    for place in _place(on, read_settings()):
        found = list_kept(place)
        if as_json:
            emit_json([asdict(each) for each in found])
        else:
            rows = [
                (each.name, each.kind, format_bytes(each.bytes) if each.bytes else "folder", each.path)
                for each in found
            ]
            emit_table(("name", "kind", "size", "path"), rows)


@app.command()
def push(
    name: Annotated[str, typer.Argument(help="One of `swath env list`: its name, file or path.")],
    on: Annotated[str, typer.Option(metavar="SITE", help="The site that is to have it.")],
    use: UseOption = False,
    as_json: JsonOption = False,
) -> None:
    """Bring an environment that was built here to a site."""
    from swath.sites.envs import push as push_it
    from swath.sites.envs.store import find_kept
    from swath.sites.places import Place

    settings = read_settings()
    kept = find_kept(Place.here(settings.home), name)
    for place in _place(on, settings):
        _tell(push_it(kept, place, say=say), on, use=use, as_json=as_json)


def _place(on: str, settings: Settings) -> Iterator[Place]:
    """Give the place that is meant, and end its connection afterwards."""
    from swath.sites.places import Place
    from swath.sites.slurm import close_sites, open_site

    if not on:
        yield Place.here(settings.home)
        return
    try:
        yield Place.at(open_site(on, settings))
    finally:
        close_sites()


def _tell(kept: Kept, on: str, *, use: bool, as_json: bool) -> None:
    if use:
        from swath.config.write import user_file, write_site

        if not on:
            raise InputError("env: --use names the environment of a site's jobs", fix="add --on SITE")
        write_site(user_file(), on, {"environment": kept.setting})
        say(f"jobs at {on} run in it from now on")
    if as_json:
        emit_json({**asdict(kept), "setting": kept.setting})
        return
    print(kept.setting)
    if on and not use:
        say(f'next: set environment = "{kept.setting}" in [sites.{on}]; {program()} sites check {on}')
