"""The journal: what it tells after a run that was killed, and when it is damaged."""

from __future__ import annotations

import socket
import subprocess
import sys
import time

import pytest

from swath.catalog.mirror.journal import Journal
from swath.catalog.mirror.kept import AssetKept, Kept
from swath.model import OutputError


def test_what_was_noted_is_there_for_another(tmp_path):
    first, second = Journal(tmp_path / "j.sqlite"), Journal(tmp_path / "j.sqlite")
    first.keep(Kept("k", 3, "abc", "e", "tag"))
    first.settle("item", "red", AssetKept("href", "stamp", "k"))
    assert second.twin(digest="abc") == second.twin(tag="tag") == Kept("k", 3, "abc", "e", "tag")
    assert second.asset("item", "red") == AssetKept("href", "stamp", "k")
    assert second.of_href("href") == [AssetKept("href", "stamp", "k")]
    assert second.listed("k") is None, "each sees for itself what is there"
    assert second.twin(tag="") is None
    first.close()
    second.close()


def test_a_damaged_journal_is_put_aside(tmp_path):
    (tmp_path / "j.sqlite").write_bytes(b"no database at all" * 100)
    journal = Journal(tmp_path / "j.sqlite")
    assert journal.kept("k") is None
    journal.close()
    assert (tmp_path / "j.damaged").exists()


def test_a_home_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="journal"):
        Journal(tmp_path / "file" / "j.sqlite")


def test_a_killed_run_is_told_once_and_not_while_another_runs(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    with journal.running() as was_killed, journal.running() as other_was_killed:
        assert not was_killed
        assert not other_was_killed
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for expected in (True, False):
        if expected:
            row = (dead.pid, socket.gethostname(), time.time())
            journal._rows("INSERT INTO runs VALUES (?, ?, ?)", *row)
        with journal.running() as was_killed:
            assert was_killed is expected
    assert journal._rows("SELECT * FROM runs") == []
    journal.close()


def test_lines_of_a_run_are_known_at_once_and_soon_in_the_file(tmp_path):
    first, second = Journal(tmp_path / "j.sqlite"), Journal(tmp_path / "j.sqlite")
    with first.running():
        first.keep(Kept("k", 3, "abc", "e", "tag"))
        first.settle("item", "red", AssetKept("href", "stamp", "k"))
        assert first.kept("k") == first.twin(digest="abc") == first.twin(tag="tag")
        assert first.listed("k") == (3, "e")
        assert first.asset("item", "red") in first.of_href("href")
        assert first.kept("other") is first.asset("item", "nir") is None
        end = time.monotonic() + 60
        while second.asset("item", "red") is None and time.monotonic() < end:
            time.sleep(0.01)
        assert second.kept("k") == first.kept("k")
        second.keep(Kept("of another", 1, "d", "e"))  # by a mirror of another process
        first.keep(Kept("k2", 3, "abd", "e"))
        while first.kept("of another") is None and time.monotonic() < end:
            time.sleep(0.01)
        assert first.kept("of another") is not None
        first.keep(Kept("last", 3, "abe", "e"))
    assert second.kept("last") is not None
    first.forget("k")
    assert first.kept("k") is None
    first.close()
    second.close()


def test_what_was_in_the_file_is_found_by_the_next_run(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    for at in range(300):
        journal.keep(Kept(f"c/x{at}/a", at, f"{at:x}", "", f"tag{at}"))
        journal.settle(f"c/x{at}/x{at}.json", "a", AssetKept(f"href{at}", "s", f"c/x{at}/a"))
    journal.close()
    journal = Journal(tmp_path / "j.sqlite")
    with journal.running():
        for at in range(300):
            assert (
                journal.kept(f"c/x{at}/a") == journal.twin(digest=f"{at:x}") == journal.twin(tag=f"tag{at}")
            )
            assert journal.asset(f"c/x{at}/x{at}.json", "a") in journal.of_href(f"href{at}")
        assert journal.kept("c/x300/a") is None
    journal.close()
