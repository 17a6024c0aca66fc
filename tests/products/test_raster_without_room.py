"""Everything that writes says that there is no room, and leaves nothing."""

from __future__ import annotations

import pandas as pd
import pytest
from full_disk import room_for

from swath.model import OutputError
from swath.products import merge_cog, mosaic, write_mosaic, write_raster, write_table, write_zarr


@pytest.fixture
def calls(make_raster, make_geobox, lineage, tmp_path):
    """Everything that writes, on a folder; each writes a file of more than 5000 bytes."""
    raster = make_raster()
    tiles = [write_raster(tmp_path / "tiles", make_raster(), lineage)]
    table = pd.DataFrame({"a": range(20_000)})
    fields = {"start": raster.start, "end": raster.end, "geometry": None, "lineage": lineage}
    for item in tiles:
        item["links"].append({"rel": "self", "href": str(tmp_path / "tiles" / "x.json")})
    return {
        "raster": lambda folder: write_raster(folder, raster, lineage),
        "zarr": lambda folder: write_zarr(folder, [raster], lineage),
        "csv": lambda folder: write_table(folder, table, id="t", formats=["csv"], **fields),
        "parquet": lambda folder: write_table(folder, table, id="t", formats=["parquet"], **fields),
        "cog": lambda folder: merge_cog(folder, tiles, name="all"),
        "index": lambda folder: write_mosaic(folder, tiles, name="all"),
    }


@pytest.mark.parametrize("name", ["raster", "zarr", "csv", "parquet", "cog", "index"])
def test_no_room_is_said_and_leaves_nothing(tmp_path, calls, name, monkeypatch):
    monkeypatch.setattr(mosaic, "MANY", 0)
    folder = tmp_path / "out"
    with room_for(3000), pytest.raises(OutputError, match=f"cannot write {folder}"):
        calls[name](folder)
    assert list(folder.iterdir()) == []
    calls[name](folder)
    assert list(folder.iterdir()) != []
