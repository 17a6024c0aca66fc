"""The file under the catalog: journals, damage, several processes, and death in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from swath.catalog import SqliteCatalog, open_catalog
from swath.catalog.embedded import database as database_module
from swath.catalog.embedded.mounts import file_system_of, is_network_type
from swath.model import CatalogError, InputError, NotFoundError
from swath.testing.contracts import make_item

_MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local xfs rw 0 0
scratch@tcp:/fs /scratch/with\\040blank lustre rw 0 0
user@host: /mnt/remote fuse.sshfs rw 0 0
tmpfs /tmp tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind", "journal"),
    [
        ("/data/c.sqlite", "ext4", False),
        ("/home/me/c.sqlite", "nfs4", True),
        ("/home/local/me/c.sqlite", "xfs", False),
        ("/homely/c.sqlite", "ext4", False),
        ("/scratch/with blank/c.sqlite", "lustre", True),
        ("/mnt/remote/c.sqlite", "fuse.sshfs", True),
        ("/tmp/c.sqlite", "tmpfs", False),
    ],
)
def test_network_file_systems_are_told_from_local_ones(path, kind, journal):
    assert file_system_of(Path(path), _MOUNTS) == kind
    assert is_network_type(kind) is journal


def test_local_disk_has_wal_and_network_has_delete(tmp_path, monkeypatch):
    local = SqliteCatalog(tmp_path / "local.sqlite", create=True)
    assert local.journal == "wal"
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr("swath.catalog.embedded.mounts._MOUNTS", mounts)
    remote = SqliteCatalog(tmp_path / "remote.sqlite", create=True)
    assert remote.journal == "delete"
    local.upsert_items([make_item("a")])
    local.close()
    moved = SqliteCatalog(tmp_path / "local.sqlite")  # a file that came from a local disk
    assert moved.journal == "delete"
    assert moved.count() == 1
    remote.close()
    moved.close()


def test_journal_can_be_chosen(tmp_path):
    with SqliteCatalog(tmp_path / "c.sqlite", create=True, journal="delete") as catalog:
        assert catalog.journal == "delete"
    with pytest.raises(InputError, match="'memory'"):
        SqliteCatalog(tmp_path / "d.sqlite", create=True, journal="memory")


def test_no_sqlite_file_is_told_with_path_and_remedy(tmp_path):
    path = tmp_path / "c.sqlite"
    path.write_text("this is no database, whatever its name says" * 100)
    with pytest.raises(CatalogError, match=r"c\.sqlite is damaged[\s\S]*ingest again"):
        open_catalog(path)
    with pytest.raises(CatalogError, match="damaged"):
        open_catalog(path, create=True)
    assert path.read_text().startswith("this is no database")


def test_damage_inside_is_told(tmp_path):
    path = tmp_path / "c.sqlite"
    with SqliteCatalog(path, create=True, journal="delete") as catalog:
        catalog.upsert_items([make_item(f"i{n}", filler="x" * 500) for n in range(200)])
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with SqliteCatalog(path) as catalog, pytest.raises(CatalogError, match=r"damaged[\s\S]*move it away"):
        catalog.search().item_collection_as_dict()


@pytest.mark.parametrize("version", [0, 3])
def test_file_of_another_program_is_refused(tmp_path, version):
    path = tmp_path / "other.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE t (x)")
    other.execute(f"PRAGMA user_version = {version}")
    other.commit()
    other.close()
    for create in (False, True):
        with pytest.raises(CatalogError, match="another program"):
            open_catalog(path, create=create)


def test_file_of_a_newer_swath_is_refused(tmp_path):
    path = tmp_path / "c.sqlite"
    SqliteCatalog(path, create=True).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {database_module.SCHEMA_VERSION + 1}")
    newer.commit()
    newer.close()
    with pytest.raises(CatalogError, match="schema version 2"):
        open_catalog(path)


def test_empty_database_file_is_no_catalog_until_it_is_made(tmp_path):
    path = tmp_path / "c.sqlite"
    path.touch()
    with pytest.raises(NotFoundError):
        open_catalog(path)
    with SqliteCatalog(path, create=True) as catalog:
        assert catalog.count() == 0


def test_folder_is_no_catalog(tmp_path):
    with pytest.raises(InputError, match="folder"):
        open_catalog(tmp_path)


def _start(script: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


_WRITER = """
import sys
from swath.catalog import SqliteCatalog
from swath.testing.contracts import make_item
path, name, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
with SqliteCatalog(path, create=True) as catalog:
    for n in range(rounds):
        catalog.upsert_items([make_item(f"{name}-{n}-{k}") for k in range(5)] + [make_item("shared", gsd=n)])
"""


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_processes_write_and_make_the_file_at_once(tmp_path, journal):
    path = tmp_path / "c.sqlite"
    if journal == "delete":
        SqliteCatalog(path, create=True, journal="delete").close()
    writers = [_start(_WRITER, path, f"w{n}", 10) for n in range(3)]
    for writer in writers:
        _, told = writer.communicate(timeout=100)
        assert writer.returncode == 0, told
    with SqliteCatalog(path) as catalog:
        assert catalog.count() == 3 * 10 * 5 + 1
        assert catalog.search(bbox=(10, 50, 11, 51), limit=1000).matched() == 151


_CHANGER = """
import sys, random
from swath.catalog import SqliteCatalog
from swath.testing.contracts import make_item
with SqliteCatalog(sys.argv[1]) as catalog:
    n = 0
    while True:
        n += 1
        when = f"20{10 + n % 20:02}-01-01T00:00:00Z"
        catalog.upsert_items([make_item(f"new-{n}-{k}", datetime=when) for k in range(3)])
        same = f"2020-01-01T00:{n % 200 % 60:02}:00Z"
        catalog.upsert_items([make_item(f"old-{n % 200:03}", datetime=same, n=n)])
        if n % 3 == 0:
            catalog.delete_items("one", [f"new-{n - 1}-0"])
        if n == 1:
            print("ready", flush=True)
"""


@pytest.mark.parametrize("sortby", [None, "id", "-datetime,id"])
def test_pages_neither_lose_nor_repeat_while_others_write(tmp_path, sortby):
    path = tmp_path / "c.sqlite"
    with SqliteCatalog(path, create=True) as catalog:
        catalog.upsert_items(
            [make_item(f"old-{n:03}", datetime=f"2020-01-01T00:{n % 60:02}:00Z") for n in range(200)]
        )
        changer = _start(_CHANGER, path)
        try:
            assert changer.stdout is not None
            assert changer.stdout.readline() == "ready\n"
            for _ in range(3):
                found = [i["id"] for i in catalog.search(limit=7, sortby=sortby).items_as_dicts()]
                old = [each for each in found if each.startswith("old")]
                assert sorted(old) == [f"old-{n:03}" for n in range(200)]
                assert len(set(found)) == len(found)
            assert changer.poll() is None
            assert catalog.count() > 200
        finally:
            changer.kill()
            changer.communicate()


_INGESTER = """
import sys
from swath.catalog import SqliteCatalog, ingest
with SqliteCatalog(sys.argv[1], create=True) as catalog:
    ingest(catalog, sys.argv[2], progress=lambda report: print(report.added, flush=True))
"""


def test_killed_ingest_leaves_whole_batches(tmp_path):
    source, path = tmp_path / "items.ndjson", tmp_path / "c.sqlite"
    with source.open("w") as lines:
        for n in range(30_000):
            lines.write(json.dumps(make_item(f"i{n}")) + "\n")
    ingester = _start(_INGESTER, path, source)
    assert ingester.stdout is not None
    first = ingester.stdout.readline()
    os.kill(ingester.pid, signal.SIGKILL)
    ingester.communicate()
    assert first == "2000\n"
    with SqliteCatalog(path) as catalog:
        count = catalog.count()
        assert 2000 <= count < 30_000
        assert count % 2000 == 0
        assert catalog.search(bbox=(10, 50, 11, 51)).matched() == count
        with catalog._db.reading() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert catalog.upsert_items([make_item("more")]).added == 1


_READER = """
import os, sys
from swath.catalog import SqliteCatalog
from swath.model import SwathError
from swath.testing.contracts import make_item
import swath.catalog.intake.validation, pystac.validation, shapely, jsonschema_rs
path, is_open = sys.argv[1], sys.argv[2] == "open"
writer = SqliteCatalog(path, create=True)
writer.upsert_items([make_item("a")])
if not is_open:
    writer.close()
os.chmod(path, 0o444)
os.chmod(os.path.dirname(path), 0o555)
child = os.fork()
if child == 0:
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    reader = SqliteCatalog(path)
    found = [item["id"] for item in reader.search().items_as_dicts()]
    try:
        reader.upsert_items([make_item("b")])
    except SwathError as error:
        print(found, "may only be read" in str(error), flush=True)
    os._exit(0)
os.waitpid(child, 0)
os.chmod(os.path.dirname(path), 0o755)
"""


@pytest.mark.parametrize("writer", ["open", "closed"])
def test_read_only_file_can_be_searched(writer):
    with tempfile.TemporaryDirectory() as folder:  # one that other users can enter
        Path(folder).chmod(0o755)
        reader = _start(_READER, Path(folder) / "c.sqlite", writer)
        told, errors = reader.communicate(timeout=60)
    assert told == "['a'] True\n", errors


def test_a_file_that_somebody_was_stopped_over_is_no_catalog_yet(tmp_path):
    path = tmp_path / "catalog.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    with pytest.raises(NotFoundError, match="there is none"):
        SqliteCatalog(path)
    with SqliteCatalog(path, create=True) as catalog:
        assert catalog.collections() == []
