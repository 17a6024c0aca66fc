"""What happens when files cannot be written."""

from __future__ import annotations

import errno
import os

import pytest
from full_disk import room_for

from swath.model import OutputError
from swath.storage.whole import file_name, write_bytes, write_json, writing


def test_the_reason_and_what_to_do_are_said(tmp_path):
    with pytest.raises(OutputError, match=os.strerror(errno.ENOSPC)) as caught, writing(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "whatever")
    assert "free some room" in str(caught.value)
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match="taken"):
        write_bytes(tmp_path / "taken" / "file", b"")


def test_what_was_there_stays_when_writing_fails(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with room_for(10), pytest.raises(OutputError):
        write_bytes(path, b"new" * 100)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_does_not_depend_on_the_order_of_keys(tmp_path):
    write_json(tmp_path / "a", {"b": 1, "a": "é"})
    write_json(tmp_path / "b", {"a": "é", "b": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "c", float("nan"))


@pytest.mark.parametrize("text", ["a/b", "..", "", "x" * 300, "ü:?*"])
def test_names_are_safe_for_files(text, tmp_path):
    name = file_name(text)
    assert "/" not in name
    (tmp_path / name).write_text("")
    assert [each.name for each in tmp_path.iterdir()] == [name]
