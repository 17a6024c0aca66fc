"""Debian's Chromium in the hands of a test, as somebody at the laptop uses it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from slurm.machine import install_packages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

PATIENCE_MS = 90_000
_PROGRAM = "/usr/bin/chromium"
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
)  # fmt: skip


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser; its package is installed where it is missing."""
    from playwright.sync_api import sync_playwright

    install_packages(("chromium", "fonts-dejavu-core"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_PROGRAM, args=_QUIET)
        with contextlib.closing(browser):
            yield browser


def new_page(browser: Browser) -> Page:
    """Open a page in a browser of its own: no cookie of another one is in it."""
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    return page


def history(page: Page) -> list[str]:
    """Give the addresses that the page's back and forward buttons know."""
    session = page.context.new_cdp_session(page)
    return [each["url"] for each in session.send("Page.getNavigationHistory")["entries"]]
