"""Certificates that are made for one cluster only: who has them is let in, and nobody else."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from swath.sites.self_signed import self_signed

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

    name = "swath-cluster"
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name)])
    certificate, key = self_signed(name, alternatives, critical=False, before=_SKEW, after=_VALID)
    return {CERTIFICATE: certificate, KEY: key}


def read_security(folder: Path) -> Any:
    """Give the `distributed.Security` of a cluster whose certificate lies in a folder."""
    from distributed.security import Security

    files: dict[str, str] = {"tls_ca_file": str(folder / CERTIFICATE)}
    for role in ("scheduler", "worker", "client"):
        files |= {f"tls_{role}_cert": str(folder / CERTIFICATE), f"tls_{role}_key": str(folder / KEY)}
    return Security(require_encryption=True, **files)
