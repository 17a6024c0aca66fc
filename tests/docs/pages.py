"""Reads the code blocks of a page, runs them in order, and compares what they print with what the page says.

``python tests/docs/pages.py PAGE.md`` runs a page in the working folder.

- A block with a title is written to that file.
- A ``bash`` block runs in a shell of its own, a ``python`` block in the one namespace of its page.
- A ``text`` block right behind one that ran is what that one prints: its lines come in this order. A line
  ``…`` stands for any lines, an ``…`` within a line for any characters; blanks count as one.
- ``<!-- not run: reason -->`` in front of a block keeps it from running.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+?) -->\n+)?"
    r"^```(?P<language>\w+)?(?:[ ]+title=\"(?P<title>[^\"]+)\")?[ ]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_PROGRESS = re.compile(r"swath: \d+ of \d+ units done")
"""Comes every ten seconds, on slow machines only."""
RUN = ("bash", "python")


@dataclass(frozen=True)
class Block:
    """A code block of a page."""

    language: str
    text: str
    line: int
    """Line of the page, from 1, where its code begins."""
    title: str = ""
    reason: str = ""
    """Why it does not run; empty where it does."""
    follows: bool = False
    """True when nothing but blank lines is between it and the block before."""


def read_blocks(page: str) -> list[Block]:
    """Give the code blocks of a page's text."""
    blocks, end = [], -1
    for match in _FENCE.finditer(page):
        line = page[: match.start("text")].count("\n") + 1
        follows = end >= 0 and not page[end : match.start()].strip()
        end = match.end()
        said = (match["language"] or "", match["text"], line, match["title"] or "", match["reason"] or "")
        blocks.append(Block(*said, follows))
    return blocks


def run_blocks(blocks: list[Block]) -> None:
    """Run the blocks of a page; the first that fails, or prints something else, raises."""
    names: dict[str, Any] = {"__name__": "__main__"}
    before, printed = None, ""
    for block in blocks:
        if block.reason:
            before = None
        elif block.title:
            Path(block.title).write_text(block.text, encoding="utf-8")
        elif block.language in RUN:
            printed = _run_bash(block) if block.language == "bash" else _run_python(block, names)
            before = block
            continue
        elif block.language == "text" and block.follows and before is not None:
            compare(printed, block.text, f"line {block.line}")
        before = None


def _run_bash(block: Block) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},  # else errors come before what was printed earlier
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"line {block.line}: exits with {done.returncode}\n{block.text}\n{done.stdout}")
    return done.stdout


def _run_python(block: Block, names: dict[str, Any]) -> str:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (block.line - 1) + block.text, "page", "exec"), names)
    except Exception as error:
        raise AssertionError(f"line {block.line}: {traceback.format_exc()}") from error
    return printed.getvalue()


def compare(printed: str, said: str, where: str) -> None:
    """Look whether what was printed is what the page says."""
    lines = [" ".join(each.split()) for each in printed.splitlines() if each.strip()]
    lines = [each for each in lines if not _PROGRESS.fullmatch(each)]
    at, free = 0, False
    for line in (" ".join(each.split()) for each in said.splitlines() if each.strip()):
        if line == "…":
            free = True
            continue
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        while free and at < len(lines) and not pattern.fullmatch(lines[at]):
            at += 1
        if at == len(lines) or not pattern.fullmatch(lines[at]):
            raise AssertionError(f"{where}: the page says {line!r}, what was printed is\n{printed}")
        at, free = at + 1, False
    if at < len(lines) and not free:
        raise AssertionError(f"{where}: more is printed: {lines[at]!r}")


if __name__ == "__main__":
    sys.path.insert(0, "")  # as in a notebook, modules of the working folder can be imported
    run_blocks(read_blocks(Path(sys.argv[1]).read_text(encoding="utf-8")))
