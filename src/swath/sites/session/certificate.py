"""A certificate of its own for each session, which nobody signs and only the caller's end believes."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_BEFORE, _AFTER = dt.timedelta(days=2), dt.timedelta(days=400)
"""Clocks differ, and no session lasts longer."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key."""

    public: str
    """The certificate, PEM."""
    private: bytes
    """The key, PEM; never leaves the node."""


def make_certificate(name: str) -> Certificate:
    """Make a certificate for a session.

    Examples
    --------
    >>> make_certificate("jupyterlab-3f9a2c").public.splitlines()[0]
    '-----BEGIN CERTIFICATE-----'
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _AFTER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(made.public_bytes(serialization.Encoding.PEM).decode(), private)


def server_context(certificate: Certificate, folder: Path) -> ssl.SSLContext:
    """Make the node's end of TLS; for a moment its key is in a file, in a closed folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    path = folder / "gate.pem"
    path.touch(mode=0o600, exist_ok=False)
    try:
        path.write_bytes(certificate.private + certificate.public.encode())
        context.load_cert_chain(path)
    finally:
        path.unlink()
    return context


def client_context(certificate: str) -> ssl.SSLContext:
    """Make the caller's end of TLS, which believes one certificate and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate itself is known; its name says nothing
    context.load_verify_locations(cadata=certificate)
    return context
