"""The pages about clusters tell the truth: alice runs their code on the login node."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["slurm", "environments", "sessions"]


@pytest.mark.parametrize("name", PAGES)
def test_every_code_block_of_a_page_runs_and_prints_what_the_page_says(alice, image, name):
    work = alice.control / "home/work"
    alice.bed.sh("alice", f"mkdir {work}; rm ~/.config/swath/swath.toml")
    for each in (ROOT / "docs/howto" / f"{name}.md", ROOT / "tests/docs/pages.py"):
        shutil.copy(each, alice.control / each.name)
    shutil.copy(image, alice.control / image.name)
    here = alice.control
    script = f"cd {work} && cp {here}/{image.name} . && exec python {here}/pages.py {here}/{name}.md"
    said = alice.run("bash", "-c", script)
    assert said.code == 0, said.err
