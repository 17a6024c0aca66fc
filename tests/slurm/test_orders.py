"""Assets that are made by jobs of a Slurm site when somebody asks for them."""

from __future__ import annotations

import json

COLLECTION = "sentinel-2-l2a-romania"


def prepared(person):
    """Take the items in, and say that their NDVI is made by the process ``waiting``."""
    person.swath("catalog", "ingest", str(person.items))
    person.swath(
        "catalog", "recipe", COLLECTION, "ndvi", "--process", "waiting", "-i", "index=NDVI",
        "-i", f"control={person.control}", "-i", "valid=false", "--asset", "ndvi=NDVI",
    )  # fmt: skip
    return ["catalog", "order", "--collections", COLLECTION, "--assets", "ndvi", "--on", "bed", "--json"]


def rows(person):
    return person.swath("catalog", "orders", "--json").json["orders"]


def hrefs(person):
    found = person.swath("catalog", "search", "--collections", COLLECTION, "--json").json["features"]
    return [each["assets"]["ndvi"]["href"] for each in found if "ndvi" in each["assets"]]


def test_two_who_ask_at_once_have_each_made_once(alice):
    words = prepared(alice)
    askers = [alice.start("swath", *words) for _ in range(2)]
    begun = alice.wait_begun(3)
    alice.say("go")
    told = []
    for each in askers:
        out, error = each.communicate(timeout=120)
        assert each.returncode == 0, error
        told.append(json.loads(out))
    assert sum(each["made"] for each in told) == 3
    assert [each["made"] + each["there"] for each in told] == [3, 3]
    assert len(alice.begun()) == len(begun) == 3, "each has run once"
    assert all(alice.run("test", "-f", each).code == 0 for each in hrefs(alice))
    assert len(hrefs(alice)) == 3
    assert alice.swath(*words).json == {"orders": 3, "made": 0, "there": 3, "failed": {}}


def test_left_with_ctrl_c_it_goes_on_in_the_queue_and_the_next_takes_it_over(alice):
    words = prepared(alice)
    asker = alice.start("swath", *words, start_new_session=True)
    alice.wait_begun(3)
    alice.bed.sh("alice", "pkill -INT -u alice -f 'catalog order'")
    _, error = asker.communicate(timeout=60)
    assert asker.returncode == 130
    assert "swath: stopped; the same command goes on from there" in error
    assert [each["state"] for each in rows(alice)] == ["making"] * 3
    assert hrefs(alice) == []
    alice.say("go")
    assert alice.swath(*words).json == {"orders": 3, "made": 3, "there": 0, "failed": {}}
    assert len(alice.begun()) == 3, "the jobs that were there were waited for"
    assert len(hrefs(alice)) == 3


def test_whoever_waits_goes_on_where_the_one_who_asked_first_is_killed(alice):
    words = prepared(alice)
    first = alice.start("swath", *words)
    alice.wait_begun(3)
    second = alice.start("swath", *words)
    while "made by another process" not in (line := second.stderr.readline()):
        assert line
    alice.bed.sh("alice", "pkill -KILL -u alice -o -f 'catalog order'")
    first.communicate(timeout=60)
    alice.say("go")
    out, error = second.communicate(timeout=120)
    assert second.returncode == 0, error
    assert json.loads(out)["made"] == 3
    assert len(alice.begun()) == 3
    assert len(hrefs(alice)) == 3


def test_from_a_laptop_what_a_process_reads_is_made_first(traveller):
    prepared(traveller)
    traveller.say("go")
    said = traveller.swath(
        "run", "index", "-i", f"collection={COLLECTION}", "-i", "bands=ndvi", "--on", "bed"
    )
    assert "3 are being made at bed" in said.err
    assert "items in the collection" in said.out
    assert all(each.startswith(str(traveller.home)) for each in hrefs(traveller))
    assert len(hrefs(traveller)) == 3
    folders = f"{traveller.bed.home('alice')}/{traveller.control.name}/jobs"
    before = traveller.bed.sh("alice", f"ls {folders}")
    traveller.swath("catalog", "orders", "--trim", "0")
    assert hrefs(traveller) == []
    assert len(traveller.bed.sh("alice", f"ls {folders}").split()) == len(before.split()) - 3
