"""Certificates that are made for one cluster only: who has them is let in, and nobody else."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CERTIFICATE, KEY = "certificate.pem", "key.pem"
_SKEW = dt.timedelta(days=1)
_VALID = dt.timedelta(days=60)
"""No cluster lives longer: its scheduler is a job."""


def make_certificate() -> dict[str, bytes]:
    """Make a key and a certificate that signs itself; files by name.

    Returns
    -------
    dict of str to bytes
        For scheduler, workers and clients alike. `distributed.Security.temporary` makes such, valid from this
        very second on: a node whose clock is slow would refuse it, so this one is valid since yesterday.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "swath-cluster")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("swath-cluster")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return {
        CERTIFICATE: certificate.public_bytes(serialization.Encoding.PEM),
        KEY: key.private_bytes(serialization.Encoding.PEM, form, plain),
    }


def read_security(folder: Path) -> Any:
    """Give the `distributed.Security` of a cluster whose certificate lies in a folder."""
    from distributed.security import Security

    files: dict[str, str] = {"tls_ca_file": str(folder / CERTIFICATE)}
    for role in ("scheduler", "worker", "client"):
        files |= {f"tls_{role}_cert": str(folder / CERTIFICATE), f"tls_{role}_key": str(folder / KEY)}
    return Security(require_encryption=True, **files)
