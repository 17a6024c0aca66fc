"""What is to be done about workers: laws for every state of a cluster, and cases to check by hand."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from swath.sites.cluster.plan import Plan, Steady, fruitless_rounds, holds, plan
from swath.sites.slurm import Task

STATES = ("PENDING", "RUNNING", "COMPLETING", "COMPLETED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED")
NAMES = [f"{job}_{task}" for job in (7, 8, 10) for task in range(3)]
NONE: frozenset[str] = frozenset()


def tasks(**states):
    return {name.strip("t"): Task("", state) for name, state in states.items()}


def test_each_worker_that_is_lost_is_submitted_anew():
    for state in (
        "COMPLETED",
        "CANCELLED",
        "TIMEOUT",
        "NODE_FAIL",
        "PREEMPTED",
        "OUT_OF_MEMORY",
        "COMPLETING",
    ):
        seen = tasks(t7_0="RUNNING", t7_1=state)
        assert plan(2, tasks=seen, connected={"7_0"}) == Plan(submit=1)
        assert plan(2, tasks=seen, connected={"7_0", "7_1"}) == Plan(submit=1, forget=("7_1",))


def test_one_that_does_not_answer_is_cancelled_and_replaced():
    seen = tasks(t7_0="RUNNING", t7_1="RUNNING")
    assert plan(2, tasks=seen, connected={"7_0"}) == Plan()
    assert plan(2, tasks=seen, connected={"7_0"}, silent={"7_1"}) == Plan(submit=1, cancel=("7_1",))


def test_those_that_wait_go_first_and_then_those_that_begin():
    seen = tasks(t7_0="RUNNING", t7_1="RUNNING", t8_0="PENDING", t8_1="PENDING", t10_0="RUNNING")
    ask = {"tasks": seen, "connected": {"7_0", "7_1"}}
    assert plan(4, **ask) == Plan(cancel=("8_1",))
    assert plan(3, **ask) == Plan(cancel=("8_0", "8_1"))
    assert plan(1, **ask) == Plan(cancel=("10_0", "8_0", "8_1"), retire=1)
    assert plan(1, **ask, retiring={"7_1", "10_0", "8_0", "8_1"}) == Plan()


@given(
    target=st.integers(0, 12),
    states=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(STATES)),
    connected=st.sets(st.sampled_from([*NAMES, "by hand"])),
    retiring=st.sets(st.sampled_from(NAMES)),
    silent=st.sets(st.sampled_from(NAMES)),
)
def test_what_is_planned_leads_to_the_target(target, states, connected, retiring, silent):
    seen = {name: Task("", state) for name, state in states.items()}
    silent &= {name for name, each in seen.items() if each.runs and holds(each) and name not in connected}
    todo = plan(target, tasks=seen, connected=connected, retiring=retiring, silent=silent)
    there = {name for name, each in seen.items() if holds(each)}
    counted = there - retiring - silent
    left = len(counted - set(todo.cancel)) - todo.retire + todo.submit
    assert left == target
    assert todo.submit == 0 or todo.retire == 0
    assert set(todo.cancel) <= there
    assert set(todo.cancel).isdisjoint(connected)
    assert todo.retire <= len(counted & connected)
    assert set(todo.forget) == {name for name in connected if name in seen and name not in there}


def test_only_rounds_that_failed_by_their_own_fault_and_never_served_count():
    failed = tasks(t7_0="FAILED", t8_0="FAILED", t8_1="CANCELLED", t9_0="NODE_FAIL", t10_0="OUT_OF_MEMORY")
    assert fruitless_rounds(failed, NONE) == ["7_0", "8_0", "10_0"]
    assert fruitless_rounds(failed, {"8_1"}) == ["10_0"]
    assert fruitless_rounds(failed | tasks(t10_1="RUNNING"), NONE) == ["7_0", "8_0"]
    assert fruitless_rounds({}, NONE) == []


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 20)), min_size=1, max_size=30), st.floats(0, 30))
def test_a_target_is_never_undercut_and_never_forgotten(steps, patience):
    """What is worked towards is one of the targets of late, and at least the newest."""
    steady, now, said = Steady(patience), 0.0, []
    for target, passed in steps:
        now += passed
        said.append(target)
        value = steady.follow(target, now)
        assert target <= value <= max(said)
    assert steady.follow(said[-1], now + 1) >= said[-1]
    assert steady.follow(0, math.inf) >= 0
