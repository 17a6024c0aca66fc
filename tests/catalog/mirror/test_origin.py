"""Sources of mirrors that are STAC APIs."""

from __future__ import annotations

from catalog.test_api import server, url

from swath.catalog.intake.ingest import is_api
from swath.catalog.mirror.origin import open_origin
from swath.catalog.mirror.values import Choice
from swath.testing.contracts import contract_items

__all__ = ["server", "url"]


def ids(source: str, **chosen: object) -> list[str]:
    with open_origin(source, Choice(**chosen)) as origin:  # type: ignore[arg-type]
        return sorted(each["id"] for each in origin.items())


def test_an_api_is_asked_for_what_is_chosen(url):
    assert is_api(url)
    every = {each["id"]: each["collection"] for each in contract_items()}
    names = sorted(set(every.values()))
    assert ids(url) == sorted(every)
    for some in ((names[0],), tuple(names[:2])):
        assert ids(url, collections=some) == sorted(each for each in every if every[each] in some)
    assert ids(url, collections=("one",), bbox=(10, 40, 14, 60), datetime="2011/2012") == ["a01", "a02"]
    assert len(ids(url, collections=tuple(names), max_items=4)) == 4


def test_what_is_no_api(url, tmp_path):
    assert not is_api(str(tmp_path))
    assert not is_api(f"{url}/collection.json")
