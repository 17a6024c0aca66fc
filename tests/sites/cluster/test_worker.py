"""What a worker finds out about itself on its node."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

from swath.config import SiteSettings
from swath.model import InputError, NotFoundError
from swath.sites.cluster.certificates import read_security
from swath.sites.cluster.folder import ClusterFolder
from swath.sites.cluster.listing import list_clusters, parse_listing
from swath.sites.cluster.record import Order, Standing, Wanted
from swath.sites.cluster.serve import address_towards
from swath.sites.cluster.worker import answers, memory_of, name_of, spill_folder, wait_for_address
from swath.sites.slurm import SlurmResources, SlurmSite
from swath.sites.transport import Here


@pytest.fixture
def folder(tmp_path):
    made = ClusterFolder(Here(), str(tmp_path / "clusters" / "one"))
    made.make()
    made.fill(Order("one", "ab", "spider", made.path, "here", SlurmResources()), Wanted(2, 4))
    return made


def test_it_knows_its_name_and_leaves_memory_to_its_watcher():
    assert name_of({"SLURM_JOB_ID": "12"}) == "12"
    assert memory_of({"SLURM_MEM_PER_CPU": "250"}, 2) == 500 * 2**20 * 7 // 10
    assert memory_of({"SLURM_MEM_PER_NODE": "8000"}, 2) == 8000 * 2**20 - 250_000_000
    assert memory_of({}, 2) == 0


def test_it_spills_onto_the_nodes_disk_where_nobody_else_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("MINE", str(tmp_path))
    found = spill_folder("$MINE")
    assert found == tmp_path / f"swath-{os.getuid()}"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert spill_folder("$MINE") == found
    found.chmod(0o777)  # as if somebody else had made it, to read along
    other = spill_folder("$MINE")
    assert other != found
    assert stat.S_IMODE(other.stat().st_mode) == 0o700
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    assert spill_folder("$NOT_SET").parent == tmp_path / "t"


def test_it_waits_for_the_scheduler_and_not_for_one_that_has_ended(folder):
    assert asyncio.run(wait_for_address(folder, 0.05)) == ""
    folder.write_standing(Standing("running", "tls://10.0.0.1:1"))
    assert asyncio.run(wait_for_address(folder)) == "tls://10.0.0.1:1"
    folder.write_standing(Standing("ended", "tls://10.0.0.1:1"))
    assert asyncio.run(wait_for_address(folder)) == ""


def test_an_address_that_nobody_listens_at_is_told_from_one_that_answers(folder):
    security = read_security(Path(folder.path) / "tls")

    async def both():
        context = security.get_listen_args("scheduler")["ssl_context"]
        async with await asyncio.start_server(
            lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context
        ) as made:
            address = f"tls://127.0.0.1:{made.sockets[0].getsockname()[1]}"
            there = await answers(address, security)
        return there, await answers(address, security, 0.2)

    assert asyncio.run(both()) == (True, False)


def test_a_folder_is_closed_to_others_and_its_name_is_taken_once(folder, tmp_path):
    for path in (tmp_path / "clusters" / "one").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    with pytest.raises(InputError, match="there is one called 'one' already"):
        folder.make()
    assert not folder.is_submitted()
    folder.write_submitted()
    assert folder.is_submitted()
    folder.fetch_certificate(tmp_path / "home")
    assert {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "home").iterdir()} == {0o600}
    folder.remove()
    with pytest.raises(NotFoundError, match="there is none called 'one'"):
        folder.write_wanted(Wanted(1, 1))


def test_clusters_are_listed_and_one_that_is_silent_is_lost(folder, tmp_path):
    site = SlurmSite("spider", SiteSettings(folder=str(tmp_path)))
    folder.write_standing(Standing("running", "tls://10.0.0.1:1", updated=1.0))
    (found,) = list_clusters(site)
    assert (found.order.name, found.wanted, found.state) == ("one", Wanted(2, 4), "lost")
    folder.write_standing(Standing("failed", message="why", updated=1.0))
    assert list_clusters(site)[0].state == "failed"
    (tmp_path / "clusters" / "one" / "order.json").write_text('{"of": "another version"}')
    assert list_clusters(site) == []
    assert parse_listing([]) == []


def test_the_address_is_one_that_others_can_use_and_never_that_of_the_loopback():
    from distributed.utils import get_ip

    assert address_towards(["127.0.0.1", socket.gethostname()]) == get_ip()
