"""Layers of container images, laid over each other as the specification of OCI says."""

from __future__ import annotations

import io
import tarfile

import pytest
from slurm.images import layer, write_docker, write_oci

from swath.model import InputError
from swath.sites.envs.layers import flatten

BELOW = layer(
    {"usr/bin": None, "bin": "usr/bin", "etc/a": b"1", "etc/b": b"2", "opt/old/x": b"3", "opt/old/y": b"4",
     "home/readme": b"5", "was": None, "was/inner": b"6"}
)  # fmt: skip
ABOVE = layer(
    {"./bin/tool": b"7", "etc/.wh.a": b"", "etc/c": b"8", "opt/old/.wh..wh..opq": b"", "opt/old/z": b"9",
     "home/readme": b"new", "was": b"a file now", ".wh.gone": b""}
)  # fmt: skip


def read(path):
    """Files of a tar: content, where links lead, None for folders."""
    with tarfile.open(path) as tar:
        return {
            each.name: each.linkname
            if each.issym()
            else tar.extractfile(each).read()
            if each.isreg()
            else None
            for each in tar
        }


@pytest.mark.parametrize("write", [write_docker, write_oci])
def test_upper_layers_hide_replace_and_delete(tmp_path, write):
    source = write(tmp_path / "image.tar", [BELOW, ABOVE], {"PATH": "/usr/bin", "LANG": "C.UTF-8"})
    config = flatten(source, tmp_path / "flat.tar", mounts=["/lustre", "/data/s2"], machine="x86_64")
    assert config["os"] == "linux"
    found = read(tmp_path / "flat.tar")
    assert found["bin"] == "usr/bin"
    assert found["usr/bin/tool"] == b"7"  # through the link, as a file system would
    assert "bin/tool" not in found
    assert "etc/a" not in found
    assert (found["etc/b"], found["etc/c"], found["home/readme"]) == (b"2", b"8", b"new")
    assert {each for each in found if each.startswith("opt/old/")} == {"opt/old/z"}
    assert found["was"] == b"a file now"
    assert "was/inner" not in found
    assert not any(".wh." in each for each in found)
    assert {"lustre", "data", "data/s2", "proc", "sys", "dev", "tmp"} <= set(found)
    assert found["etc/resolv.conf"] == b""
    assert found["ch/environment"] == b"PATH=/usr/bin\nLANG=C.UTF-8\n"


def test_the_same_image_gives_the_same_bytes(tmp_path):
    source = write_oci(tmp_path / "image.tar", [BELOW, ABOVE], {})
    for name in ("one", "two"):
        flatten(source, tmp_path / name, machine="x86_64")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with tarfile.open(tmp_path / "one") as tar:
        assert {(each.mtime, each.uid, each.uname) for each in tar} == {(0, 0, "")}
        assert tar.getnames() == sorted(tar.getnames())


def test_hard_links_are_files_and_devices_are_left_out(tmp_path):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        first = tarfile.TarInfo("a/one")
        first.size, first.mode = 3, 0o4755
        tar.addfile(first, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("two")
        link.type, link.linkname = tarfile.LNKTYPE, "a/one"
        tar.addfile(link)
        device = tarfile.TarInfo("null")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
    source = write_docker(tmp_path / "image.tar", [made.getvalue(), layer({"a/.wh.one": b""})], {})
    flatten(source, tmp_path / "flat.tar")
    found = read(tmp_path / "flat.tar")
    assert found["two"] == b"abc"
    assert "a/one" not in found
    assert "null" not in found
    with tarfile.open(tmp_path / "flat.tar") as tar:
        assert not any(each.mode & 0o7000 for each in tar)


def test_images_for_other_machines_are_refused(tmp_path):
    source = write_oci(tmp_path / "image.tar", [BELOW], {}, machine="arm64")
    with pytest.raises(InputError, match="has no image for amd64") as raised:
        flatten(source, tmp_path / "flat.tar", machine="x86_64")
    assert raised.value.known == ("arm64",)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"../out": b"x"}, "has a file outside of it, '../out'"),
        ({"a": "b", "b": "a", "a/c": b"x"}, "links that go round in a circle"),
    ],
)
def test_images_that_are_made_to_harm_are_refused(tmp_path, files, told):
    source = write_docker(tmp_path / "image.tar", [layer(files)], {})
    with pytest.raises(InputError, match=told):
        flatten(source, tmp_path / "flat.tar")


def test_damaged_images_and_other_files_are_refused(tmp_path):
    source = write_oci(tmp_path / "image.tar", [BELOW], {})
    with tarfile.open(source) as tar:
        entry = next(
            each
            for each in tar
            if each.name.startswith("blobs/") and tar.extractfile(each).read(2) == b"\x1f\x8b"
        )
    data = bytearray(source.read_bytes())
    data[entry.offset_data + entry.size - 5] ^= 1  # in gzip's own checksum
    source.write_bytes(data)
    with pytest.raises(InputError, match=r"is no container image, or a damaged one|has another checksum"):
        flatten(source, tmp_path / "flat.tar", machine="x86_64")
    other = tmp_path / "other.tar"
    other.write_bytes(layer({"x": b"1"}))
    with pytest.raises(InputError, match=r"it has neither manifest\.json nor index.json") as raised:
        flatten(other, tmp_path / "flat.tar")
    assert "docker save" in raised.value.fix
    source.write_bytes(b"no tar")
    with pytest.raises(InputError, match="is no container image"):
        flatten(source, tmp_path / "flat.tar")
