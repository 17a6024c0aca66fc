"""The caller's clusters in JupyterLab's Dask menu."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import time
from dataclasses import replace

import pytest
from jupyter_client.kernelspec import KernelSpec

from swath.model import InputError
from swath.sites.cluster import Order, Standing, Wanted
from swath.sites.cluster.folder import ClusterFolder
from swath.sites.session.jupyter import load_security, with_loader
from swath.sites.session.menu import Menu, running, security_of
from swath.sites.slurm import SlurmResources
from swath.sites.transport import Here


@pytest.fixture
def clusters(tmp_path):
    return tmp_path / "clusters"


def start(clusters, name, *, mark="a1", **standing):
    """Leave the files of a cluster that runs; give its folder."""
    folder = ClusterFolder(Here(), str(clusters / name))
    folder.make(anew=True)
    asked = SlurmResources(cpus=2, memory="2GB")
    folder.fill(Order(name, mark, "bed", folder.path, "job", asked), Wanted(1, 3))
    runs = Standing(
        "running", "tls://10.0.0.1:1", dashboard="192.0.2.1:18787", workers=3, updated=time.time()
    )
    folder.write_standing(replace(runs, **standing))
    return folder


@pytest.fixture
def menu(clusters):
    """The extension's own manager, with the menu of a folder."""
    if importlib.util.find_spec("dask_labextension") is None:
        pytest.skip("dask-labextension is not installed")

    async def made():
        from dask_labextension.manager import DaskClusterManager

        return Menu(DaskClusterManager(), str(clusters))

    return made


def listens(port):
    """Tell whether somebody has a port of the loopback."""
    try:
        with socket.create_server(("127.0.0.1", port)):
            return False
    except OSError:
        return True


def test_only_clusters_that_can_be_used_now_are_listed(clusters):
    start(clusters, "b")
    start(clusters, "a", state="ended")
    start(clusters, "silent", updated=time.time() - 1000)
    start(clusters, "c", state="starting", address="", dashboard="")
    (clusters / "d").mkdir()
    (clusters / "d/cluster.json").write_text('{"name": "half wri')
    assert [each.order.name for each in running(str(clusters))] == ["b"]
    assert running("") == running(str(clusters / "none")) == []


def test_the_menu_follows_what_starts_changes_and_ends(clusters, menu):
    async def watch():
        shown = await menu()
        await shown.refresh()
        assert shown.manager.list_clusters() == []
        folder = start(clusters, "one")
        await shown.refresh()
        await shown.refresh()
        (model,) = shown.manager.list_clusters()
        port = model["dashboard_link"].removeprefix("/proxy/").removesuffix("/status")
        assert {**model, "id": "", "dashboard_link": ""} == {
            "id": "", "name": "one", "scheduler_address": "tls://10.0.0.1:1", "dashboard_link": "",
            "workers": 3, "memory": "5.59 GiB", "cores": 6,
        }  # fmt: skip
        assert listens(int(port))
        start(clusters, "one", workers=1)
        await shown.refresh()
        assert [each["workers"] for each in shown.manager.list_clusters()] == [1]
        start(clusters, "one", mark="a2", address="tls://10.0.0.1:9")
        await shown.refresh()
        (again,) = shown.manager.list_clusters()
        assert (again["scheduler_address"], again["id"] != model["id"]) == ("tls://10.0.0.1:9", True)
        folder.remove()
        await shown.refresh()
        assert shown.manager.list_clusters() == []
        assert not listens(int(port))

    asyncio.run(watch())


def test_the_menus_buttons_say_to_the_cluster_what_is_wanted(clusters, menu):
    folder = start(clusters, "one")

    async def press():
        shown = await menu()
        await shown.refresh()
        assert folder.read_wanted() == Wanted(1, 3), "a look changes nothing"
        (model,) = shown.manager.list_clusters()
        await shown.manager.scale_cluster(model["id"], 5)
        assert folder.read_wanted() == Wanted(5, 5)
        adapted = shown.manager.adapt_cluster(model["id"], 1, 8)
        assert adapted["adapt"] == {"minimum": 1, "maximum": 8}
        assert folder.read_wanted() == Wanted(1, 8)
        with pytest.raises(InputError, match="no number of workers"):
            await shown.manager.scale_cluster(model["id"], -1)
        await shown.manager.close_cluster(model["id"])
        await shown.refresh()
        assert shown.manager.list_clusters() == []
        assert folder.read_wanted().stop

    asyncio.run(press())


def test_what_the_user_has_set_for_clusters_of_his_own_stays_his(clusters, menu):
    import dask

    folder = start(clusters, "one")
    mine = {"labextension.factory.class": "Mine", "labextension.default": {"workers": 7, "adapt": None}}

    async def look():
        shown = await menu()
        await shown.refresh()
        assert [each["name"] for each in shown.manager.list_clusters()] == ["one"]
        assert folder.read_wanted() == Wanted(1, 3)
        folder.remove()
        await shown.refresh()

    with dask.config.set(mine):
        asyncio.run(look())
        assert dask.config.get("labextension.factory.class") == "Mine"


def test_a_client_finds_the_certificate_of_a_cluster_by_its_address(clusters, monkeypatch):
    folder = start(clusters, "one")
    found = security_of(str(clusters), "tls://10.0.0.1:1")
    assert found.tls_client_cert == f"{folder.path}/tls/certificate.pem"
    assert security_of(str(clusters), "tls://10.0.0.1:2") is None
    monkeypatch.setenv("SESSION_CLUSTERS", str(clusters))
    assert load_security({"address": "tls://10.0.0.1:1"}).tls_ca_file == found.tls_ca_file
    monkeypatch.delenv("SESSION_CLUSTERS")
    assert load_security({"address": "tls://10.0.0.1:1"}) is None


def test_kernels_of_another_python_are_left_alone():
    specs = {
        "own": KernelSpec(argv=["python", "-m", "ipykernel_launcher"], env={"A": "1"}),
        "other": KernelSpec(argv=["/opt/conda/bin/python", "-m", "ipykernel_launcher"]),
    }
    get = with_loader(specs.get)
    key = "DASK_DISTRIBUTED__CLIENT__SECURITY_LOADER"
    assert get("own").env == {"A": "1", key: "swath.sites.session.jupyter.load_security"}
    assert get("other").env == {}
    assert json.loads(get("own").to_json())["argv"][0] == "python"
