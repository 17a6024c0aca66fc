"""The provenance record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swath.products import write_crate, write_raster

JOB = {
    "id": "composite-1",
    "process": "composite",
    "version": "1.0",
    "inputs": {"period": "P1M", "bbox": [1, 2, 3, 4]},
    "started": "2024-01-01T00:00:00Z",
    "finished": "2024-01-01T00:01:00Z",
    "user": "ada",
}
ITEMS = [
    {"id": "a", "collection": "s2", "links": [{"rel": "self", "href": "https://example.org/a.json"}]},
    {"id": "b", "collection": "s2", "links": []},
]


@pytest.fixture
def job_folder(tmp_path, lineage, make_raster):
    """A job folder with one product in it, and the items of its results."""
    item = write_raster(tmp_path / "results" / "u1", make_raster(), lineage)
    item["links"].append({"rel": "self", "href": "results/u1/ndvi-202003.json"})
    (tmp_path / "job.json").write_text("{}")
    (tmp_path / "items.ndjson").write_text("")
    return tmp_path, [item]


def write(folder, results):
    environment = {"numpy": "2.1", "python": "3.12"}
    return write_crate(folder, job=JOB, items=ITEMS, results=results, environment=environment)


def graph_of(path):
    document = json.loads(path.read_text())
    return {entity["@id"]: entity for entity in document["@graph"]}


def test_the_record_says_what_ran_with_what_and_made_what(job_folder):
    folder, results = job_folder
    path = write(folder, results)
    assert path == folder / "provenance" / "ro-crate-metadata.json"
    graph = graph_of(path)
    root = graph[graph["ro-crate-metadata.json"]["about"]["@id"]]
    assert root["conformsTo"]["@id"] == "https://w3id.org/ro/wfrun/process/0.5"
    action = graph[root["mentions"]["@id"]]
    assert action["@type"] == "CreateAction"
    assert (action["startTime"], action["endTime"]) == (JOB["started"], JOB["finished"])
    instrument = graph[action["instrument"]["@id"]]
    assert (instrument["@type"], instrument["softwareVersion"]) == ("SoftwareApplication", "1.0")
    needed = {graph[each["@id"]]["name"] for each in instrument["softwareRequirements"]}
    assert needed == {"numpy", "python", "swath"}
    objects = [graph[each["@id"]] for each in action["object"]]
    assert {"a", "b", "period", "bbox"} == {each["name"] for each in objects}
    assert graph[action["agent"]["@id"]]["name"] == "ada"


def test_every_local_file_is_where_the_record_says(job_folder):
    folder, results = job_folder
    path = write(folder, results)
    graph = graph_of(path)
    files = [entity for entity in graph.values() if "File" in entity["@type"] and "://" not in entity["@id"]]
    assert len(files) == 6
    for entity in files:
        assert (path.parent / entity["@id"]).is_file(), entity["@id"]
    checksums = {entity["sha256"] for entity in files if "sha256" in entity}
    expected = {asset["file:checksum"][4:] for item in results for asset in item["assets"].values()}
    assert checksums == expected
    named = {name["@id"] for entity in graph.values() for name in references(entity)}
    assert {name for name in named if not name.startswith("http")} <= graph.keys()


def references(value):
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_the_same_job_gives_the_same_bytes(job_folder):
    folder, results = job_folder
    first = write(folder, results).read_bytes()
    assert write(folder, results).read_bytes() == first
    assert str(folder).encode() not in first


def test_absolute_addresses_inside_the_job_become_relative(job_folder):
    folder, results = job_folder
    expected = write(folder, results).read_bytes()
    link = next(each for each in results[0]["links"] if each["rel"] == "self")
    link["href"] = str(Path(folder) / link["href"])
    assert write(folder, results).read_bytes() == expected


def test_rocrate_reads_it(job_folder):
    from rocrate.rocrate import ROCrate

    folder, results = job_folder
    crate = ROCrate(write(folder, results).parent)
    assert crate.root_dataset["name"] == "composite (composite-1)"
    assert len(crate.get_by_type("CreateAction")) == 1
