"""Mirrors read back: what is wrong or missing is named, and can be copied again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from catalog.mirror.conftest import item

import swath


@pytest.fixture
def mirrored(request, server, maker, folder):
    """A mirror of three items in a folder, and the items."""
    items = [item(f"i{at}", {"a": server.put(f"{at}.tif", str(at).encode() * 100)}) for at in range(3)]
    assert maker.mirror(items, folder).copied == 3
    return items


def test_what_is_right_is_found_right(mirrored, folder):
    report = swath.mirror("nowhere", folder.address, verify=True)
    assert (report.verified, report.failures, report.strays) == (3, [], [])


def test_each_wrong_or_missing_file_is_named_and_repaired(mirrored, maker, folder, server):
    right = {key: folder.get(key) for key in folder.listed()}
    top = Path(folder.address, "c")
    stat = (top / "i0/a.tif").stat()
    (top / "i0/a.tif").write_bytes(b"x" * 100)  # the same length and, to be mean, the same time
    os.utime(top / "i0/a.tif", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (top / "i1/a.tif").unlink()
    (top / "i2/i2.json").write_text("{")
    (top / "collection.json").unlink()
    stray = top / "i0/stray.tif"
    stray.write_bytes(b"nobody's")
    os.utime(stray, (1e9, 1e9))
    report = swath.mirror("nowhere", folder.address, verify=True)
    assert {each.reason.partition(":")[0] for each in report.failures} == {
        "c/i0/a.tif", "c/i1/a.tif", "c/i2/i2.json", "c/collection.json",
    }  # fmt: skip
    assert set(report.strays) == {"c/i0/stray.tif", "c/i2/a.tif"}
    assert {(each.item, each.asset) for each in report.failures} == {("i0", "a"), ("i1", "a"), ("", "")}
    server.forget()
    repaired = maker.mirror(mirrored, folder, repair=True)
    assert (repaired.copied, repaired.failures) == (2, [])
    assert {key: folder.get(key) for key in folder.listed()} == right
    assert swath.mirror("nowhere", folder.address, verify=True).failures == []


def test_only_the_asked_collections_are_read_back(mirrored, folder):
    assert swath.mirror("nowhere", folder.address, verify=True, collections="other").verified == 0


def test_a_bucket_is_read_back_and_repaired(server, maker, bucket):
    items = [item(f"i{at}", {"a": server.put(f"{at}.tif", str(at).encode() * 100)}) for at in range(3)]
    maker.mirror(items, bucket)
    bucket.put("c/i1/a.tif", b"spoilt")
    report = swath.mirror("nowhere", bucket.address, verify=True)
    assert [each.item for each in report.failures] == ["i1"]
    assert maker.mirror(items, bucket, repair=True).copied == 1
    assert bucket.get("c/i1/a.tif") == b"1" * 100
