"""The ``.swath`` accessor: lazy, and the same as processes and kernels."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import swath
from swath import kernels
from swath.model import InputError


@pytest.fixture
def cube(demo):
    return swath.load(demo[55:80], ["red", "nir"], chunks=50)


def test_an_index_is_its_formula(cube):
    found = cube.swath.index("NDVI", "evi2")
    red, nir = cube.red.values, cube.nir.values
    assert list(found) == ["NDVI", "EVI2"]
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(found.NDVI.values, (nir - red) / (nir + red), rtol=1e-6)
        np.testing.assert_allclose(found.EVI2.values, 2.5 * (nir - red) / (nir + 2.4 * red + 1), rtol=1e-5)
    assert hasattr(cube.swath.index("NDVI").NDVI.data, "dask")


def test_a_composite_is_xarrays_own(cube):
    found = cube.swath.composite("P1M", "max")
    expected = cube.red.compute().resample(time="MS").max()
    assert found.time.values.tolist() == expected.time.values.tolist()
    np.testing.assert_array_equal(found.red.values, expected.values)


def test_lazy_and_eager_are_the_same(cube):
    eager = cube.compute()
    for act in (
        lambda ds: ds.swath.index("NDVI"),
        lambda ds: ds.swath.composite("P1M"),
        lambda ds: ds.swath.composite("P1M").swath.fill("swag"),
        lambda ds: ds.swath.composite("P1M").swath.fill("linear"),
        lambda ds: ds.swath.trend(),
    ):
        xr.testing.assert_equal(act(cube).compute().drop_attrs(), act(eager).drop_attrs())


def test_filling_keeps_what_was_observed(cube):
    gappy = cube.swath.composite("P1M").compute()
    filled = gappy.swath.fill("swag")
    seen = np.isfinite(gappy.red.values)
    np.testing.assert_array_equal(filled.red.values[seen], gappy.red.values[seen])
    expected, _ = kernels.swag(gappy.red.values, images_per_year=12)
    np.testing.assert_array_equal(filled.red.values, expected)
    assert (np.isfinite(filled.red.values) & ~seen).any()


def test_a_trend_has_a_name_for_each_variable(cube):
    both = cube.swath.trend(seasonal=False)
    assert set(both.data_vars) == {"red_slope", "red_p_value", "nir_slope", "nir_p_value"}
    one = cube[["red"]].swath.trend(seasonal=False)
    assert set(one.data_vars) == {"slope", "p_value"}
    np.testing.assert_array_equal(one.slope.values, both.red_slope.values)


def test_what_is_wrong_is_told(cube):
    with pytest.raises(InputError, match="NBR needs the band swir22"):
        cube.swath.index("NBR")
    with pytest.raises(InputError, match="'medain' is not known"):
        cube.swath.composite("P1M", "medain")
    with pytest.raises(InputError, match="'splines' is not known"):
        cube.swath.fill("splines")
    with pytest.raises(InputError, match="is not a duration"):
        cube.swath.composite("monthly")
