"""Real servers on loopback ports for the tests of stores: SeaweedFS, rclone's WebDAV, Apache, nginx."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from slurm.machine import TestbedError, install_packages

from swath.config import StoreSettings
from swath.storage import make_store, parse_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swath.storage import ObjectStore

BIN = Path(sys.executable).parent
PATIENCE_S = 60.0
KEY, SECRET = "alice-key", "alice-secret"
READ_KEY, READ_SECRET = "reader-key", "reader-secret"
WRITE_KEY, WRITE_SECRET = "writer-key", "writer-secret"
USER, PASSWORD = "alice", "pass word"
BUCKET = "eo-data"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    """Where it listens."""
    folder: Path
    """Where it keeps files."""
    pid: int = 0
    """Its process, for who stops it for a while."""


def free_ports(count: int, *, also: int = 0) -> list[int]:
    """Find ports that nobody listens on; with ``also``, the port that much higher is free too."""
    found: list[int] = []
    with contextlib.ExitStack() as held:
        while len(found) < count:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            if port + also > 65535 or port in found:
                continue
            sockets = [held.enter_context(socket.socket()) for _ in range(2 if also else 1)]
            try:
                for each, number in zip(sockets, (port, port + also), strict=False):
                    each.bind(("127.0.0.1", number))
            except OSError:
                continue
            found.append(port)
    return found


@contextlib.contextmanager
def running(
    words: list[str], log: Path, ready: Callable[[], bool], **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; waits until it is ready."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **environ}
        )
    try:
        end = time.monotonic() + PATIENCE_S
        while not ready():
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{words[0]} does not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:  # SeaweedFS takes long to part; nobody reads its files again
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str, *statuses: int, **more: object) -> bool:
    """Tell whether a server answers with one of some statuses."""
    try:
        return requests.get(url, timeout=5, **more).status_code in (statuses or (200,))  # type: ignore[arg-type]
    except requests.RequestException:
        return False


@contextlib.contextmanager
def seaweedfs(folder: Path, *, volumes: int = 50) -> Iterator[Server]:
    """Run SeaweedFS with a bucket ``eo-data``; alice may do all, the reader may read it.

    A volume is half a GB, and never quite full.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    identities = [
        {
            "name": "alice",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READ_KEY, "secretKey": READ_SECRET}],
            "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
        },
        {  # no administrator: buckets are not made for this one
            "name": "writer",
            "credentials": [{"accessKey": WRITE_KEY, "secretKey": WRITE_SECRET}],
            "actions": ["Read", "Write", "List"],
        },
    ]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": identities}), encoding="utf-8")
    master, volume, filer, s3, metrics = free_ports(5, also=10000)
    words = [str(BIN / "weed"), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    words += ["-master.telemetry=false", f"-master.port={master}", "-master.volumeSizeLimitMB=512"]
    words += [f"-volume.port={volume}", f"-volume.max={volumes}", "-filer", f"-filer.port={filer}"]
    words += [
        "-s3",
        f"-s3.port={s3}",
        f"-s3.config={config}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-metricsPort={metrics}",
    ]
    url = f"http://127.0.0.1:{s3}"

    def has_bucket() -> bool:
        import obstore
        from obstore.store import S3Store

        try:
            bucket = S3Store(
                BUCKET,
                endpoint=url,
                region="us-east-1",
                access_key_id=KEY,
                secret_access_key=SECRET,
                client_options={"allow_http": True},
                retry_config={"max_retries": 0},
            )
            obstore.put(bucket, "made", b"")  # the bucket is made by the first object, for an administrator
            obstore.delete(bucket, "made")
        except (obstore.exceptions.BaseError, OSError):
            return False
        return True

    with running(words, folder / "weed.log", has_bucket):
        yield Server(url, data)


@contextlib.contextmanager
def rclone_webdav(folder: Path, *more: str, host: str = "127.0.0.1") -> Iterator[Server]:
    """Run rclone as a WebDAV server, in a folder that it makes."""
    data = folder / "data"
    data.mkdir(parents=True)
    with rclone_on(data, *more, host=host) as server:
        yield server


@contextlib.contextmanager
def rclone_on(
    data: Path, *more: str, host: str = "127.0.0.1", port: int = 0, password: str = PASSWORD
) -> Iterator[Server]:
    """Run rclone as a WebDAV server over a folder that is there."""
    port = port or free_ports(1)[0]
    words = [str(BIN / "rclone"), "serve", "webdav", str(data), "--addr", f"{host}:{port}"]
    words += ["--user", USER, "--pass", password, "--config", str(data.parent / "none.conf"), *more]
    url = f"http://{host}:{port}"
    ready = lambda: answers(url, auth=(USER, password))  # noqa: E731
    with running(words, data.parent / "rclone.log", ready) as process:
        yield Server(url, data, process.pid)


def installed(program: str, package: str) -> str:
    """Give the path of a program of Debian, installed when that is allowed; skips where it is not."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    if not shutil.which(program, path=places):
        if os.geteuid() or not shutil.which("apt-get"):
            pytest.skip(f"needs {program} (Debian: {package})")
        try:
            install_packages((package,))
        except TestbedError as error:
            pytest.skip(f"needs {program}, and {package} cannot be installed ({error})")
    return str(shutil.which(program, path=places))


NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}{ssl}; root {folder}/data; {certificate} }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path, *, certificate: Path | None = None) -> Iterator[Server]:
    """Run nginx over a folder of files, behind a certificate (a file with its key too) if there is one."""
    program = installed("nginx", "nginx-light")
    (folder / "data").mkdir(parents=True)
    (port,) = free_ports(1)
    config = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    tls = f"ssl_certificate {certificate}; ssl_certificate_key {certificate};" if certificate else ""
    ssl = " ssl" if certificate else ""
    config.write_text(user + NGINX.format(folder=folder, port=port, ssl=ssl, certificate=tls))
    words = [program, "-e", str(folder / "error.log"), "-c", str(config), "-p", str(folder)]
    url = f"http{'s' if certificate else ''}://127.0.0.1:{port}"
    with running(words, folder / "nginx.log", lambda: listens(port)):
        yield Server(url, folder / "data")


APACHE = """
ServerRoot {folder}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
ServerName 127.0.0.1
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authn_file_module {modules}/mod_authn_file.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_basic_module {modules}/mod_auth_basic.so
LoadModule dav_module {modules}/mod_dav.so
LoadModule dav_fs_module {modules}/mod_dav_fs.so
{user}
DavLockDB {folder}/locks
DocumentRoot {folder}/data
AllowEncodedSlashes NoDecode
<Directory {folder}/data>
  Dav On
  DavDepthInfinity Off
  AuthType Basic
  AuthName files
  AuthUserFile {folder}/users
  Require valid-user
</Directory>
"""


@contextlib.contextmanager
def apache_webdav() -> Iterator[Server]:
    """Run Apache with mod_dav over a folder of files, where it sees it though it is not root."""
    program = installed("apache2", "apache2-bin")
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="swath-apache-", dir="/var/tmp") as made:
        folder = Path(made)
        (folder / "data").mkdir()
        digest = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
        (folder / "users").write_text(f"{USER}:{{SHA}}{digest}\n")
        user = ""
        if os.geteuid() == 0:
            user = "User www-data\nGroup www-data"
            for each in (folder, folder / "data"):
                shutil.chown(each, "www-data", "www-data")
        config = folder / "apache.conf"
        config.write_text(
            APACHE.format(folder=folder, port=port, modules="/usr/lib/apache2/modules", user=user)
        )
        url = f"http://127.0.0.1:{port}"
        words = [program, "-f", str(config), "-DFOREGROUND"]
        with running(words, folder / "apache.log", lambda: answers(url, 200, 401, 403, 404)):
            yield Server(url, folder / "data")


def open_settings(settings: StoreSettings, name: str = "mine") -> ObjectStore:
    """Open a store of its settings."""
    return make_store(name, parse_root(settings.url), settings)


def s3_settings(server: Server, prefix: str = "", **more: object) -> StoreSettings:
    """Describe a prefix of the bucket, as alice."""
    told = {"url": f"s3://{BUCKET}/{prefix}", "endpoint": server.url, "key": KEY, "secret": SECRET}
    return StoreSettings.model_validate(told | more)


def webdav_settings(server: Server, prefix: str = "", **more: object) -> StoreSettings:
    """Describe a folder of a WebDAV server, as alice."""
    url = server.url.replace("http:", "dav:") + f"/{prefix}"
    return StoreSettings.model_validate({"url": url, "user": USER, "password": PASSWORD} | more)
