"""What a job takes along to where it runs: which stores its items lie in, and, unseen, who asks there.

``stores.json`` in the job folder tells of the stores, without anything secret. Secrets lie beside it in files
``.secret-NAME.json`` that their owner alone can read. They are written when a job starts, again when they
change while somebody looks at it, and removed at its end; no other file, log or record ever has them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from swath.config import StoreSettings
from swath.jobs.folder import refusals
from swath.model import InputError, NotAllowedError, SiteError
from swath.storage import Root, make_store, parse_root, stores, use_stores, writing
from swath.storage.credentials.kept import format_secret
from swath.storage.s3 import s3_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from swath.jobs.folder import JobFolder
    from swath.sites.slurm import SlurmSite
    from swath.storage import StoreBook
    from swath.storage.credentials import Secret

log = logging.getLogger("swath")
FILE = "stores.json"
_INLINE = {"user": "", "password": "", "token": "", "key": "", "secret": ""}
_FOUND_BY_ALL = ("none", "instance", "command", "token-file", "netrc", "profile", "oidc")
"""Sources that other processes of the same user find on the same machine."""
_taken: list[str] = []


def secret_file(name: str) -> str:
    """Name the file in a job folder that holds the secret of a store."""
    return f".secret-{name}.json"


def carried_files(
    items: Sequence[Mapping[str, Any]], book: StoreBook, *, elsewhere: bool, to: str = ""
) -> dict[str, bytes]:
    """Give the files that a job takes along: their names in the job folder, and what they hold.

    Parameters
    ----------
    items : sequence of mapping
        The pinned items.
    book : StoreBook
        The stores that are known here.
    elsewhere : bool
        True where the job runs on other machines: these find no credentials by themselves.
    to : str
        Address that the results are put into; empty: they stay in the job folder.

    Raises
    ------
    NotAllowedError
        The credentials of a store are not where its settings say.
    """
    told: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for name, (settings, root) in _needed(_hosts(items, book, to), book, elsewhere=elsewhere).items():
        told[name] = settings.model_dump(mode="json", exclude_defaults=True, exclude=set(_INLINE))
        source = settings.credentials.partition(":")[0]
        if elsewhere or source not in _FOUND_BY_ALL:
            secret = _secret_of(name, root, settings)
            if secret is not None:
                files[secret_file(name)] = format_secret(secret)
    if told:
        files[FILE] = (json.dumps(told, indent=2, sort_keys=True) + "\n").encode()
    return files


def _needed(hosts: set[str], book: StoreBook, *, elsewhere: bool) -> dict[str, tuple[StoreSettings, Root]]:
    """Find the stores at some hosts; for other machines also those that have no name."""
    named = {name: (settings, parse_root(settings.url)) for name, settings in book.named.items()}
    found: dict[str, tuple[StoreSettings, Root]] = {}
    for address in hosts:
        with contextlib.suppress(InputError):
            host = parse_root(address)
            here = {
                name: (settings, root)
                for name, (settings, root) in named.items()
                if (root.scheme, root.host) == (host.scheme, host.host)
            }
            if not here and elsewhere:
                here = {
                    f"at-{hashlib.sha256(address.encode()).hexdigest()[:8]}": (_nameless(address, host), host)
                }
            found |= here
    return found


def _hosts(items: Sequence[Mapping[str, Any]], book: StoreBook, to: str) -> set[str]:
    """Give scheme and host of all assets that are somewhere else, and of where results go."""
    hrefs = [str(asset.get("href", "")) for item in items for asset in item.get("assets", {}).values()]
    if to:
        hrefs.append(book.locate(to)[0].root.url)
    return {
        "/".join(href.split("/", 3)[:3]) for href in hrefs if "://" in href and not href.startswith("file:")
    }


def _nameless(address: str, host: Root) -> StoreSettings:
    """Describe what an address and this environment alone say of a store."""
    plain = StoreSettings(url=address)
    return plain.model_copy(update=s3_place(plain, os.environ)) if host.scheme == "s3" else plain


def _secret_of(name: str, root: Root, settings: StoreSettings) -> Secret | None:
    try:
        secret: Secret | None = make_store(name, root, settings).client.secret()  # type: ignore[attr-defined]
    except NotAllowedError:
        if settings.credentials:
            raise
        return None  # there may be some where the job runs
    return secret if secret is not None and (secret.authorization or secret.key) else None


def carry(folder: JobFolder, *, elsewhere: bool, renew: bool = False) -> dict[str, bytes]:
    """Write what a job takes along into its folder.

    Parameters
    ----------
    folder : JobFolder
        The job.
    elsewhere : bool
        True where it runs on other machines.
    renew : bool
        True for a job that runs: only what has changed is written.

    Returns
    -------
    dict of str to bytes
        The files that were written.

    Raises
    ------
    NotAllowedError
        The credentials of a store are not where its settings say.
    """
    if str(folder.path) in _taken:  # this process lives of what was written
        return {}
    if renew and not has_secrets(folder):
        return {}
    files = carried_files(folder.items, stores(), elsewhere=elsewhere, to=folder.job.get("to", ""))
    if renew:
        files = {name: content for name, content in files.items() if not _holds(folder.path / name, content)}
    with refusals(folder.path):
        for name, content in files.items():
            with writing(folder.path / name) as part:
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file_mode(name))
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
    return files


def carry_there(folder: JobFolder, site: SlurmSite, there: str, *, renew: bool = False) -> bool:
    """Write what a job takes along into its folder, and into the one that it has at a site.

    Parameters
    ----------
    folder : JobFolder
        The job.
    site : SlurmSite
        Where it runs.
    there : str
        Its folder there.
    renew : bool
        True for a job that runs: only what has changed is written.

    Returns
    -------
    bool
        True when something was written.
    """
    files = carry(folder, elsewhere=True, renew=renew)
    if site.is_remote:
        for name, content in files.items():
            site.transport.write(f"{there}/{name}", content, mode=file_mode(name))
    return bool(files)


def forget_there(folder: JobFolder, site: SlurmSite, there: str) -> None:
    """Remove the secrets of a job from its folder at a site."""
    if site.is_remote:
        try:
            site.transport.run(("sh", "-c", 'rm -f "$1"/.secret-*', "sh", there))
        except SiteError as error:
            log.warning("job %s: its secrets are still at %s (%s)", folder.job["id"], site.name, error.what)


def _holds(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() == content


def has_secrets(folder: JobFolder) -> bool:
    """Tell whether there are secrets in a job folder."""
    return any(folder.path.glob(secret_file("*")))


def file_mode(name: str) -> int:
    """Give who may read a file that is taken along."""
    return 0o600 if name.startswith(".secret-") else 0o644


def take_stores(folder: JobFolder) -> None:
    """Use the stores that were taken along, in a process that does a job's units and nothing else."""
    try:
        told = json.loads((folder.path / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    named = {}
    for name, each in told.items():
        settings = StoreSettings.model_validate(each)
        secret = folder.path / secret_file(name)
        if secret.exists():
            settings = settings.model_copy(update={"credentials": f"token-file:{secret}"})
        named[name] = settings
    _taken.append(str(folder.path))
    use_stores({**stores().named, **named})


def carried_stores(folder: JobFolder) -> frozenset[str]:
    """Name the stores that a job has taken along."""
    try:
        return frozenset(json.loads((folder.path / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return frozenset()


def forget_secrets(folder: JobFolder) -> None:
    """Remove secrets from a job folder."""
    for each in folder.path.glob(secret_file("*")):
        each.unlink(missing_ok=True)
