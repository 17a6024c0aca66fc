"""Checksums."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from swath.storage.checksum import file_checksum, folder_checksum, parse_multihash


def test_a_file_has_the_multihash_of_its_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"swath" * 100_000)
    assert file_checksum(path) == "1220" + hashlib.sha256(b"swath" * 100_000).hexdigest()


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_a_folder_has_the_multihash_of_what_sha256sum_prints(tmp_path):
    for name in ("b/c/0", "b/zarr.json", "a b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    printed = subprocess.run(
        ["sha256sum", "a b", "b/c/0", "b/zarr.json"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    assert folder_checksum(tmp_path) == ("1220" + hashlib.sha256(printed).hexdigest(), 19)
    (tmp_path / "b" / "c" / "0").rename(tmp_path / "b" / "c" / "1")
    assert folder_checksum(tmp_path)[0] != "1220" + hashlib.sha256(printed).hexdigest()


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512"])
def test_multihashes_of_others_are_understood(name):
    prefix = {"md5": "d50110", "sha1": "1114", "sha256": "1220", "sha512": "1340"}[name]
    value = hashlib.new(name, b"a").hexdigest()
    assert parse_multihash(prefix + value.upper()) == (name, value)


@pytest.mark.parametrize("text", ["", "1220", "zz", "1220" + "0" * 62, "9999" + "0" * 64])
def test_what_is_no_multihash_that_is_known_is_left(text):
    assert parse_multihash(text) is None
