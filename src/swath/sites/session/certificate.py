"""A certificate of its own for each session, which nobody signs and only the caller's end believes."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from swath.sites.self_signed import self_signed

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
    authority = x509.BasicConstraints(ca=True, path_length=0)
    public, private = self_signed(name[:64], authority, critical=True, before=_BEFORE, after=_AFTER)
    return Certificate(public.decode(), private)


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
