"""Citations."""

from __future__ import annotations

import json

from swath.products import cite

ITEM = {
    "id": "ndvi-2020",
    "properties": {
        "title": "NDVI",
        "start_datetime": "2020-01-01T00:00:00Z",
        "end_datetime": "2020-12-31T23:59:59Z",
        "processing:software": {"swath": "0.1.0"},
        "processing:lineage": "swath ran composite.",
        "processing:expression": {"format": "swath", "expression": {"process": "composite", "inputs": {}}},
    },
    "links": [],
}
LANDSAT = {
    "title": "Landsat C2 L2",
    "license": "proprietary",
    "links": [{"rel": "license", "href": "https://example.org/licence"}],
    "providers": [
        {"name": "NASA & USGS", "roles": ["producer"]},
        {"name": "A Cloud", "roles": ["host"]},
    ],
    "sci:doi": "10.5066/P9OGBGM6",
}


def test_a_citation_names_product_software_makers_licence_and_doi():
    text = cite(ITEM, [{"collection": "landsat"}, {"collection": "landsat"}], {"landsat": LANDSAT})
    assert (
        "NDVI (ndvi-2020) (2020-01-01 to 2020-12-31), made with swath 0.1.0 from 2 items of landsat." in text
    )
    assert "- Landsat C2 L2 (landsat), by NASA & USGS, https://doi.org/10.5066/P9OGBGM6" in text
    assert "licence: proprietary (https://example.org/licence)" in text
    assert "A Cloud" not in text


def test_bibtex_has_an_entry_for_the_product_and_each_source():
    text = cite(ITEM, [{"collection": "landsat"}, {"collection": "b 2"}], {"landsat": LANDSAT})
    assert text.count("@misc{") == 3
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert "@misc{b-2," in text
    assert "author = {{NASA & USGS}}" in text or r"author = {{NASA \& USGS}}" in text
    assert "doi = {10.5066/P9OGBGM6}" in text


def test_the_software_is_named_with_its_process_and_without_an_address():
    text = cite(ITEM, [{"collection": "landsat"}], {})
    assert "howpublished = {Made with swath 0.1.0, process composite}" in text
    assert "://" not in text
    unsaid = {**ITEM, "properties": {**ITEM["properties"], "processing:expression": "NDVI"}}
    assert "howpublished = {Made with swath 0.1.0}" in cite(unsaid, [], {})


def test_a_collections_own_citation_comes_first():
    text = cite(ITEM, [{"collection": "x"}], {"x": {"sci:citation": "Doe (2020). Data.", "title": "X"}})
    assert "- Doe (2020). Data." in text


def test_real_collections_can_be_cited(shared_data):
    cited = 0
    for path in sorted((shared_data / "10_stac_items").rglob("*.json")):
        collection = json.loads(path.read_text())
        if isinstance(collection, dict) and collection.get("type") == "Collection":
            text = cite(ITEM, [{"collection": collection["id"]}], {collection["id"]: collection})
            assert str(collection["license"]) in text
            cited += 1
    assert cited > 10
