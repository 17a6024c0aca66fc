"""``swath processes``: what can be run, and with which inputs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table

app = typer.Typer(add_completion=False)


@app.command()
def processes(
    process: Annotated[str, typer.Argument(help="Name of a process to describe.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the processes, or describe one with all its inputs."""
    from swath.processes import get_process
    from swath.processes import processes as all_processes

    if process:
        if as_json:
            emit_json(get_process(process).describe())
        else:
            print_inputs(process)
        return
    found = all_processes()
    if as_json:
        emit_json([{"id": each.id, "title": each.title, "version": each.version} for each in found.values()])
        return
    emit_table(("process", "what it makes"), [(each.id, each.title) for each in found.values()])


def print_inputs(name: str) -> None:
    """Describe a process for people, from its schema."""
    from swath.processes import get_process

    found = get_process(name)
    print(f"{found.id} {found.version}: {found.description}\n")
    schema = found.schema()
    rows = []
    for key, field in schema["properties"].items():
        needed = key in schema.get("required", ())
        default = "required" if needed else _default(field.get("default"))
        rows.append((key, default, field.get("description", "")))
    emit_table(("input", "default", "meaning"), rows)
    print(f"\nGive each as -i name=value: swath run {found.id} -i collection=... ")


def _default(value: Any) -> str:
    if value in (None, [], ""):
        return "-"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
