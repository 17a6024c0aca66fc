"""Servers for the tests of stores, one of each for all tests of a worker."""

from __future__ import annotations

import datetime as dt
import ipaddress
import secrets
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from storage.servers import (
    Server,
    apache_webdav,
    nginx,
    open_settings,
    rclone_webdav,
    s3_settings,
    seaweedfs,
)
from tapes import open_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tapes import Archive

    from swath.storage import ObjectStore


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """SeaweedFS with the bucket ``eo-data``."""
    with seaweedfs(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """WebDAV by rclone."""
    with rclone_webdav(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def apache_server() -> Iterator[Server]:
    """WebDAV by Apache."""
    with apache_webdav() as server:
        yield server


@pytest.fixture(scope="session")
def nginx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Plain HTTP by nginx."""
    with nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate authority, and a certificate of it for this machine with its key."""
    folder = tmp_path_factory.mktemp("authority")
    made = {}
    now = dt.datetime.now(dt.UTC)
    for name in ("own authority", "127.0.0.1"):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer, signer = made.get("own authority", (subject, key))
        is_authority = name == "own authority"
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if not is_authority:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))])
            builder = builder.add_extension(names, critical=False)
        made[name] = (subject, key)
        signed = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        if is_authority:
            (folder / "ca.pem").write_bytes(signed)
        else:
            private = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            (folder / "server.pem").write_bytes(signed + private)
    return folder / "ca.pem", folder / "server.pem"


@pytest.fixture
def s3_store(s3_server: Server) -> ObjectStore:
    """An empty prefix of the bucket."""
    return open_settings(s3_settings(s3_server, f"t/{secrets.token_hex(6)}"))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """A dCache with files on tape, of its own for each test."""
    with open_archive(tmp_path) as made:
        yield made
