"""Rules of the house that ruff, mypy and import-linter cannot express."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "swath"
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST = 400


def tracked():
    """The files of the repository, as git knows them."""
    ended = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip("needs a git checkout")
    return [ROOT / each for each in ended.stdout.split("\0") if each and (ROOT / each).is_file()]


def name_of(path):
    return str(path.relative_to(ROOT))


def public(tree):
    """The public functions and classes of a module, and the public methods of its public classes."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                        yield f"{node.name}.{inner.name}", inner


def is_property_or_overload(node):
    names = {ast.unparse(each) for each in getattr(node, "decorator_list", ())}
    return bool(names & {"overload", "typing.overload"})


def test_every_module_and_public_name_has_a_docstring():
    silent = []
    for path in MODULES:
        tree = ast.parse(path.read_text())
        if not ast.get_docstring(tree) and path.read_text().strip():
            silent.append(name_of(path))
        silent += [
            f"{name_of(path)}: {name}"
            for name, node in public(tree)
            if not ast.get_docstring(node) and not is_property_or_overload(node)
        ]
    assert silent == []


def test_every_kernel_states_parameters_returns_and_an_example():
    from swath import kernels

    lacking = []
    for path in sorted((SOURCE / "kernels").glob("[a-z]*.py")):
        for name, node in public(ast.parse(path.read_text())):
            if name in kernels.__all__ and isinstance(node, ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                lacking += [
                    f"{name}: {section}"
                    for section in ("Parameters", "Returns", "Examples")
                    if not re.search(rf"^{section}\n-+$", text, re.MULTILINE)
                ]
    assert lacking == []


def test_no_file_of_the_source_is_too_long():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lengths.items() if count > LONGEST} == {}


def test_fields_of_frozen_values_are_documented():
    """A string under each field of a dataclass says what it is."""
    silent = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
                continue
            if not any("dataclass" in ast.unparse(each) for each in node.decorator_list):
                continue
            for at, field in enumerate(node.body):
                if isinstance(field, ast.AnnAssign):
                    after = node.body[at + 1] if at + 1 < len(node.body) else None
                    said = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                    if not said:
                        silent.append(f"{name_of(path)}: {node.name}.{field.target.id}")
    assert silent == []


FREE = {"test_house_rules.py", "test_api.py"}
"""Tests of the whole, which mirror no single module."""


def test_each_test_file_mirrors_a_module():
    strangers = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        inside = path.relative_to(ROOT / "tests")
        if inside.parts[0] in ("docs", "properties", "parity", "benchmarks", "slurm") or inside.name in FREE:
            continue
        # test_tiff_faults.py is about tiff, as test_tiff.py is; private modules have tests too.
        words = inside.stem.removeprefix("test_").split("_")
        names = ["_".join(words[:end]) for end in range(1, len(words) + 1)]
        room = SOURCE / inside.parent
        if not any(
            (room / f"{each}.py").exists() or (room / each).is_dir()
            for name in names
            for each in (name, f"_{name}")
        ):
            strangers.append(str(inside))
    assert strangers == []


def test_no_pile_is_named_after_nothing():
    names = {path.stem for path in MODULES}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "base", "tools", "stuff"}


# The words are put together here, so that this file does not hold them.
FORBIDDEN = [
    "/" + "work/" + "(main|shared)",
    "/" + "root/",
    r"/" + r"tmp/(tmp|pytest|brief|bash)[\w./-]*",
    r"https?://\S*/" + r"simple\b",
    "artif" + "actory|files.python" + "hosted",
    "extra-" + "index-" + "url",
]
TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".txt",
    ".sh",
    ".cfg",
    ".lock",
    ".ini",
    ".html",
    ".css",
    ".js",
    "",
}


def test_the_tree_names_no_machine_and_no_package_index():
    found = []
    pattern = re.compile("|".join(f"(?:{each})" for each in FORBIDDEN))
    for path in tracked():
        if path.suffix not in TEXT or "schemas" in path.parts or "demo_data" in path.parts:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_the_lock_names_no_address():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert not [each for each in lines if re.search(r"https?:|--(extra-)?index|--find-links|file:", each)]
    pinned = [each for each in lines if re.match(r"^[A-Za-z0-9]", each)]
    assert len(pinned) > 50
    assert all("==" in each for each in pinned)
    assert sum("--hash=sha256:" in each for each in lines) >= len(pinned)


def test_the_forbidden_words_would_be_found():
    pattern = re.compile("|".join(f"(?:{each})" for each in FORBIDDEN))
    for line in (
        "cd /wo" + "rk/main",
        "see /ro" + "ot/.bashrc",
        "pip --extra-" + "index-url x",
        "open /t" + "mp/tmpabc",
        "http://10.0.0.1:80/pypi/" + "simple/",
    ):
        assert pattern.search(line), line
    for line in ("tmp_path / 'work'", "root = Path()", "http://localhost:8080"):
        assert not pattern.search(line), line
