"""Certificates that sign themselves, made for one cluster or one session and known to nobody else."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509


def self_signed(
    name: str, extension: x509.ExtensionType, *, critical: bool, before: dt.timedelta, after: dt.timedelta
) -> tuple[bytes, bytes]:
    """Make a key and a certificate that signs itself.

    Parameters
    ----------
    name : str
        Its common name.
    extension : x509.ExtensionType
        The one extension that it has.
    critical : bool
        True where who does not know the extension has to refuse it.
    before, after : timedelta
        How long it is valid, around now.

    Returns
    -------
    tuple of (bytes, bytes)
        Certificate and key, PEM; the key is not encrypted.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - before)
        .not_valid_after(now + after)
        .add_extension(extension, critical=critical)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return made.public_bytes(pem), key.private_bytes(pem, form, serialization.NoEncryption())
