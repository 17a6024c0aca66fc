"""``swath sites``: where jobs can run; add a Slurm cluster, and prove the way to it."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, program, read_settings, say, tell_steps
from swath.model import InputError, JobFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from swath.sites.slurm.discover import Found

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Add, list and check the places of jobs.")
_MARKS = ("name", "title", "untested", "hint", "needs", "source")


@app.callback()
def sites() -> None:
    """Add, list and check the places where jobs can run."""


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the sites: this machine, and the Slurm clusters of the settings."""
    from swath.cube import format_bytes

    settings = read_settings()
    told: list[dict[str, Any]] = [
        {
            "name": "local", "kind": "local", "host": platform.node(), "threads": settings.thread_count(),
            "memory_bytes": settings.memory_bytes(), "jobs": str(settings.home / "jobs"),
        }
    ]  # fmt: skip
    for name, site in settings.sites.items():
        told.append(
            {
                "name": name, "kind": "slurm", "host": site.ssh or "here", "jobs": site.folder,
                "environment": site.environment, "partitions": sorted(site.partitions), "slurm": site.version,
            }
        )  # fmt: skip
    if as_json:
        emit_json(told)
        return
    memory = format_bytes(settings.memory_bytes())
    rows = [("local", platform.node(), f"{settings.thread_count()} threads, {memory}", told[0]["jobs"])]
    for each in told[1:]:
        has = f"Slurm {each['slurm']}: {', '.join(each['partitions'])}" if each["partitions"] else "Slurm"
        rows.append((each["name"], each["host"], has, each["jobs"]))
    emit_table(("site", "host", "has", "jobs"), rows)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What you will call it; of a known cluster, its name.")],
    ssh: Annotated[
        str | None, typer.Option(metavar="USER@HOST", help="Its login node; none: you are on it.")
    ] = None,
    folder: Annotated[str, typer.Option(help="Folder for jobs, which all nodes see.")] = "",
    environment: Annotated[str, typer.Option(help="What jobs run in; see the settings.")] = "",
    account: Annotated[str, typer.Option(help="Account that jobs are charged to.")] = "",
    partition: Annotated[str, typer.Option(help="Partition of jobs that name none.")] = "",
    qos: Annotated[str, typer.Option(help="QOS of jobs that name none.")] = "",
    cluster: Annotated[str, typer.Option(help="Cluster, where a login node serves several.")] = "",
    prepare: Annotated[str, typer.Option(help="Shell line that comes first in each job.")] = "",
    install: Annotated[bool, typer.Option("--install", help="Install this very swath there.")] = False,
    file: Annotated[Path | None, typer.Option(help="Settings file to write; your own unless given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a Slurm cluster: find out what it has, and write it into the settings.

    Example: swath sites add spider --ssh alice@spider.surf.nl
    """
    from swath.config import Settings, check_site_name
    from swath.config.write import user_file, write_site
    from swath.sites.profiles import profiles
    from swath.sites.slurm.discover import discover
    from swath.sites.transport import open_transport

    check_site_name(name)
    profile = profiles().get(name, {})
    given = {
        "folder": folder, "environment": environment, "account": account, "partition": partition,
        "qos": qos, "cluster": cluster, "prepare": prepare,
    }  # fmt: skip
    chosen = {key: value for key, value in given.items() if value}
    address = profile.get("ssh", "") if ssh is None else ssh
    if profile:
        say(f"{profile['title']}: nobody has tried this profile yet; {profile['hint']} ({profile['source']})")
    with open_transport(address) as way:
        found = discover(way, cluster=chosen.get("cluster", profile.get("cluster", "")))
    known = {key: value for key, value in profile.items() if key not in _MARKS}
    if "folder" in known:
        known["folder"] = known["folder"].replace("USER", found.user)
    values = {**found.settings, **known, **chosen, "ssh": address}
    values |= _ask_for(_open_questions(values, profile, found))
    Settings.parse({"sites": {name: values}})
    path = file or user_file()
    write_site(path, name, values)
    if install:
        say("installing swath there; this takes minutes")
        write_site(path, name, {"environment": _install(name)})
    if as_json:
        emit_json(
            {"name": name, "file": str(path), "settings": values, "tools": found.tools, "notes": found.notes}
        )
        return
    _print_found(name, values, found)
    say(f"written to {path}")
    say(f"next: {program()} sites check {name}")


def _install(name: str) -> str:
    from swath.sites.install import install_swath
    from swath.sites.slurm import open_site

    return install_swath(open_site(name, read_settings()), say=say)


def _open_questions(values: dict[str, Any], profile: dict[str, Any], found: Found) -> list[tuple[str, str]]:
    """List what was neither found nor given: key, and what to ask."""
    questions = []
    accounts = values.get("accounts", [])
    if not values.get("account") and (
        "account" in profile.get("needs", ()) or any(each.startswith("account:") for each in found.notes)
    ):
        questions.append(("account", f"Account for jobs ({', '.join(accounts) or 'see your project'})"))
    if not values.get("folder"):
        questions.append(("folder", "Folder for jobs, which all nodes see"))
    return questions


def _ask_for(questions: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Ask a person; where there is none, say what to give."""
    if not questions:
        return {}
    if not sys.stdin.isatty():
        missing = " and ".join(f"--{key}" for key, _ in questions)
        raise InputError(f"sites: {missing} could not be found out", fix=f"give {missing}")
    return {key: typer.prompt(text, err=True) for key, text in questions}


def _print_found(name: str, values: dict[str, Any], found: Found) -> None:
    print(f"site         {name}: {found.user} on {found.host}, Slurm {values['version']}")
    print(f"folder       {values.get('folder', '')}")
    if values.get("accounts"):
        print(f"accounts     {', '.join(values['accounts'])}; QOS {', '.join(values.get('qoses', []))}")
    for key, each in values["partitions"].items():
        gpus = f", {each['gpus']} GPUs" if each["gpus"] else ""
        default = " (default)" if each["default"] else ""
        print(f"partition    {key}{default}: up to {each['time']}, {each['nodes']} nodes of up to "
              f"{each['cpus']} CPUs, {each['memory']}{gpus}")  # fmt: skip
    tools = [f"{key} {version}".strip() for key, version in found.tools.items()]
    print(f"tools        {', '.join(tools) or 'none'}")
    for each in found.notes:
        say(f"note: {each}")


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="Name of the site.")],
    partition: Annotated[str, typer.Option(help="Partition to try.")] = "",
    account: Annotated[str, typer.Option(help="Account to try.")] = "",
    qos: Annotated[str, typer.Option(help="QOS to try.")] = "",
    wait: Annotated[float, typer.Option(min=1, help="Seconds that the job may wait in the queue.")] = 600,
    as_json: JsonOption = False,
) -> None:
    """Prove the whole way to a site with a job of seconds, and name what fails with its remedy."""
    from swath.sites.slurm import SlurmResources, close_sites, open_site
    from swath.sites.slurm.check import check_site

    settings = read_settings()
    site = open_site(name, settings)
    asked = SlurmResources(partition, account, qos, "00:05:00", 1, "1GB").filled(site.settings)
    try:
        steps = tell_steps(check_site(site, asked, start_s=wait), as_json=as_json)
    finally:
        close_sites()
    if not all(each.good for each in steps):
        raise JobFailedError(
            f"sites: {name} fails at {steps[-1].name}: {steps[-1].told}", fix=steps[-1].remedy
        )
