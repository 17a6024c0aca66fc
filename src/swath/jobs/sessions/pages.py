"""The few pages that the door itself shows."""

from __future__ import annotations

import base64
import hashlib
import html
from http import HTTPStatus

_STYLE = """
:root{color-scheme:light dark;--ink:#1d2733;--soft:#5b6876;--back:#eef1f5;--card:#fff;
--line:#d9dfe6;--mark:#0b6e8f}
@media(prefers-color-scheme:dark){
:root{--ink:#e6ebf0;--soft:#9aa7b4;--back:#14191f;--card:#1d242c;--line:#323c47;--mark:#5cc3e3}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);
margin:0;padding:12vh 1rem 1rem}
main{max-width:34rem;margin:auto;padding:1.5rem 2rem 1.75rem;background:var(--card);
border:1px solid var(--line);border-top:4px solid var(--mark);border-radius:6px}
header{color:var(--soft);font-size:.875rem}
h1{font-size:1.375rem;line-height:1.3;margin:.25rem 0 .75rem}
p{margin:.75rem 0 0}
pre{font:.9375rem/1.4 ui-monospace,monospace;margin:.5rem 0 0;padding:.6rem .8rem;background:var(--back);
border-radius:4px;white-space:pre-wrap;user-select:all}
input,button{font:inherit;padding:.35rem .6rem;border:1px solid var(--line);border-radius:4px}
button{color:#fff;background:#0b6e8f;border-color:#0b6e8f}
form{margin-top:1rem}
.asks form,.wait form{display:none}.asks form{display:block}
.wait h1::after{content:"";display:inline-block;width:.7em;height:.7em;margin-left:.6em;
border:.14em solid var(--line);border-top-color:var(--mark);border-radius:50%;
animation:turn 1s linear infinite}
@keyframes turn{to{transform:rotate(1turn)}}
""".replace("\n", "")
_SCRIPT = (
    "const code=location.hash.slice(1);history.replaceState(null,'',location.pathname);"
    "if(code){document.querySelector('input').value=code;document.querySelector('form').submit()}"
    "else{document.body.className='asks';"
    "document.querySelector('h1').textContent='This address is not complete'}"
)
_FORM = (
    '<form method="post"><p>Open all of the address that swath has printed, or paste what is behind its #:'
    '<p><input name="code" type="password" autocomplete="off" aria-label="code"> <button>Open</button></form>'
    f"<noscript><style>.wait form{{display:block}}</style></noscript><script>{_SCRIPT}</script>"
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


def entrance(title: str, name: str) -> str:
    """Write the page that exchanges the code of the address for a cookie."""
    return _page(name, f"Opening {title}", _FORM, waits=True)


def note(name: str, heading: str, *sentences: str, command: str = "", waits: bool = False) -> str:
    """Write a page of some sentences.

    Parameters
    ----------
    name : str
        Name of the session.
    heading : str
        What has happened, in some words.
    sentences : str
        What there is to say of it; the last one leads to the command.
    command : str
        What to type in a terminal.
    waits : bool
        True where the page shows that something goes on.
    """
    body = "".join(f"<p>{html.escape(each)}</p>" for each in sentences)
    shown = f"<pre>{html.escape(command)}</pre>" if command else ""
    return _page(name, heading, body + shown, waits=waits)


def _page(name: str, heading: str, body: str, *, waits: bool) -> str:
    head = html.escape(heading)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{head}</title><style>{_STYLE}</style><body class="{"wait" if waits else "note"}"><main>'
        f"<header>swath · {html.escape(name)}</header><h1>{head}</h1>{body}</main>"
    )
