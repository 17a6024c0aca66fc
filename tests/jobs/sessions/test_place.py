"""What is asked of Slurm for a session."""

from __future__ import annotations

import pytest

from swath.config import Settings
from swath.jobs.sessions.catalogue import read_app
from swath.jobs.sessions.order import shares_node
from swath.jobs.sessions.place import count_ahead, open_place, with_defaults
from swath.model import InputError, NotFoundError
from swath.sites.slurm import SlurmResources, open_site

LIKES = {"time": "04:00:00", "cpus": 2, "memory": "4GB"}


@pytest.fixture
def settings(tmp_path):
    partitions = {"normal": {"time": "1-00:00:00", "cpus": 8, "default": True}, "short": {"time": "00:30:00"}}
    site = {"folder": str(tmp_path), "partitions": partitions, "cpus": 7, "memory": "7GB"}
    return Settings.parse({"home": str(tmp_path), "sites": {"hpc": site, "bare": {"folder": str(tmp_path)}}})


def test_an_apps_wishes_hold_where_the_user_says_nothing(settings):
    site = open_site("hpc", settings)
    asked = with_defaults(SlurmResources(cpus=3), LIKES, site)
    assert (asked.time, asked.cpus, asked.memory) == ("04:00:00", 3, "4GB")


def test_an_apps_wish_gives_way_to_the_limit_of_the_partition_and_a_users_does_not(settings):
    site, place = open_site("hpc", settings), open_place("hpc", settings)
    assert with_defaults(SlurmResources(partition="short"), LIKES, site).time == "00:30:00"
    with pytest.raises(InputError, match="05:00:00 is longer than the partition short gives"):
        place.options(SlurmResources(partition="short", time="05:00:00"), LIKES)


def test_a_session_is_never_put_back_into_the_queue_by_itself(settings):
    options = open_place("bare", settings).options(SlurmResources(), LIKES)
    assert "--no-requeue" in options
    assert {"--time=04:00:00", "--cpus-per-task=2", "--mem=3815M"} <= set(options)


def test_only_what_listens_on_a_port_without_a_password_wants_a_node_without_others(settings):
    command = read_app("command", settings)
    assert shares_node(command, {"command": ["serve", "--port={port}"]})
    assert not shares_node(command, {"command": ["serve", "{socket}"]})
    assert not shares_node(read_app("marimo", settings), {})


def test_the_place_in_the_queue_counts_jobs_of_higher_priority_and_older_ones():
    assert count_ahead("5|1\n5|2\n9|3\n", "2") == 2
    assert count_ahead("5|1\n", "2") is None
    assert count_ahead("", "2") is None


def test_a_site_that_is_not_known_is_told(settings):
    with pytest.raises(NotFoundError, match="there is no site 'nope'"):
        open_place("nope", settings)
