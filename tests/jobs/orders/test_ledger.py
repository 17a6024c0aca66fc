import os
import subprocess
import sys
import time

import pytest

from swath.jobs.orders import ledger as module
from swath.jobs.orders.ledger import Ledger, OrderKey, OrderState, owning
from swath.model import CatalogError

KEY = OrderKey("1", "catalog.sqlite", "c", "i", "r", "/folder")


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "orders.sqlite")


def test_one_makes_and_the_others_are_told(ledger):
    with owning(ledger) as first, owning(ledger) as second:
        assert ledger.claim(KEY, first, since=0)[0]
        is_mine, row = ledger.claim(KEY, second, since=0)
        assert (is_mine, row.state, row.owner) == (False, OrderState.MAKING, first)
        assert ledger.finish("1", first, assets={"a": {"href": "/a"}}, size=5)
        is_mine, row = ledger.claim(KEY, second, since=0)
        assert (is_mine, row.state, row.assets, row.bytes) == (
            False,
            OrderState.MADE,
            {"a": {"href": "/a"}},
            5,
        )


def test_who_lets_go_is_followed(ledger):
    with owning(ledger) as first:
        ledger.claim(KEY, first, since=0)
    with owning(ledger) as second:
        assert ledger.claim(KEY, second, since=0)[0]
        assert not ledger.finish("1", first, assets={}, size=0), "it is another's now"
        assert ledger.finish("1", second, assets={}, size=0)


def test_a_process_that_is_gone_is_followed(ledger):
    script = (
        "import sys\nfrom pathlib import Path\nfrom swath.jobs.orders.ledger import *\n"
        "from swath.jobs.orders import ledger as module\n"
        f"ledger = Ledger(Path({str(ledger.path)!r}))\n"
        "with owning(ledger) as owner:\n"
        f"    ledger.claim({KEY!r}, owner, since=0)\n    print('ready', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    with owning(ledger) as second:
        assert not ledger.claim(KEY, second, since=0)[0]
        process.kill()
        process.communicate()
        assert ledger.claim(KEY, second, since=0)[0]


def test_an_owner_of_another_machine_counts_by_its_word(ledger, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    other = f"elsewhere/{os.getpid()}@1.0/ab"
    ledger.claim(KEY, other, since=0)

    def claimed(after_s):
        clock[0] += after_s
        return ledger.claim(KEY, "here/1@1.0/cd", since=0)[0]

    assert not claimed(0)
    assert not claimed(module.SILENT_S - 1)
    ledger.beat(other)
    assert not claimed(10)
    assert not claimed(module.SILENT_S - 1), "it has given its word meanwhile"
    assert claimed(2)


def test_what_failed_has_failed_for_all_who_waited_and_is_tried_by_the_next(ledger):
    began = time.time()
    with owning(ledger) as first, owning(ledger) as second:
        ledger.claim(KEY, first, since=began)
        ledger.fail("1", first, "no good")
        is_mine, row = ledger.claim(KEY, second, since=began)
        assert (is_mine, row.state, row.message) == (False, OrderState.FAILED, "no good")
        assert ledger.claim(KEY, second, since=time.time() + 1)[0]


def test_what_is_asked_for_again_is_not_dropped(ledger):
    with owning(ledger) as owner:
        ledger.claim(KEY, owner, since=0)
        ledger.finish("1", owner, assets={}, size=1)
        (seen,) = ledger.rows()
        ledger.claim(KEY, owner, since=0)
        assert not ledger.drop(seen, owner)
        (seen,) = ledger.rows()
        assert ledger.drop(seen, owner)
        assert ledger.rows()[0].state is OrderState.DROPPING
        assert ledger.abandoned() == [], "its owner is at it"
    assert [each.key for each in ledger.abandoned()] == [KEY]


def test_a_damaged_ledger_is_named(ledger):
    ledger.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(CatalogError, match=r"orders: the ledger .*orders\.sqlite' cannot be used"):
        ledger.rows()
