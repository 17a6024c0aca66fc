"""Sites in the settings: what is not known or not right is named."""

from __future__ import annotations

import pytest

from swath.config import Settings, check_site_name
from swath.model import InputError, NotFoundError


def refused(**site):
    with pytest.raises(InputError) as caught:
        Settings.parse({"sites": {"hpc": site}})
    return str(caught.value)


def test_a_key_that_is_not_known_names_the_nearest():
    assert "sites.hpc: the key 'foldr' is not known" in refused(foldr="/x")
    assert "folder" in refused(foldr="/x")


def test_values_are_checked():
    assert "sites.hpc.time" in refused(time="soon")
    assert "sites.hpc.memory: 'much' is not a size" in refused(memory="much")
    assert "sites.hpc.cpus" in refused(cpus=0)
    for each in ("docker:x", "venv", "venv:", "own:x", ""):
        assert "is no environment" in refused(environment=each)
    assert "partitions" in refused(partitions={"a": {"time": "x"}})


def test_a_site_is_found_by_its_name():
    settings = Settings.parse({"sites": {"hpc": {"folder": "/x", "environment": "venv:/y"}}})
    assert settings.site("hpc").folder == "/x"
    with pytest.raises(NotFoundError, match="there is no site 'hcp'") as caught:
        settings.site("hcp")
    assert caught.value.known == ("local", "hpc")


@pytest.mark.parametrize("name", ["local", "", "a b", "../x", "1x", "x" * 41, "a.b"])
def test_names_that_sites_cannot_have(name):
    with pytest.raises(InputError, match="cannot be a site's name"):
        check_site_name(name)
