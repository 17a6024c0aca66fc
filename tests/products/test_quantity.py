"""How layers are stored: decided by name and formula."""

from __future__ import annotations

import numpy as np
import pytest
import spyndex

from swath.products import quantity_of
from swath.products.bounded import bound_of


@pytest.mark.parametrize(
    ("name", "dtype", "nodata"),
    [
        ("NDVI", "int16", -32768),
        ("ndvi", "int16", -32768),
        ("NBR", "int16", -32768),
        ("SAVI", "int16", -32768),
        ("red", "int16", -32768),
        ("nir08", "int16", -32768),
        ("B8A", "int16", -32768),
        ("quality", "uint8", 255),
        ("NDVI_quality", "uint8", 255),
        ("count", "uint16", 65535),
        ("slope", "float32", None),
        ("NDVI_p_value", "float32", None),
        ("EVI", "float32", None),
        ("SR", "float32", None),
        ("lwir", "float32", None),
        ("B11", "float32", None),
        ("something else", "float32", None),
    ],
)
def test_the_name_decides_the_number_type(name, dtype, nodata):
    quantity = quantity_of(name)
    assert (quantity.name, quantity.dtype) == (name, dtype)
    assert np.isnan(quantity.nodata) if nodata is None else quantity.nodata == nodata


def test_names_that_differ_in_their_case_alone_are_not_mixed_up():
    assert quantity_of("mSR705").dtype == "int16"
    assert quantity_of("MSR705").dtype == "float32"


def test_every_index_that_is_stored_as_int16_is_bounded_for_any_reflectance():
    rng = np.random.default_rng(0)
    bounded = [name for name in spyndex.indices if quantity_of(name).dtype == "int16"]
    assert {"NDVI", "NDWI", "NBR", "NDMI", "MNDWI", "OSAVI", "GLI", "NBAI"} <= set(bounded)
    for name in bounded:
        index = spyndex.indices[name]
        # Small and large values in every combination: what makes ratios large.
        bands = {band: 10.0 ** rng.uniform(-4, 1, 20_000) for band in index.bands}
        known = {each: spyndex.constants[each].default for each in index.bands if each in spyndex.constants}
        values = spyndex.computeIndex(name, params={**bands, **known})
        assert np.nanmax(np.abs(values)) <= 3.2767, name


def test_differences_over_their_sums_are_all_found():
    for name, index in spyndex.indices.items():
        left, _, right = index.formula.partition("/")
        if len(index.formula) < 12 and right == left.replace("-", "+"):
            assert quantity_of(name).dtype == "int16", name


@pytest.mark.parametrize(
    ("formula", "bound"),
    [
        ("N/(N+R)", 1.0),
        ("(N-2*R)/(N+R)", 2.0),
        ("(N**2-R**2)/(N**2+R**2)", 1.0),
        ("(G*(N-S))/((G+N)*(N+S))", 1.0),
        ("(S2-S1/G)/(S2+S1/G)", 1.0),
        ("-(N-R)/(N+R+0.5)", 1.0),
        ("(N-R-1)/(N+R)", None),
        ("N-R", None),
        ("(N-R)/(N+R)*N", None),
        ("(N-R)/((N+R)**0.5)", None),
        ("N/0", None),
        ("(N-R)/(N-R)", None),
    ],
)
def test_bounds_can_be_done_by_hand(formula, bound):
    assert bound_of(formula, {}) == bound
