"""What every store must do: inherit the class, give the fixture ``store``, empty, and run."""

from __future__ import annotations

import hashlib
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from swath.model import ConflictError, InputError, MissingObjectError, NotFoundError
from swath.storage import CopyingStore, ObjectStore

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (
    "plain.tif",
    "folder/deep/er/a.tif",
    "with blank.txt",
    "ünïcode/日本.tif",
    "percent%20sign",
    "%2e%2e/not-up",
    "hash#1",
    "plus+and&=",
    "quote'\"x",
    "semi;colon:at@",
    "[brackets]",
    "question?mark=1",
    "~tilde",
    "..two-dots",
)
"""Keys that a store must take as they are."""
OUTSIDE = ("../up", "a/../../up", "/absolute", "a//b", "a/./b", "", "new\nline", "..")
"""Keys that no store takes."""


class StoreContract:
    """What a store must do."""

    names = NAMES
    """Keys that are tried; a backend may leave out what its server does not take, saying why."""
    one_winner = True
    """False where a server looks and writes in two steps: two writers may both believe to be the first."""

    def test_is_a_store(self, store: ObjectStore) -> None:
        """It has all methods."""
        assert isinstance(store, ObjectStore)

    def test_gives_back_what_was_put_under_any_name(self, store: ObjectStore) -> None:
        """Bytes come back, whatever the name; lists have the same names."""
        for name in self.names:
            told = store.put(name, f"bytes of {name}".encode())
            assert (told.key, told.size) == (name, len(f"bytes of {name}".encode()))
        for name in self.names:
            assert store.get(name).decode() == f"bytes of {name}"
        assert sorted(each.key for each in store.list()) == sorted(self.names)

    def test_empty_and_large_objects(self, store: ObjectStore, tmp_path: Path) -> None:
        """Nothing at all, and more than one piece, from memory, a file, or pieces."""
        large = bytes(range(256)) * (80 * 1024)
        file = tmp_path / "large"
        file.write_bytes(large)
        store.put("empty", b"")
        store.put("from-file", file)
        store.put("from-pieces", (large[at : at + 1_000_003] for at in range(0, len(large), 1_000_003)))
        assert store.get("empty") == b""
        assert store.stat("empty").size == 0
        assert b"".join(store.stream("empty")) == b""
        for name in ("from-file", "from-pieces"):
            assert store.stat(name).size == len(large)
            assert hashlib.sha256(store.get(name)).digest() == hashlib.sha256(large).digest()
            assert zlib.adler32(b"".join(store.stream(name))) == zlib.adler32(large)

    def test_ranges(self, store: ObjectStore) -> None:
        """Parts come in the order asked for, near and far."""
        data = bytes(range(256)) * 8192
        store.put("a", data)
        ranges = [(1_000_000, 10), (0, 3), (5, 7), (len(data) - 4, 4), (100, 1)]
        found = store.get_ranges("a", ranges)
        assert [bytes(each) for each in found] == [data[start : start + count] for start, count in ranges]

    def test_a_range_beyond_the_end_is_no_short_answer(self, store: ObjectStore) -> None:
        """Fewer bytes than asked for are an error."""
        store.put("a", b"12345")
        with pytest.raises(OSError, match="a"):
            store.get_ranges("a", [(3, 10)])

    def test_nothing_there(self, store: ObjectStore) -> None:
        """What is not there is missing, for each question, and removing it is no error."""
        for ask in (
            store.stat,
            store.get,
            lambda key: list(store.stream(key)),
            lambda key: store.move(key, "b"),
        ):
            with pytest.raises(MissingObjectError, match="absent"):
                ask("no/absent")
        assert isinstance(MissingObjectError("x"), (NotFoundError, FileNotFoundError))
        assert list(store.list("no")) == []
        store.delete(["no/absent"])

    @pytest.mark.parametrize("key", OUTSIDE)
    def test_never_outside(self, store: ObjectStore, key: str) -> None:
        """A key that leads out of the store, or makes no sense, is refused before anything is asked."""
        for ask in (store.stat, store.get, lambda key: store.put(key, b""), lambda key: store.move("a", key)):
            with pytest.raises(InputError, match="cannot name an object"):
                ask(key)
        with pytest.raises(InputError):
            store.delete([key])

    def test_replaces_or_refuses(self, store: ObjectStore) -> None:
        """An object is replaced, unless that is not wanted."""
        first = store.put("a/b", b"first")
        assert store.put("a/b", b"second!").stamp != first.stamp
        with pytest.raises(ConflictError, match="a/b"):
            store.put("a/b", b"third", overwrite=False)
        assert store.get("a/b") == b"second!"
        store.put("a/c", b"new", overwrite=False)
        assert store.get("a/c") == b"new"

    def test_one_of_many_that_write_at_once_wins(self, store: ObjectStore) -> None:
        """Of several writers that must not replace each other, one writes, whole."""
        bodies = [bytes([65 + at]) * 50_000 for at in range(6)]
        barrier = threading.Barrier(len(bodies))

        def write(body: bytes) -> bytes:
            barrier.wait()
            try:
                store.put("once", body, overwrite=False)
            except ConflictError:
                return b""
            return body

        with ThreadPoolExecutor(len(bodies)) as pool:
            won = [body for body in pool.map(write, bodies) if body]
        assert len(won) == 1 or (won and not self.one_winner)
        assert store.get("once") in won

    def test_a_failing_source_leaves_nothing(self, store: ObjectStore) -> None:
        """When the bytes break off, nothing is shown, and what was there stays."""
        store.put("kept", b"before")

        def broken() -> object:
            yield b"x" * 100_000
            raise RuntimeError("the source breaks")

        for key in ("kept", "fresh"):
            with pytest.raises(RuntimeError, match="the source breaks"):
                store.put(key, broken())  # type: ignore[arg-type]
        assert store.get("kept") == b"before"
        assert [each.key for each in store.list()] == ["kept"]

    def test_lists(self, store: ObjectStore) -> None:
        """All below a prefix, which is a folder's name and no beginning of one; or one level."""
        for name in ("a/1", "a/b/2", "a/b/c/3", "ab/4", "5"):
            store.put(name, name.encode())
        assert sorted(each.key for each in store.list("a")) == ["a/1", "a/b/2", "a/b/c/3"]
        assert sorted(each.key for each in store.list("a/b")) == ["a/b/2", "a/b/c/3"]
        assert {each.key: each.size for each in store.list()}["ab/4"] == 4
        assert [(each.key, each.is_folder) for each in store.folder("a")] == [("a/1", False), ("a/b", True)]
        assert [each.key for each in store.folder()] == ["5", "a", "ab"]

    def test_moves(self, store: ObjectStore) -> None:
        """An object takes another key, and what is there is replaced if that is wanted."""
        store.put("a", b"moved")
        store.put("there", b"other")
        store.move("a", "new/folder/b")
        assert store.get("new/folder/b") == b"moved"
        with pytest.raises(MissingObjectError):
            store.stat("a")
        with pytest.raises(ConflictError):
            store.move("new/folder/b", "there", overwrite=False)
        assert (store.get("there"), store.get("new/folder/b")) == (b"other", b"moved")
        store.move("new/folder/b", "there")
        assert store.get("there") == b"moved"

    def test_copies_on_the_server_where_it_can(self, store: ObjectStore) -> None:
        """What is copied has the same bytes, replaces what is there, and leaves the first where it was."""
        if not isinstance(store, CopyingStore):
            pytest.skip("the store has no copies on its server")
        data = bytes(range(256)) * 40_000
        store.put("a", data)
        store.put("new/b", b"other")
        told = store.copy_from(store, "a", "new/b")
        if told is None:
            assert store.get("new/b") == b"other", "nothing was done"
            return
        assert (told.key, told.size) == ("new/b", len(data))
        assert store.get("a") == store.get("new/b") == data
        assert sorted(each.key for each in store.list()) == ["a", "new/b"]
        with pytest.raises(MissingObjectError, match="absent"):
            store.copy_from(store, "no/absent", "new/b")
        with pytest.raises(InputError, match="cannot name an object"):
            store.copy_from(store, "a", "../up")
        assert store.get("new/b") == data

    def test_deletes(self, store: ObjectStore) -> None:
        """Many at once."""
        names = [f"x/{at}" for at in range(30)]
        for name in names:
            store.put(name, b"1")
        store.delete(names[:29])
        assert [each.key for each in store.list()] == ["x/29"]

    def test_checksum_is_right_where_one_is_known(self, store: ObjectStore) -> None:
        """What the store says of an object fits its bytes."""
        data = b"some bytes" * 1000
        store.put("a", data)
        known = store.checksum("a")
        if known is not None:
            assert known.value == digest(known.algorithm, data)

    def test_many_threads(self, store: ObjectStore) -> None:
        """Threads share a store."""

        def work(number: int) -> bool:
            for at in range(5):
                key = f"shared/{at}/{number}"
                store.put(key, key.encode() * 100)
                if store.get(key) != key.encode() * 100:
                    return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(8)))
        assert sum(1 for _ in store.list("shared")) == 40


def digest(algorithm: str, data: bytes) -> str:
    """Give a checksum as stores write it."""
    if algorithm == "adler32":
        return f"{zlib.adler32(data):08x}"
    return hashlib.new(algorithm, data).hexdigest()
