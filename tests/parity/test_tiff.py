"""The TIFF reader beside rasterio: the very bytes, over codecs, predictors, types, layouts and masks."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window
from scenes import grid

from swath.cube.tiff import MalformedError, Unsupported, open_tiff
from swath.kernels import native as native_module

TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
WINDOWS = ((0, 83, 0, 101), (5, 40, 10, 70), (16, 32, 32, 64), (82, 83, 100, 101), (31, 49, 0, 101))
SHAPE = (83, 101)


@pytest.fixture(params=["compiled", "numpy"])
def loops(request, monkeypatch):
    """Both ways to place a block: compiled, and without it."""
    if request.param == "numpy":
        monkeypatch.setattr("swath.cube.tiff.decode.native", lambda: None)
    elif native_module.native() is None:
        pytest.skip("no compiled loops were built here, or they are switched off")
    return request.param


def numbers(dtype, layers=1, seed=0):
    """Make (layer, y, x) with a smooth part and noise, so that codecs have something to do."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    made = np.stack([50 + 40 * np.sin((y + x) / (9 + at)) for at in range(layers)]) + rng.integers(
        0, 9, (layers, *SHAPE)
    )
    if np.dtype(dtype).kind == "f":
        made = made * 1.37e3
        made[:, 3, 4] = np.nan
        made[:, 5, 6] = -0.0
    made = made.astype(dtype)
    if np.dtype(dtype).kind == "i":
        made[:, :20] *= -1
    if np.dtype(dtype).itemsize > 1 and np.dtype(dtype).kind in "iu":
        made[:, 40, 40:44] = np.iinfo(dtype).max, np.iinfo(dtype).min, 1, np.iinfo(dtype).max
    return made


def write(path, data, **options):
    profile = {
        "driver": "GTiff", "height": data.shape[1], "width": data.shape[2], "count": data.shape[0],
        "dtype": data.dtype.name, "crs": "EPSG:32632", "transform": grid(10.0), **options,
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(data)
    return path


def check_same(path, windows=WINDOWS):
    """Read windows by both readers; the bytes, the grid and the types must be the same."""
    file = open_tiff(str(path))
    try:
        with rasterio.open(path) as dataset:
            assert (file.crs, file.transform) == (dataset.crs, dataset.transform)
            assert {str(file.dtype)} == set(dataset.dtypes)
            assert (file.height, file.width, file.count) == (*dataset.shape, dataset.count)
            np.testing.assert_equal(file.nodata, dataset.nodatavals[0])
            flags = {each.name for layer in dataset.mask_flag_enums for each in layer}
            assert file.has_mask == bool(flags & {"per_dataset", "alpha"})
            for top, bottom, left, right in windows:
                window = Window(left, top, right - left, bottom - top)
                ours = file.read(range(file.count), (top, bottom, left, right))
                assert ours.tobytes() == dataset.read(window=window).tobytes()
                last = file.count - 1
                one = file.read([last], (top, bottom, left, right), threads=2)
                assert one[0].tobytes() == dataset.read(last + 1, window=window).tobytes()
                if file.has_mask:
                    mask = dataset.read_masks(1, window=window) > 0
                    np.testing.assert_array_equal(file.read_mask((top, bottom, left, right)), mask)
    finally:
        file.close()


CODECS = [
    *itertools.product(("deflate", "lzw", "zstd"), (1, 2, 3)),
    *itertools.product(("none", "packbits", "lzma", "lerc", "lerc_deflate", "lerc_zstd"), (1,)),
    ("lzma", 2),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "predictor"), CODECS)
def test_codecs_predictors_and_types(tmp_path, loops, codec, predictor):
    for dtype in TYPES:
        kind = np.dtype(dtype).kind
        if (predictor == 3 and kind != "f") or (predictor == 2 and kind == "f" and dtype == "float16"):
            continue
        if codec.startswith("lerc") and dtype in ("int64", "uint64"):
            continue
        options = {"predictor": predictor} if predictor > 1 else {}
        path = tmp_path / f"{dtype}.tif"
        try:
            write(path, numbers(dtype), compress=codec, tiled=True, blockxsize=32, blockysize=16, **options)
        except rasterio.errors.RasterioError as error:
            pytest.skip(f"this GDAL does not write {codec} of {dtype}: {error}")
        check_same(path)


@pytest.mark.parametrize("predictor", [1, 2, 3])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize(
    "layout", [{"tiled": True, "blockxsize": 48, "blockysize": 32}, {"blockysize": 7}, {}]
)
def test_layouts(tmp_path, loops, predictor, interleave, layout):
    for dtype, layers in (("uint16", 5), ("uint8", 3), ("int32", 2), ("float32", 3), ("float64", 2)):
        if predictor == 3 and not dtype.startswith("f"):
            continue
        path = write(
            tmp_path / f"{dtype}.tif", numbers(dtype, layers), compress="deflate", predictor=predictor,
            interleave=interleave, **layout,
        )  # fmt: skip
        check_same(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("predictor", [1, 2, 3])
def test_byte_orders_and_bigtiff(tmp_path, loops, order, big, predictor):
    for dtype in ("u1", "i2", "u2", "i4", "f4", "f8"):
        if predictor > 1 and (predictor == 3) != (dtype[0] == "f"):
            continue
        path = tmp_path / f"{dtype}.tif"
        geo = [
            (33550, 12, 3, (10.0, 10.0, 0.0), True), (33922, 12, 6, (0, 0, 0, 5e5, 5e6, 0), True),
            (34735, 3, 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32632), True),
        ]  # fmt: skip
        tifffile.imwrite(
            path, numbers(dtype)[0], byteorder=order, bigtiff=big, tile=(32, 48), compression="zlib",
            predictor=predictor if predictor > 1 else None, extratags=geo, photometric="minisblack",
        )  # fmt: skip
        check_same(path)


@pytest.mark.parametrize("nodata", [None, 0, 7, -3.5, np.nan])
def test_nodata_and_blocks_that_are_left_out(tmp_path, loops, nodata):
    dtype = "int16" if nodata in (None, 0, 7) else "float32"
    data = numbers(dtype)
    data[:, :64, :64] = 0 if nodata is None else nodata
    path = write(
        tmp_path / "sparse.tif", data, compress="deflate", tiled=True, blockxsize=32, blockysize=32,
        nodata=nodata, SPARSE_OK="TRUE",
    )  # fmt: skip
    file = open_tiff(str(path))
    assert (file.image.counts == 0).any()
    check_same(path)


@pytest.mark.parametrize("layers", [1, 3])
def test_internal_masks(tmp_path, loops, layers):
    mask = np.random.default_rng(1).random(SHAPE) > 0.4
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = tmp_path / "masked.tif"
        data = numbers("uint8", layers)
        with rasterio.open(
            path, "w", driver="GTiff", height=SHAPE[0], width=SHAPE[1], count=layers, dtype="uint8",
            crs="EPSG:32632", transform=grid(10.0), compress="deflate", tiled=True, blockxsize=32,
            blockysize=32,
        ) as file:  # fmt: skip
            file.write(data)
            file.write_mask(mask)
    check_same(path)


def test_an_alpha_layer_is_a_mask(tmp_path, loops):
    data = numbers("uint8", 4)
    data[3] = np.where(np.arange(SHAPE[1]) % 3, 255, 0)
    check_same(write(tmp_path / "rgba.tif", data, photometric="RGB", alpha="YES", compress="lzw"))


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_codecs_for_pictures(tmp_path, loops, codec):
    layers = {"jpeg": (1, 3), "webp": (3, 4)}[codec]
    for count in layers:
        options = {"photometric": "MINISBLACK" if count == 1 else "RGB", "interleave": "pixel"}
        if codec == "webp":
            options["webp_lossless"] = "YES"
        try:
            path = write(
                tmp_path / f"{count}.tif", numbers("uint8", count), compress=codec, tiled=True, blockxsize=32,
                blockysize=32, **options,
            )  # fmt: skip
        except rasterio.errors.RasterioError as error:
            pytest.skip(f"this GDAL does not write {codec}: {error}")
        check_same(path)


def test_a_cog_with_overviews(tmp_path, loops):
    data = np.tile(numbers("int16"), (1, 7, 7))[:, :512, :700]
    path = write(
        tmp_path / "cog.tif", data, driver="COG", compress="zstd", predictor=2, blocksize=128, nodata=-9
    )
    file = open_tiff(str(path))
    assert (file.header.overviews[0].height, file.header.overviews[0].width) == (256, 350)
    check_same(path, [(0, 512, 0, 700), (100, 300, 127, 400)])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"dtype": "complex64"}, "bits in format"),
        (
            {"dtype": "uint8", "compress": "jpeg", "photometric": "YCBCR", "count": 3, "interleave": "pixel"},
            "JPEG",
        ),
        ({"dtype": "uint8", "nbits": 4}, "bits in format"),
        ({"dtype": "float32", "nbits": 16}, "bits in format"),
        ({"dtype": "uint8", "crs": None}, "coordinate reference system|no georeference"),
    ],
)
def test_what_is_left_to_gdal_is_told(tmp_path, options, told):
    path = tmp_path / "other.tif"
    profile = {
        "driver": "GTiff", "height": 32, "width": 32, "count": 1, "crs": "EPSG:32632", "transform": grid(10.0)
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **{**profile, **options}) as file:
            file.write(np.ones((file.count, 32, 32), options["dtype"]))
    with pytest.raises(Unsupported, match=told):
        open_tiff(str(path))


def test_a_file_that_is_no_tiff_is_left_to_gdal(tmp_path):
    path = tmp_path / "no.tif"
    path.write_bytes(b"PK\3\4 some archive")
    with pytest.raises(Unsupported, match="no TIFF"):
        open_tiff(str(path))
    path.write_bytes(b"II")
    with pytest.raises(MalformedError, match="ends"):
        open_tiff(str(path))
    with pytest.raises(FileNotFoundError):
        open_tiff(str(tmp_path / "absent.tif"))


def test_all_shared_rasters_are_read_as_rasterio_does(shared_data):
    """Windows at random of each raster in shared/data; what is left to GDAL is no GeoTIFF."""
    rng = np.random.default_rng(20180427)
    left, checked = [], 0
    for path in sorted(each for each in shared_data.rglob("*") if each.suffix.lower() in (".tif", ".tiff")):
        try:
            file = open_tiff(str(path))
        except Unsupported as reason:
            left.append((path.name, str(reason)))
            continue
        height, width = file.height, file.width
        file.close()
        rows, columns = np.sort(rng.integers(0, (height, width), (2, 2)).T, axis=1) + np.array([0, 1])
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
            check_same(path, [tuple(int(each) for each in (*rows, *columns))])
        checked += 1
    assert checked > 100
    assert len(left) <= 1, left
