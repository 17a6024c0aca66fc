"""What sites print of themselves, in the forms that they have."""

from __future__ import annotations

from swath.sites.slurm.discover import Found, _read_about, parse_associations, parse_partitions

# Recorded on Slurm 22.05.8 (Debian 12).
SINFO = """\
normal*|1-00:00:00|2|4|4000|(null)|up
normal*|1-00:00:00|1|4|4000|gpu:fake:2|up
short|2:00|2|4|4000|(null)|up
short|2:00|1|4|4000|gpu:fake:2|up
gpu|2:00:00|1|4|4000|gpu:fake:2|up
"""


def test_groups_of_unlike_nodes_are_one_partition():
    found = parse_partitions(SINFO)
    assert found["normal"] == {
        "time": "1-00:00:00", "nodes": 3, "cpus": 4, "gpus": 2, "default": True, "memory": "4000MiB",
    }  # fmt: skip
    assert found["short"]["time"] == "00:02:00"
    assert found["gpu"]["nodes"] == 1


def test_forms_that_other_sites_have():
    found = parse_partitions(
        "compute|infinite|1.5K|256+|250000+|(null)|up\n"
        "old|n/a|2|8|1000|(null)|inact\n"
        "g|3-12:00:00|4|64|512000|gpu:a100:4(S:0-1),tmpfs:1|up\n"
    )
    assert list(found) == ["compute", "g"]
    assert (found["compute"]["time"], found["compute"]["cpus"]) == ("UNLIMITED", 256)
    assert (found["g"]["time"], found["g"]["gpus"]) == ("3-12:00:00", 4)


def test_accounts_and_qos_come_once_each():
    text = "eo||high,limited,normal|normal\nother||normal|normal\n".replace("||", "|")
    assert parse_associations(text) == (["eo", "other"], ["high", "limited", "normal"])
    assert parse_associations("") == ([], [])


def test_what_a_login_node_tells_of_itself():
    found = Found()
    _read_about(
        "user alice\nhost login1\nfolder SCRATCH lustre /scratch/a lice\nfolder HOME nfs /home/alice\n"
        "tool python3 3.12.1\ntool apptainer \nsomething else\n",
        found,
    )
    assert (found.user, found.host) == ("alice", "login1")
    assert found.folders == [("SCRATCH", "lustre", "/scratch/a lice"), ("HOME", "nfs", "/home/alice")]
    assert found.tools == {"python3": "3.12.1", "apptainer": ""}
