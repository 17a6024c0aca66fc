"""The scripts of workers and schedulers."""

from __future__ import annotations

import pytest

from swath.config import SiteSettings
from swath.model import InputError
from swath.sites.cluster.record import Order
from swath.sites.cluster.script import lifetime_of, scheduler_resources, scheduler_script, worker_script
from swath.sites.cluster.start import new_order
from swath.sites.slurm import SlurmResources, SlurmSite


def site_of(**settings):
    return SlurmSite("spider", SiteSettings(folder="/shared", **settings))


def order_of(environment):
    asked = SlurmResources(partition="long", time="01:00:00", cpus=4, memory="8GB")
    settings = SiteSettings(environment=environment, prepare="module load gcc").model_dump(mode="json")
    return Order("one", "ab", "spider", "/shared/it's one", "job", asked, settings)


@pytest.mark.parametrize(
    ("environment", "python"),
    [
        ("venv:/env", "/env/bin/python -m"),
        ("conda:/env", "/env/bin/python -m"),
        ("module:python/3.12", "python3 -m"),
        ("charliecloud:/img", '"$IMAGE_THERE" -- python3 -m'),
        ("apptainer:/img.sif", '"$PWD" /img.sif python3 -m'),
    ],
)
def test_workers_run_in_every_kind_of_environment(environment, python):
    text = worker_script(order_of(environment), remote=True)
    assert f"{python} swath.sites.cluster.worker '/shared/it'\"'\"'s one'\n" in text
    assert "module load gcc\n" in text
    for option in ("--partition=long", "--cpus-per-task=4", "--mem=7630M", "--no-requeue", "--time=01:00:00"):
        assert f"#SBATCH {option}\n" in text


def test_the_scheduler_asks_for_little_and_for_long():
    asked = SlurmResources(partition="long", time="00:10:00", cpus=32, memory="100GB", gpus=2, account="eo")
    known = SiteSettings(partitions={"long": {"time": "5-00:00:00"}, "short": {"time": "02:00:00"}})
    assert scheduler_resources(asked, known) == SlurmResources(
        partition="long", time="1-00:00:00", cpus=1, memory="2GB", account="eo"
    )
    short = SlurmResources(partition="short")
    assert scheduler_resources(short, known).time == "02:00:00"
    given = scheduler_resources(short, known, options=["--time=30"])
    assert given.options()[-1] == "--time=30"  # of two the last one counts
    preempted = SlurmResources(qos="scavenger")
    assert scheduler_resources(preempted, SiteSettings(qos="normal")).qos == "normal"
    assert scheduler_resources(short, SiteSettings(time="00:20:00")).time == "00:20:00"
    text = scheduler_script(order_of("venv:/env"), scheduler_resources(asked, known), remote=True)
    assert "#SBATCH --cpus-per-task=1\n" in text
    assert "-m swath.sites.cluster.serve" in text


@pytest.mark.parametrize("time_s", [20, 60, 600, 3600, 86400, 7 * 86400])
def test_workers_end_before_slurm_ends_them(time_s):
    life = lifetime_of(time_s)
    assert life.seconds - life.stagger_s > 0
    assert life.seconds + life.stagger_s <= time_s - min(300, max(5, time_s // 10))


def test_an_order_is_checked_before_anything_is_written():
    plain = SlurmResources()
    order = new_order(site_of(interface="ib0", memory="4GB"), plain, name="one")
    assert (order.where, order.folder, order.interface) == ("here", "/shared/clusters/one", "ib0")
    assert (order.resources.memory, order.resources.cpus) == ("4GB", 4)
    far = site_of(ssh="alice@far", environment="venv:/env")
    assert new_order(far, plain).where == "job"
    assert new_order(far, plain).name.startswith("spider-")
    wrong = [
        (far, {"where": "here"}, "cannot reach this machine"),
        (far, {"where": "moon"}, "'moon' is no place for a scheduler"),
        (far, {"name": "a/b"}, "cannot be a cluster's name"),
        (site_of(environment="apptainer:/img.sif"), {"where": "job"}, "has no Slurm commands"),
        (site_of(ssh="alice@far"), {}, "does not see the Python"),
        (SlurmSite("spider", SiteSettings()), {}, "has no folder for jobs"),
    ]
    for site, asked, told in wrong:
        with pytest.raises(InputError, match=told):
            new_order(site, plain, **asked)
    with pytest.raises(InputError, match="there is no partition 'x'"):
        new_order(site_of(partitions={"long": {}}), SlurmResources(partition="x"))
