"""The few pages that the door itself shows."""

from __future__ import annotations

import base64
import hashlib
import html
from http import HTTPStatus

_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}"
_SCRIPT = (
    "const code=location.hash.slice(1);history.replaceState(null,'',location.pathname);"
    "if(code){document.querySelector('input').value=code;document.querySelector('form').submit()}"
)
_FORM = (
    '<form method="post"><label>Code: <input name="code" type="password" autocomplete="off"></label> '
    f"<button>Open</button></form><script>{_SCRIPT}</script>"
)
_HASH = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()


def answer(status: int, body: str, *headers: str) -> bytes:
    """Write an answer of the door: one page, after which the connection ends."""
    content = body.encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(content)}", "Connection: close", "Cache-Control: no-store",
        "Referrer-Policy: same-origin", "X-Content-Type-Options: nosniff",
        f"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{_HASH}'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'", *headers,
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def entrance(title: str) -> str:
    """Write the page that exchanges the code of the address for a cookie."""
    return page(title, f"<p>Opening {html.escape(title)}.</p>{_FORM}")


def note(title: str, *sentences: str) -> str:
    """Write a page of some sentences."""
    return page(title, "".join(f"<p>{html.escape(each)}</p>" for each in sentences))


def page(title: str, body: str) -> str:
    """Write a page."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style><body>{body}"
    )
