"""A certificate that a server's parts show one another over mutual TLS, and that nobody else has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pentad_services._credentials import write_private

__all__ = ["write_certificate"]

_VALID = timedelta(days=3650)  # a fresh one is made at every start


def write_certificate(certificate: Path, key: Path) -> None:
    """Write a fresh key and a certificate signed with it, both as PEM; it is its own authority."""
    private = ec.generate_private_key(ec.SECP256R1())
    write_private(certificate, _signed_by_itself(private).public_bytes(Encoding.PEM).decode())
    write_private(key, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _signed_by_itself(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pentad-services")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # for a clock that is set back while the server runs
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
