"""What is written down of a cluster."""

from __future__ import annotations

import pytest

from swath.model import InputError
from swath.sites.cluster.record import (
    Order,
    Standing,
    Wanted,
    check_cluster_name,
    format_record,
    parse_order,
    parse_standing,
    parse_wanted,
    parse_workers,
)
from swath.sites.slurm import SlurmResources


def test_records_come_back_as_they_were():
    asked = SlurmResources(partition="long", cpus=4, slurm=("--constraint=rome",))
    order = Order("one", "ab", "spider", "/shared/one", "job", asked, {"folder": "/shared"}, "ib0")
    assert parse_order(format_record(order)) == order
    assert parse_wanted(format_record(Wanted(2, 40, stop=True))) == Wanted(2, 40, stop=True)
    standing = Standing("running", "tls://10.0.0.1:1", workers=3, message="ünïcode")
    assert parse_standing(format_record(standing)) == standing


def test_a_number_of_workers_or_the_least_and_the_most():
    assert parse_workers(8) == parse_workers("8") == parse_workers((8, 8)) == Wanted(8, 8)
    assert parse_workers((0, 3)) == parse_workers("0:3") == Wanted(0, 3)
    assert (str(Wanted(8, 8)), str(Wanted(2, 40))) == ("8", "2 to 40")


@pytest.mark.parametrize("wrong", ["", "x", "3:2", "1:2:3", 0, -1, True, (1, 2, 3), (), (5, 2), 10**6, None])
def test_other_numbers_of_workers_are_refused(wrong):
    with pytest.raises(InputError, match="is no number of workers"):
        parse_workers(wrong)


@pytest.mark.parametrize("wrong", ["../up", "a b", "", "1a", "a" * 41, "$(id)"])
def test_names_that_are_no_names_are_refused(wrong):
    with pytest.raises(InputError, match="cannot be a cluster's name"):
        check_cluster_name(wrong)
