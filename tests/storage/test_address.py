"""Keys stay inside; addresses say where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swath.model import InputError
from swath.storage.address import Root, check_key, parse_root

PARTS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1, max_size=12
)
KEYS = st.lists(PARTS.filter(lambda part: part not in (".", "..")), min_size=1, max_size=4).map("/".join)


@given(KEYS, KEYS)
@pytest.mark.parametrize("scheme", ["https", "s3"])
def test_an_address_gives_back_its_key(scheme, prefix, key):
    root = Root(scheme, "host-a", check_key(prefix))
    if scheme == "s3" and (prefix.rstrip("/"), key.rstrip("/")) != (prefix, key):
        return
    found = parse_root(root.href(key))
    assert root.key_of(found) == key


@pytest.mark.parametrize(
    "address",
    [
        "https://host/a/../b", "https://host/a/%2e%2e/b", "https://host/a%2F..%2Fb", "s3://bucket/a/../b",
        "https://user:secret@host/a", "https://host/a?authz=secret", "ftp://host/a", "https:///a", "s3://",
        "dcache://host/%00", "davs://host/a//b",
    ],
)  # fmt: skip
def test_addresses_that_lead_elsewhere_or_hold_secrets(address):
    with pytest.raises(InputError) as error:
        parse_root(address)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("inner", "key"),
    [
        ("https://host:1/a/b/c", "c"), ("https://host:1/a/b", ""), ("https://host:1/a/bc", None),
        ("https://host:2/a/b/c", None), ("http://host:1/a/b/c", None), ("davs://HOST:1/a/b/c%20d", "c d"),
    ],
)  # fmt: skip
def test_what_lies_inside(inner, key):
    assert parse_root("dcache://host:1/a/b").key_of(parse_root(inner)) == key
