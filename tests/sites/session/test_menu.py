"""The caller's clusters in JupyterLab's Dask menu."""

from __future__ import annotations

import asyncio
import json

from swath.sites.session.menu import KnownCluster, dask_variables, find_clusters


def write(folder, at, **tree):
    path = folder / at / "cluster.json"
    path.parent.mkdir()
    path.write_text(json.dumps(tree))


def test_clusters_are_found_and_what_is_no_cluster_is_passed_over(tmp_path):
    write(tmp_path, "b", name="big", address="tls://10.0.0.1:1", dashboard="http://10.0.0.1:2/status")
    write(tmp_path, "a", address="tls://10.0.0.2:1")
    write(tmp_path, "c", name="not started yet")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/cluster.json").write_text('{"name": "half wri')
    assert find_clusters(str(tmp_path)) == [
        {"name": "a", "address": "tls://10.0.0.2:1", "dashboard": ""},
        {"name": "big", "address": "tls://10.0.0.1:1", "dashboard": "http://10.0.0.1:2/status"},
    ]
    assert find_clusters("") == find_clusters(str(tmp_path / "none")) == []


def test_dask_reads_the_variables_as_the_menu_wants_them(tmp_path):
    import dask.config

    write(tmp_path, "one", name="it's one", address="tls://10.0.0.1:1")
    config = dask.config.collect_env(dask_variables(str(tmp_path), {}))
    assert config["labextension"]["initial"] == [{"name": "it's one"}]
    assert config["labextension"]["factory"]["args"] == [str(tmp_path)]
    assert config["labextension"]["factory"]["class"] == "KnownCluster"
    assert config["distributed"]["dashboard"]["link"] == "/proxy/{port}/status"


def test_what_the_user_has_set_himself_stays(tmp_path):
    write(tmp_path, "one", name="one", address="tls://10.0.0.1:1")
    mine = {"DASK_LABEXTENSION__FACTORY__CLASS": "Mine", "DASK_DISTRIBUTED__DASHBOARD__LINK": "mine"}
    assert dask_variables(str(tmp_path), mine) == {}


def test_known_clusters_are_given_out_in_the_order_of_the_menu(tmp_path, monkeypatch):
    monkeypatch.setattr(KnownCluster, "_next", 0)
    for name in ("a", "b"):
        write(tmp_path, name, name=name, address=f"tls://{name}:1", dashboard=f"http://{name}:2")

    async def make():
        return await KnownCluster(str(tmp_path), asynchronous=True)

    made = [asyncio.run(make()) for _ in range(2)]
    assert [(each.name, each.dashboard_link) for each in made] == [("a", "http://a:2"), ("b", "http://b:2")]
    assert made[0].scheduler_info == {"workers": {}}
