"""What a job asks for: filled from the settings, checked against what the site has."""

from __future__ import annotations

import pytest

from swath.config import SiteSettings
from swath.model import InputError
from swath.sites.slurm import SlurmResources, check_resources

SITE = SiteSettings(
    folder="/x", accounts=("eo",), qoses=("normal",), cpus=8, time="02:00:00", slurm=("--constraint=rome",),
    partitions={
        "short": {"time": "01:00:00", "nodes": 2, "cpus": 16, "memory": "32GiB", "default": True},
        "long": {"time": "5-00:00:00", "nodes": 20, "cpus": 128, "memory": "1000GiB"},
        "gpu": {"time": "UNLIMITED", "nodes": 4, "cpus": 64, "memory": "500GiB", "gpus": 4},
    },
)  # fmt: skip


def test_the_settings_fill_what_is_left_open_and_the_need_fills_the_memory():
    asked = SlurmResources(cpus=2, slurm=("--exclusive",)).filled(SITE, need_bytes=3_000_000_001)
    assert (asked.cpus, asked.time, asked.memory) == (2, "02:00:00", "3001MB")
    assert asked.options() == [
        "--time=02:00:00", "--cpus-per-task=2", "--mem=2862M", "--constraint=rome", "--exclusive",
    ]  # fmt: skip
    assert SlurmResources(memory="7GB").filled(SITE, need_bytes=10**12).memory == "7GB"


def refused(**asked):
    with pytest.raises(InputError) as caught:
        check_resources(SlurmResources(**asked), SITE, "hpc")
    return f"{caught.value.what} | {caught.value.fix} | {', '.join(caught.value.known)}"


def test_limits_name_both_numbers_and_a_partition_that_has_enough():
    assert refused(time="90") == (
        "time: 90 is longer than the partition short gives, 01:00:00 | "
        "ask for a shorter --time, or --partition long | "
    )
    assert "mem: 40GB is more than a node of the partition short has, 32GiB" in refused(
        memory="40GB", time="1"
    )
    assert "or --partition long" in refused(cpus=17, time="1")
    assert "gpus: 1 is more than a node has in the partition short, 0" in refused(gpus=1, time="1")
    assert "or --partition gpu" in refused(gpus=1, time="1")
    assert "nodes: 3 is more than there are in the partition short, 2" in refused(nodes=3, time="1")
    assert refused(nodes=300, partition="long", time="1").endswith("ask for fewer --nodes | ")
    assert "time: UNLIMITED is longer" in refused(time="UNLIMITED", partition="long")
    assert "'eo'" not in refused(account="x")
    assert refused(account="x") == "account: there is no account 'x' for you at hpc |  | eo"


def test_what_fits_is_taken():
    check_resources(
        SlurmResources(partition="gpu", time="30-0", gpus=4, cpus=64, memory="500GB"), SITE, "hpc"
    )
    check_resources(SlurmResources(partition="anything", time="30-0"), SiteSettings(), "hpc")


@pytest.mark.parametrize("value", ["a b", "$(id)", "x;y", "a\nb", "'"])
@pytest.mark.parametrize("name", ["partition", "account", "qos", "time"])
def test_names_are_names(name, value):
    assert "characters that no name or option of Slurm has" in refused(**{name: value})


def test_options_are_options():
    assert "--slurm: 'rome' is no option" in refused(slurm=("rome",))
    assert "characters" in refused(slurm=("--comment=two words",))
