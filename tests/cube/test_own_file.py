"""Which of our readers reads a file."""

from __future__ import annotations

import pytest
from scenes import ramp, write_tiff
from zarr_stores import noise, write_store

from swath.cube.own_file import is_own, open_own
from swath.cube.tiff import TiffFile, Unsupported
from swath.cube.zarrs import ZarrFile


def test_each_kind_has_its_reader_and_they_answer_alike(tmp_path):
    tiff = write_tiff(tmp_path / "red.tif", ramp(50, 70))
    store = write_store(tmp_path / "red.zarr", noise((2, 50, 70)))
    hrefs = {TiffFile: str(tiff), ZarrFile: f'ZARR:"{store}":/red:1'}
    for kind, href in hrefs.items():
        file = open_own(href)
        assert type(file) is kind
        assert (file.height, file.width, file.count, file.has_mask) == (50, 70, 1, False)
        assert (file.image.block_height, file.image.block_width) == (16, 16)
        assert file.read([0], (1, 3, 2, 5)).shape == (1, 2, 3)
        assert file.read_mask((1, 3, 2, 5)).shape == (2, 3)
        assert is_own(href)
        file.close()


@pytest.mark.parametrize(
    "href",
    ["/data/a.jp2", 'NETCDF:"/data/a.nc":red', 'ZARR:"/vsicurl/https://host/a.zarr":/red:0',
     'ZARR:"https://host/a.zarr?token=1":/red:0'],
)  # fmt: skip
def test_what_only_gdal_reads_is_told_by_its_address(href):
    assert not is_own(href)
    with pytest.raises((Unsupported, OSError)):
        open_own(href)
