"""``swath cluster``: Dask clusters at Slurm sites, for notebooks and programs that connect to them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swath.cli.edge import JsonOption, emit_json, emit_table, read_settings, say
from swath.model import NotFoundError, SiteError

if TYPE_CHECKING:
    from swath.config import Settings
    from swath.sites.cluster import Listed, Running
    from swath.sites.slurm import SlurmSite

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Start, scale, stop and list Dask clusters at Slurm sites.",
)
NameArgument = Annotated[str, typer.Argument(help="Name of the cluster; see `swath cluster list`.")]
OnOption = Annotated[
    str, typer.Option("--on", metavar="SITE", help="Its site, where two have the same name.")
]


@app.callback()
def cluster() -> None:
    """Start, scale, stop and list Dask clusters at Slurm sites."""


@app.command("start")
def start_(
    site: Annotated[str, typer.Argument(help="A Slurm site; see `swath sites list`.")],
    workers: Annotated[
        str, typer.Option(metavar="N|MIN:MAX", help="How many workers, or the least and the most.")
    ] = "4",
    name: Annotated[str, typer.Option(help="What you will call it.")] = "",
    where: Annotated[
        str, typer.Option(metavar="job|here", help="Where its scheduler runs: in a job, or on this machine.")
    ] = "job",
    partition: Annotated[str, typer.Option(help="Partition.")] = "",
    account: Annotated[str, typer.Option(help="Account.")] = "",
    qos: Annotated[str, typer.Option(help="Quality of service.")] = "",
    time: Annotated[str, typer.Option(help="Longest time of a worker's job; then a new one comes.")] = "",
    scheduler: Annotated[
        list[str] | None,
        typer.Option(metavar="OPTION", help="Any option of sbatch, for the scheduler's job only."),
    ] = None,
    cpus: Annotated[int, typer.Option(min=0, help="CPUs, and threads, of a worker.")] = 0,
    mem: Annotated[str, typer.Option(help="Memory of a worker, such as 8GB.")] = "",
    interface: Annotated[str, typer.Option(help="Network interface of the nodes, such as ib0.")] = "",
    slurm: Annotated[list[str] | None, typer.Option(metavar="OPTION", help="Any option of sbatch.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a cluster and leave it running; swath.cluster(SITE, name=NAME) connects to it."""
    from swath.sites.cluster import new_order, parse_workers, start
    from swath.sites.slurm import SlurmResources, open_site

    place = open_site(site, read_settings())
    asked = SlurmResources(partition, account, qos, time, cpus, mem, slurm=tuple(slurm or ()))
    order = new_order(place, asked, name=name, where=where, interface=interface)
    running = start(place, order, parse_workers(workers), keep=True, scheduler=tuple(scheduler or ()))
    try:
        running.wait(lambda words: say(f"swath: {words}"))
    except BaseException:
        running.stop()
        raise
    if as_json:
        emit_json(_described(running))
        return
    print(order.name)
    say(f'connect from Python: swath.cluster("{site}", name="{order.name}")')
    say(f"end it: swath cluster stop {order.name}")


def _described(running: Running) -> dict[str, Any]:
    wanted, order = running.folder.read_wanted(), running.order
    standing = running.folder.read_standing()
    return {
        "name": order.name, "site": order.site, "where": order.where, "folder": order.folder,
        "minimum": wanted.minimum, "maximum": wanted.maximum, **asdict(standing),
    }  # fmt: skip


@app.command()
def scale(
    name: NameArgument,
    workers: Annotated[str, typer.Argument(metavar="N|MIN:MAX", help="How many, or the least and the most.")],
    on: OnOption = "",
    as_json: JsonOption = False,
) -> None:
    """Change the number of workers of a cluster."""
    from swath.sites.cluster import parse_workers

    wanted = parse_workers(workers)
    running = _found(name, on)
    running.standing()
    running.scale(wanted)
    if as_json:
        emit_json(_described(running))
        return
    print(f"{name}: {wanted} workers wanted")


@app.command()
def stop(name: NameArgument, on: OnOption = "", as_json: JsonOption = False) -> None:
    """End a cluster: its workers, its scheduler, its files."""
    running = _found(name, on)
    running.stop()
    if as_json:
        emit_json({"name": name, "site": running.site.name, "state": "ended"})
        return
    print(f"{name} has ended")


@app.command()
def dashboard(name: NameArgument, on: OnOption = "") -> None:
    """Show a cluster's dashboard to your browser, until Ctrl-C."""
    import time

    from swath.sites.cluster.connect import reached

    running = _found(name, on)
    with reached(running, running.wait()) as found:
        print(found.dashboard_link, flush=True)
        say("Ctrl-C ends this; the cluster goes on")
        while not running.failure():
            time.sleep(5)


@app.command("list")
def list_(
    on: Annotated[str, typer.Option("--on", metavar="SITE", help="Only of this site.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the clusters at your sites."""
    found = [each for site in _sites(on, read_settings()) for each in _listed(site)]
    if as_json:
        emit_json(
            [
                {
                    "name": each.order.name, "site": each.order.site, "where": each.order.where,
                    "minimum": each.wanted.minimum, "maximum": each.wanted.maximum,
                    **asdict(each.standing), "state": each.state,
                }
                for each in found
            ]
        )  # fmt: skip
        return
    rows = []
    for each in found:
        stands = each.standing
        size = f"{stands.workers} of {each.wanted}" + (f", {stands.waiting} queued" if stands.waiting else "")
        rows.append((each.order.name, each.order.site, each.state, size, stands.lost, stands.message[:60]))
    emit_table(("cluster", "site", "state", "workers", "lost", "message"), rows)


def _sites(on: str, settings: Settings) -> list[SlurmSite]:
    from swath.sites.slurm import open_site

    return [open_site(each, settings) for each in ((on,) if on else settings.sites)]


def _listed(site: SlurmSite) -> list[Listed]:
    """List the clusters of a site; one that is away is told of and passed over."""
    from swath.sites.cluster import list_clusters

    try:
        return list_clusters(site)
    except SiteError as error:
        say(f"swath: {error.what}")
        return []


def _found(name: str, on: str) -> Running:
    """Find a cluster at one of the sites."""
    from swath.sites.cluster import find_cluster

    sites = _sites(on, read_settings())
    names = []
    for site in sites:
        listed = [each.order.name for each in _listed(site)]
        if name in listed:
            return find_cluster(site, name)
        names += listed
    raise NotFoundError(
        f"cluster: there is none called {name!r}", fix="list them: swath cluster list", known=tuple(names)
    )
