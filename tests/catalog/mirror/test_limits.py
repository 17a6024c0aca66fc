"""Limits: bytes in a second, in memory, and one at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from swath.catalog.mirror.limits import Bandwidth, Memory, Turns


def test_all_threads_share_the_bandwidth():
    bandwidth = Bandwidth(1_000_000, threading.Event())
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: bandwidth.take(100_000), range(8)))
    assert time.monotonic() - began > 0.4


def test_who_is_stopped_waits_no_longer():
    stopped = threading.Event()
    stopped.set()
    Bandwidth(1, stopped).take(1_000_000)


def test_memory_is_never_more_than_the_limit_and_large_ones_pass():
    memory, lock = Memory(100), threading.Lock()
    held = [0]
    most = []

    def work(count: int) -> None:
        with memory.held(count):
            with lock:
                held[0] += min(count, 100)
                most.append(held[0])
            time.sleep(0.002)
            with lock:
                held[0] -= min(count, 100)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [30, 60, 500, 10, 90, 40] * 4))
    assert len(most) == 24
    assert max(most) <= 100


def test_one_at_a_time_of_each_name():
    turns, inside = Turns(), []

    def work(at: int) -> None:
        with turns.turn(str(at % 2)):
            inside.append((at % 2, "in"))
            time.sleep(0.002)
            inside.append((at % 2, "out"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(12)))
    for name in (0, 1):
        assert [what for which, what in inside if which == name] == ["in", "out"] * 6
