"""``swath demo`` from an empty folder to pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from runs import check_catalog, check_item

from swath.cli.main import run
from swath.demo.story import MONTHLY, TREND


@pytest.mark.slow
def test_the_demonstration_runs_from_nothing(tmp_path, own_home, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["demo", "--json"]) == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert "140 Sentinel-2 items taken into" in err
    assert [each["start"] for each in told["months"]] == [
        f"{y}-{m:02}" for y in (2018, 2019, 2020) for m in range(1, 13)
    ]
    for each in told["months"]:
        assert 0 <= each["observed_percent"] <= 100
        assert each["observed_percent"] + each["filled_percent"] == pytest.approx(100, abs=0.5)
        assert 0.2 < each["ndvi"] < 1
    summer = np.mean([each["ndvi"] for each in told["months"] if each["start"][5:] in ("06", "07", "08")])
    winter = np.mean([each["ndvi"] for each in told["months"] if each["start"][5:] in ("12", "01", "02")])
    assert summer > winter + 0.1  # a forest that sheds its leaves
    assert len(told["pictures"]) == 2
    for each in told["pictures"]:
        with Image.open(each) as picture:
            pixels = np.asarray(picture.convert("L"))
        assert min(pixels.shape) > 300
        assert len(np.unique(pixels)) > 50
    assert check_catalog(own_home / "catalog.sqlite", MONTHLY) == 36
    assert check_catalog(own_home / "catalog.sqlite", TREND) == 1
    assert check_catalog_demo(own_home) == 140
    item = json.loads((tmp_path / "swath-demo").joinpath(told["item"]).read_text())
    check_item(item, tmp_path / "swath-demo" / told["item"])

    assert run(["demo"]) == 0  # once more: the jobs are there already
    out, _ = capsys.readouterr()
    assert out.splitlines()[0].split() == ["month", "images", "seen", "clear", "%", "filled", "%", "NDVI"]
    assert len([line for line in out.splitlines() if line[:4] in ("2018", "2019", "2020")]) == 36
    assert "swath rerun" in out
    assert run(["rerun", told["item"]]) == 0


def check_catalog_demo(home):
    from swath.catalog import open_catalog

    with open_catalog(str(home / "catalog.sqlite")) as catalog:
        return catalog.count("sentinel-2-l2a-romania")
