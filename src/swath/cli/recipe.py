"""``swath catalog recipe``: says how assets that items of a collection lack are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, program, read_settings, say
from swath.cli.search_options import CatalogOption

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from swath.jobs.orders import Recipe


def recipe(
    collection: Annotated[str, typer.Argument(help="The collection.")],
    name: Annotated[str, typer.Argument(help="Name of the recipe; all are listed unless given.")] = "",
    process: Annotated[str, typer.Option(help="The process that makes the assets.")] = "",
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input", "-i", metavar="NAME=VALUE", help="An input of it; JSON, plain text, or @file."
        ),
    ] = None,
    assets: Annotated[
        list[str] | None,
        typer.Option(
            "--asset", metavar="KEY=LAYER", help="An asset, and which layer of the result it is; or KEY."
        ),
    ] = None,
    sources: Annotated[
        str,
        typer.Option(help="What it reads: item, derived_from, or a collection whose items meet the item."),
    ] = "item",
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the recipe; what it has made stays.")
    ] = False,
    catalog: CatalogOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let assets that the items of a collection lack be made when somebody asks for them.

    Example: swath catalog recipe sentinel-2-l2a ndvi --process index -i index=NDVI --asset ndvi=NDVI
    """
    from swath.catalog import open_catalog
    from swath.jobs.orders import read_recipes, with_recipe, without_recipe
    from swath.model import InputError, unknown

    with open_catalog(catalog or read_settings().catalog_path) as held:
        body = held.get_collection(collection)
        known = {each.name: each for each in read_recipes(body)}
        if name and (process or remove):
            if remove and name not in known:
                raise unknown(f"recipe: {collection} has no recipe {name!r}", name, tuple(known))
            if not remove:
                new = _read(name, process, inputs or [], assets or [], sources)
                if new.sources not in ("item", "derived_from"):
                    held.get_collection(new.sources)
            changed = without_recipe(body, name) if remove else with_recipe(body, new)
            held.upsert_collection(changed)
            known = {each.name: each for each in read_recipes(changed)}
        elif inputs or assets or remove:
            raise InputError(
                "recipe: a name and a process are needed", fix="recipe COLLECTION NAME --process"
            )
    if name and not remove and name not in known:
        raise unknown(f"recipe: {collection} has no recipe {name!r}", name, tuple(known))
    shown = [known[name]] if name and not remove else list(known.values())
    if as_json:
        emit_json({each.name: each.to_dict() for each in shown})
        return
    emit_table(
        ("recipe", "assets", "process", "reads", "inputs"),
        (
            (each.name, ", ".join(each.assets), each.process, each.sources, _told(each.inputs))
            for each in shown
        ),
    )
    if process:
        keys = ",".join(known[name].assets)
        say(f"next: {program()} catalog order --collections {collection} --assets {keys}")


def _told(inputs: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in inputs.items())


def _read(name: str, process: str, inputs: Sequence[str], assets: Sequence[str], sources: str) -> Recipe:
    from swath.cli.run import parse_assignments
    from swath.jobs.orders import Recipe, check_recipe

    pairs = [each.partition("=") for each in assets]
    tree = {
        "process": process, "inputs": parse_assignments(list(inputs)),
        "assets": {key: layer or key for key, _, layer in pairs}, "sources": sources,
    }  # fmt: skip
    made = Recipe.from_dict(name, tree)
    check_recipe(made)
    return made
