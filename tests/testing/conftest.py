"""An emulated dCache, and a client of it, for each test."""

import pytest
from dcaches import ROOT, Client

from swath.testing.dcache import Clock, DCache


@pytest.fixture
def dcache(tmp_path):
    with DCache(
        tmp_path / "dcache", users={"alice": "secret", "bob": "other"}, clock=Clock(frozen=True)
    ) as made:
        made.mkdir(ROOT)
        yield made


@pytest.fixture
def client(dcache):
    with Client(dcache) as made:
        yield made
