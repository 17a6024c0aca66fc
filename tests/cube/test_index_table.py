"""The table of indices, beside spyndex itself."""

from __future__ import annotations

import spyndex

from swath.cube.index_table import constant, find_index, index_names


def test_the_table_is_that_of_spyndex():
    assert set(index_names()) == {each.casefold() for each in spyndex.indices}
    for name, index in spyndex.indices.items():
        row = find_index(name)
        told = (row.name, row.title, row.formula, list(row.letters), row.domain)
        assert told == (name, index.long_name, index.formula, index.bands, index.application_domain)
    for letter, each in spyndex.constants.items():
        assert constant(letter) == each.default
    assert find_index("no such index") is None
    assert find_index("ndvi").name == "NDVI"
