"""The demonstration's data, as it ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import rasterio

from swath.demo.data import COLLECTION, demo_folder


def test_each_item_has_its_file_where_it_says(demo):
    assert len(demo) == 140
    for item in demo:
        assert item["collection"] == COLLECTION
        assert Path(item["assets"]["b10m"]["href"]).is_absolute()
    days = [each["properties"]["datetime"] for each in demo]
    assert days == sorted(days)
    for item in demo[::20]:
        with rasterio.open(item["assets"]["b10m"]["href"]) as file:
            assert list(file.transform)[:6] == pytest.approx(item["assets"]["b10m"]["proj:transform"])
            assert list(file.shape) == item["assets"]["b10m"]["proj:shape"]
            assert file.count == len(item["assets"]["b10m"]["eo:bands"])


def test_the_collection_names_each_item_and_its_licence(demo):
    folder = demo_folder()
    collection = json.loads((folder / "stac" / "collection.json").read_text())
    links = [each["href"] for each in collection["links"] if each["rel"] == "item"]
    assert len(links) == len(demo)
    assert all((folder / "stac" / each).is_file() for each in links)
    assert collection["license"] == "EUPL-1.2"
    assert any(each.name.startswith("LICENSE") for each in folder.iterdir())
