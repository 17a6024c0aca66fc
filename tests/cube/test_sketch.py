"""Copies in memory of a part of a file."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox
from scenes import CORNER, CRS, grid
from zarr_stores import noise, write_store

from swath.cube.sketch import sketch
from swath.cube.zarrs import open_zarr


def test_only_what_a_target_needs_is_read_and_it_lies_where_it_did(tmp_path, monkeypatch):
    numbers = noise((1500, 2000), "u1")
    path = write_store(tmp_path / "a.zarr", numbers, chunks=(500, 500))
    file = open_zarr(f'ZARR:"{path}":/red')
    read = type(file).read
    pixels = []

    def counted(self, layers, window, **options):
        pixels.append((window[1] - window[0]) * (window[3] - window[2]))
        return read(self, layers, window, **options)

    monkeypatch.setattr(type(file), "read", counted)
    box = GeoBox((30, 40), grid(13, (CORNER[0] + 9003, CORNER[1] - 8007)), CRS)
    with sketch(file, box) as dataset:
        assert (dataset.shape, dataset.nodata, dataset.dtypes) == ((1500, 2000), 255, ("uint8",))
        assert dataset.transform == file.transform
        assert dataset.crs == file.crs
        np.testing.assert_array_equal(dataset.read(1)[790:860, 890:970], numbers[790:860, 890:970])
    assert sum(pixels) <= 512 * 768


def test_a_target_beside_the_file_or_of_no_place_on_it(tmp_path):
    path = write_store(tmp_path / "a.zarr", noise((50, 70)))
    file = open_zarr(f'ZARR:"{path}":/red')
    for box in (
        GeoBox((30, 40), grid(10, (CORNER[0] + 90_000, CORNER[1])), CRS),
        GeoBox((18, 36), grid(10, (-180.0, 90.0)), "EPSG:4326"),  # the whole world has no place in UTM
    ):
        with sketch(file, box) as dataset:
            assert dataset.shape == (50, 70)
