"""TLS of the gateway's ports: the certificate, given or made at start, and the SSL context.

Owns both. Must never decide which client trusts the certificate.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from .errors import StartupError

LIFETIME: Final = timedelta(days=30)


class TlsError(StartupError):
    """The certificate can't be used or made; the message says what to do."""


def server_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """The context of a server. Without ``key``, the certificate's file has it too.

    Raises:
        TlsError: The files can't be read, or don't belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = certificate if key is None else f"{certificate} and {key}"
        raise TlsError(f"{files} can't be used for TLS: {error}") from error
    return context


def write_certificate(path: Path, hosts: Iterable[str]) -> None:
    """Write a new self-signed certificate for ``hosts``, and its key, to ``path``.

    Raises:
        TlsError: cryptography is not installed.
    """
    try:
        from cryptography import x509  # noqa: PLC0415 - only --tls needs it
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    except ImportError as error:
        raise TlsError(
            "Making a certificate needs the package cryptography: pip install"
            " 'chalice-gateway[tls]', or give one with --tls-certificate and --tls-key."
        ) from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "API Gateway emulator")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    alternatives: list[x509.GeneralName] = []
    for host in dict.fromkeys(hosts):
        alternatives.append(x509.DNSName(host))
        with suppress(ValueError):
            alternatives[-1] = x509.IPAddress(ip_address(host))
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True
        )
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
