"""The documentation tells the truth: its code runs and prints what it says, and nothing is left out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from docs.pages import RUN, Block, compare, read_blocks, run_blocks

from swath.cli.main import COMMANDS, load_command
from swath.config import Settings
from swath.processes import processes

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
WRITTEN = sorted(each for each in DOCS.rglob("*.md") if "reference" not in each.relative_to(DOCS).parts)
ON_A_CLUSTER = [DOCS / "howto" / f"{each}.md" for each in ("slurm", "sessions", "environments")]
"""Run by tests/slurm/test_docs.py on the test bed."""
RUNNABLE = [
    DOCS / "quickstart.md",
    *sorted(each for each in (DOCS / "howto").glob("*.md") if each not in ON_A_CLUSTER),
    *sorted(each for each in (DOCS / "concepts").glob("*.md")),
    ROOT / "README.md",
]


# odc-geo 0.5.3 warns so, as pyproject.toml says
ALLOWED = ["-W", "ignore:The 'shapely.ops.transform", "-W", "ignore:Use `@` matmul"]


def _environment(home: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("SWATH_", "COLUMNS"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "SWATH_HOME": str(home / "swath"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "MPLBACKEND": "Agg",
    }


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


# What a page shows


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=_name)
def test_every_code_block_of_a_page_runs_and_prints_what_the_page_says(page, tmp_path):
    if not any(each.language in RUN and not each.reason for each in read_blocks(page.read_text())):
        pytest.skip("it has no code")
    work = tmp_path / "work"
    work.mkdir()
    command = [sys.executable, str(Path(__file__).parent / "pages.py"), str(page)]
    done = subprocess.run(
        command, cwd=work, env=_environment(tmp_path / "home"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_blocks_that_are_not_run_are_these():
    """Each is listed here, so that none is switched off unseen."""
    found = {
        f"{_name(page)}: {each.reason}"
        for page in (*WRITTEN, ROOT / "README.md")
        for each in read_blocks(page.read_text())
        if each.reason
    }
    assert found == NOT_RUN


NOT_RUN = {
    "docs/howto/environments.md: it brings 370 MB, which takes minutes",
    "docs/howto/environments.md: they need a package index, conda, Apptainer, or another site",
    "README.md: it sets up the checkout that the tests run in",
    "docs/index.md: it sets up the checkout that the tests run in",
    "docs/quickstart.md: it installs the checkout that the tests run in",
    "docs/howto/sessions.md: it opens a browser on a cluster",
    "docs/howto/cluster.md: it needs a Slurm cluster",
    "docs/howto/tiles.md: QGIS is a program with windows",
}


def test_all_code_of_the_pages_that_run_is_of_a_known_kind():
    known = {*RUN, "toml", "text", "json", "cql2"}
    for page in RUNNABLE:
        for each in read_blocks(page.read_text()):
            assert each.language in known, f"{_name(page)}, line {each.line}: {each.language!r}"


def test_a_page_that_prints_something_else_is_found():
    compare("a  b\nc\nd\n", "a b\n…\nd\n", "here")
    compare("item 4711 is done\n", "item … is done\n", "here")
    for printed, said in [("a\nb\n", "a\n"), ("a\n", "a\nb\n"), ("a\nx\nb\n", "a\nb\n"), ("", "a\n")]:
        with pytest.raises(AssertionError, match="here"):
            compare(printed, said, "here")


def test_blocks_are_read_with_their_titles_reasons_and_lines():
    page = "# T\n\n```python\nx = 1\n```\n\n```text\n1\n```\n\n"
    page += '<!-- not run: why -->\n```toml title="a.toml"\n```\n'
    assert read_blocks(page) == [
        Block("python", "x = 1\n", 4),
        Block("text", "1\n", 8, follows=True),
        Block("toml", "", 13, "a.toml", "why", follows=True),
    ]


def test_a_block_that_fails_is_found():
    for block in (Block("bash", "false\ntrue\n", 7), Block("python", "1 / 0\n", 7)):
        with pytest.raises(AssertionError, match="line 7"):
            run_blocks([block])


@pytest.mark.slow
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path):
    path = ROOT / "examples" / "first_steps.ipynb"
    notebook = json.loads(path.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({each["id"] for each in notebook["cells"]}) == len(notebook["cells"])
    code = [each for each in notebook["cells"] if each["cell_type"] == "code"]
    assert all(each["outputs"] == [] and each["execution_count"] is None for each in code)
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join("".join(each["source"]) for each in code))
    done = subprocess.run(
        [sys.executable, "-W", "error", *ALLOWED, str(script)],
        cwd=tmp_path, env=_environment(tmp_path / "home"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(each.suffix for each in (tmp_path / "products").iterdir()).count(".tif") >= 12


@pytest.mark.slow
def test_the_process_of_the_page_is_found_by_its_entry_point(tmp_path):
    """As after ``pip install``: the module on the path, and its entry points beside it."""
    page = read_blocks((DOCS / "howto" / "plugin.md").read_text())
    files = {each.title: each.text for each in page if each.title}
    (tmp_path / "amplitude.py").write_text(files["amplitude.py"])
    project = tomllib.loads(files["pyproject.toml"])["project"]
    info = tmp_path / f"forest_processes-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0.0\n")
    lines = [f"{key} = {value}" for key, value in project["entry-points"]["swath.processes"].items()]
    (info / "entry_points.txt").write_text("[swath.processes]\n" + "\n".join(lines) + "\n")
    environment = _environment(tmp_path / "home") | {"PYTHONPATH": str(tmp_path)}
    items = f"items={DOCS.parent / 'src' / 'swath' / 'demo_data' / 'stac' / 'items'}/S2_L2A_RO_20200630.json"
    words = [
        "run",
        "amplitude",
        "-i",
        items,
        "-i",
        "bands=red",
        "-i",
        "percent=90",
        "--json",
        "--workers",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "swath", *words], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], len(told["items"])) == ("successful", 1)


# What must be documented


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> Path:
    """The generated pages."""
    folder = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, str(DOCS / "generate.py"), str(folder)], check=True)
    return folder


def test_each_command_and_each_of_its_options_is_documented(reference):
    import typer

    text = (reference / "commands.md").read_text()
    for name in COMMANDS:
        command = typer.main.get_command(load_command(name))
        parts = getattr(command, "commands", {"": command})
        for part, found in parts.items():
            if found.hidden:
                continue
            heading = f"## `swath {name} {part}".rstrip() + "`\n"
            assert heading in text, heading
            section = text.split(heading)[1].split("\n## ")[0]
            for each in found.params:
                shown = max(each.opts, key=len) if each.param_type_name == "option" else each.metavar
                assert (shown or each.name.upper()) in section or each.name == "help", each.name


def test_each_setting_is_documented_with_its_variable(reference):
    text = (reference / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"`{name}`" in text
        assert f"`SWATH_{name.upper()}`" in text
        assert field.description in text


def test_each_process_is_documented_with_all_its_inputs(reference):
    text = (reference / "processes.md").read_text()
    for found in processes().values():
        assert f"## `{found.id}`\n" in text
        section = text.split(f"## `{found.id}`\n")[1].split("\n## ")[0]
        for name in found.schema()["properties"]:
            assert f"| `{name}` |" in section, f"{found.id}: {name}"


def test_each_public_name_is_documented(reference):
    import swath

    text = (reference / "python.md").read_text()
    for name in swath.__all__:
        if name != "__version__":
            assert f"swath.{name}" in text, name


def test_each_noun_has_a_page():
    nouns = ("catalog", "cube", "kernel", "process", "job", "unit", "product", "site")
    assert [each for each in nouns if not (DOCS / "concepts" / f"{each}.md").exists()] == []


# What must not be said


def _code(page: Path) -> str:
    """Give what a page says as code; not what is printed, and not the lines that show a mistake."""
    text = page.read_text()
    blocks = "\n".join(each.text for each in read_blocks(text) if each.language != "text")
    lines = [each for each in blocks.splitlines() if '|| echo "ends with $?"' not in each]
    return "\n".join([*lines, *re.findall(r"`([^`\n]+)`", text)])


@pytest.mark.parametrize("page", [*WRITTEN, ROOT / "README.md"], ids=_name)
def test_no_page_names_a_command_that_does_not_exist(page):
    import typer

    for name, part in re.findall(r"^(?:\w+=\S+ )*swath ([a-z]+)(?: ([a-z]+))?", _code(page), re.MULTILINE):
        assert name in COMMANDS, f"swath {name}"
        command = typer.main.get_command(load_command(name))
        if part and hasattr(command, "commands"):
            assert part in command.commands, f"swath {name} {part}"


@pytest.mark.parametrize("page", [*WRITTEN, ROOT / "README.md"], ids=_name)
def test_no_page_names_a_setting_a_module_or_a_file_that_does_not_exist(page):
    import importlib

    code = _code(page)
    for name in re.findall(r"\bSWATH_([A-Z_]+?)(?:__\w+)?\b", code):
        assert name in ("SITE_CONFIG", "NATIVE") or name.lower() in Settings.model_fields, f"SWATH_{name}"
    for dotted in set(re.findall(r"(?<![\w./-])(swath(?:\.[A-Za-z_]\w*)+)(?!\w*[./]\w)", code)):
        if dotted.endswith((".toml", ".json")):
            continue
        found = importlib.import_module("swath")
        for part in dotted.split(".")[1:]:
            module = f"{found.__name__}.{part}" if hasattr(found, "__path__") else ""
            found = getattr(found, part, None) or importlib.import_module(module)
    for path in re.findall(r"`((?:src|tests|docs|examples|tools)/[\w./-]+)`", page.read_text()):
        assert (ROOT / path).exists(), path


def test_documents_hold_no_path_of_somebodys_machine():
    for page in (*WRITTEN, ROOT / "README.md", *sorted((ROOT / "changes").glob("*.md"))):
        found = re.findall(r"(?<!\w)/(?:root|work|tmp|home)/\w+", page.read_text())
        assert not found, f"{_name(page)}: {found}"


# The site


class _Sources(HTMLParser):
    """Collects what a browser would fetch by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        fetched = said.get("src")
        kind = said.get("rel") or ""
        if tag == "link" and any(each in kind for each in ("stylesheet", "icon", "preload", "preconnect")):
            fetched = said.get("href")
        if fetched:
            self.found.append(fetched)


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_fetches_nothing_from_elsewhere(tmp_path):
    environment = _environment(tmp_path / "home")
    subprocess.run([sys.executable, str(DOCS / "generate.py")], check=True, cwd=ROOT, env=environment)
    site = tmp_path / "site"
    mkdocs = Path(sys.executable).with_name("mkdocs")
    done = subprocess.run(
        [str(mkdocs), "build", "--strict", "--quiet", "--site-dir", str(site)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(WRITTEN)
    for page in pages:
        sources = _Sources()
        sources.feed(page.read_text())
        assert sources.found
        away = [each for each in sources.found if "//" in each]
        assert not away, f"{page.relative_to(site)}: {away}"
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", style.read_text()), style.name
