"""Names that are safe, and never the same for two."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from swath.catalog.mirror.names import asset_names, item_key, safe_name
from swath.storage import check_key

TEXTS = st.text(min_size=1, max_size=40) | st.sampled_from(
    ["..", ".", "%2e%2e", "a/b", "a_b", "catalog.json"]
)


@given(TEXTS, TEXTS)
def test_two_ids_have_two_names(one, other):
    assert (safe_name(one) == safe_name(other)) == (one == other)


@given(TEXTS, TEXTS)
def test_keys_stay_inside_whatever_the_ids_are(collection, item):
    key = check_key(item_key(collection, item))
    assert re.fullmatch(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+){2}", key)
    assert len(key.rpartition("/")[2]) < 255


@given(TEXTS)
def test_a_name_that_looks_changed_is_changed_again(text):
    assert safe_name(safe_name(text)) == safe_name(text) or safe_name(text) != text


@given(st.text(min_size=1, max_size=9), st.dictionaries(TEXTS, TEXTS, max_size=6))
def test_files_of_an_item_have_names_of_their_own(item, hrefs):
    names = asset_names(item, hrefs)
    every = [*names.values(), f"{safe_name(item)}.json"]
    assert len({each.lower() for each in every}) == len(hrefs) + 1
    for each in every:
        check_key(each)
