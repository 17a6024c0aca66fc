"""Small products for the tests of this folder."""

from __future__ import annotations

import datetime as dt
import json
from importlib import resources

import jsonschema_rs
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from storage.conftest import rclone_server, s3_server  # noqa: F401 -- fixtures of servers

from swath.products import Layer, Lineage, Raster, quantity_of

START = dt.datetime(2020, 3, 1, tzinfo=dt.UTC)
END = dt.datetime(2020, 3, 31, 23, 59, 59, tzinfo=dt.UTC)


def build_geobox(shape=(60, 90), corner=(5_000_000.0, 3_000_000.0), pixel=10.0, crs="EPSG:3035"):
    return GeoBox(shape, Affine(pixel, 0, corner[0], 0, -pixel, corner[1]), crs)


def make_values(shape, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.uniform(-0.2, 0.9, shape).astype("f4")
    values[rng.random(shape) < 0.1] = np.nan
    return values


def build_raster(geobox=None, names=("NDVI", "quality"), seed=0, **options):
    geobox = build_geobox() if geobox is None else geobox
    layers = []
    for at, name in enumerate(names):
        values = make_values(tuple(geobox.shape), seed + at)
        values = np.abs(values) * 100 if name == "quality" else values
        layers.append(Layer(name, values, quantity_of(name)))
    fields = {"id": "ndvi-202003", "start": START, "end": END, "title": "NDVI, March 2020", **options}
    return Raster(layers=tuple(layers), geobox=geobox, **fields)


@pytest.fixture
def make_geobox():
    """Give the function that makes a small grid."""
    return build_geobox


@pytest.fixture
def make_raster():
    """Give the function that makes a small raster."""
    return build_raster


@pytest.fixture
def lineage():
    return Lineage(
        "composite",
        "1.0",
        {"period": "P1M", "index": "NDVI"},
        (("../in/a.json", "a"), ("../in/b.json", "b")),
        "../../provenance/ro-crate-metadata.json",
        "ndvi",
    )


@pytest.fixture(scope="session")
def item_schema():
    """The STAC 1.1 item schema that comes with pystac, and what it refers to; nothing is downloaded."""
    folder = resources.files("pystac.validation.jsonschemas")
    local = {}
    for name in ("item", "bands", "basics", "common", "data-values", "datetime", "instrument", "licensing",
                 "provider"):  # fmt: skip
        schema = json.loads((folder / "stac-spec" / "v1.1.0" / f"{name}.json").read_text())
        local[f"https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/{name}.json"] = schema
    for name in ("Feature", "Geometry"):
        local[f"https://geojson.org/schema/{name}.json"] = json.loads(
            (folder / "geojson" / f"{name}.json").read_text()
        )
    registry = jsonschema_rs.Registry(list(local.items()))
    root = local["https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"]
    return jsonschema_rs.validator_for(root, registry=registry)
