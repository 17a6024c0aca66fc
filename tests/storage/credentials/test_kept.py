"""Secrets that are typed: asked for once, never shown; refused in a sentence where there is no terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest
from slurm.terminal import at_terminal

from swath.storage.credentials import Secret
from swath.storage.credentials.kept import Prompted, format_secret, parse_token

SCRIPT = """
from swath.config import StoreSettings
from swath.storage.credentials import find_credentials
asked = find_credentials("drive", StoreSettings(url="davs://h/x", credentials="prompt"), host="h")
held = asked.secret()
print("length", len(held.password or held.token), asked.secret() == held, asked.renew(held))
"""


def test_a_password_is_typed_once_and_not_shown():
    with at_terminal([sys.executable, "-c", SCRIPT]) as terminal:
        terminal.wait_for("User name at drive")
        terminal.type("me")
        terminal.wait_for("Password at drive: ")
        terminal.type("hush hush")
        shown = terminal.wait_for("length 9 True False")
    assert "hush" not in shown


def test_a_token_is_typed():
    with at_terminal([sys.executable, "-c", SCRIPT]) as terminal:
        terminal.wait_for("User name at drive")
        terminal.type("")
        terminal.wait_for("Token at drive: ")
        terminal.type("MDAx")
        assert "MDAx" not in terminal.wait_for("length 4 True False")


def test_without_a_terminal_it_is_said():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, start_new_session=True,
        timeout=60,
    )  # fmt: skip
    assert "there is no terminal" in done.stderr
    assert "fix: set another source of credentials" in done.stderr


def test_it_is_asked_once_by_many():
    asked = []

    def ask(store):
        asked.append(store)
        return Secret(token="t")

    held = Prompted("drive", ask)
    assert {held.secret().token for _ in range(3)} == {"t"}
    assert asked == ["drive"]


@pytest.mark.parametrize(
    "secret",
    [Secret(user="ü", password='a"b\n'), Secret(token="t"), Secret(key="k", secret="s", session="x")],
)
def test_a_secret_that_is_taken_along_comes_back(secret):
    assert parse_token(format_secret(secret).decode(), "the file") == secret
