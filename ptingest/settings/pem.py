"""PEM files that settings name: loaded into a context, or reported when they cannot be used.

OpenSSL says "PEM lib" for nearly every fault; here each file is named with what is wrong with
it and the cure. Nothing asks a terminal for a password.
"""

from __future__ import annotations

import base64
import re
import ssl
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from ptingest.errors import TlsUnusable
from ptingest.settings.x509 import read_facts

_CERTIFICATE = re.compile(
    rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END "
)


class CertificateFile(NamedTuple):
    """One certificate, of ours or of an authority."""

    setting: str
    path: str
    subject: str
    begins: float
    """Seconds since the epoch, as ``expires``."""
    expires: float


def read_certificate(path: str, setting: str) -> CertificateFile:
    """The first certificate of a PEM file; TlsUnusable where there is none."""
    _require_readable(path, setting)
    try:
        return _described(setting, path, first_certificate(Path(path).read_bytes()))
    except ValueError as error:
        raise TlsUnusable(
            setting=setting,
            file=path,
            seen="holds no certificate in PEM",
            cure="give a file that begins with BEGIN CERTIFICATE (convert DER or PKCS#12 by "
            "`openssl x509` or `openssl pkcs12`)",
        ) from error


def first_certificate(pem: bytes) -> bytes:
    """Return the first certificate of a PEM text in DER; ValueError where there is none."""
    found = _CERTIFICATE.search(pem)
    if found is None:
        raise ValueError("no certificate")
    return base64.b64decode(found.group(1))


def read_authority(path: str, setting: str) -> CertificateFile:
    """Of the authorities in a PEM file the one that expires first; TlsUnusable without any."""
    first = read_certificate(path, setting)
    found = trusting_context(path, setting).get_ca_certs(binary_form=True)
    return min(
        (_described(setting, path, der) for der in found),
        key=lambda file: file.expires,
        default=first,
    )


def _described(setting: str, path: str, der: bytes) -> CertificateFile:
    return CertificateFile(setting, path, *read_facts(der))


def load_authority(context: ssl.SSLContext, path: str, setting: str) -> None:
    """Trust the certificates in a PEM file; TlsUnusable when it holds none."""
    _require_readable(path, setting)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        raise TlsUnusable(
            setting=setting,
            file=path,
            seen="holds no certificate in PEM",
            cure="give the file with the authority's certificate (BEGIN CERTIFICATE)",
        ) from error


def trusting_context(path: str, setting: str) -> ssl.SSLContext:
    """A client's context that trusts the certificates in a PEM file, and no others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load_authority(context, path, setting)
    return context


def load_pair(
    context: ssl.SSLContext,
    certificate: str,
    key: str | None,
    password: SecretStr | None,
    place: str,
) -> None:
    """Present a certificate with its key; TlsUnusable names the file that cannot be used.

    ``place`` is the section of the config with certificate, key and key_password.
    """
    read_certificate(certificate, f"{place}.certificate")
    _require_readable(key or certificate, f"{place}.{'key' if key else 'certificate'}")
    was_asked = False

    def answer() -> str:
        nonlocal was_asked
        was_asked = True
        return "" if password is None else password.get_secret_value()

    try:
        context.load_cert_chain(certificate, key, password=answer)
    except ssl.SSLError as error:
        if was_asked and password is None:
            why = "is encrypted", f"give {place}.key_password"
        elif was_asked:
            why = f"is not opened by {place}.key_password", "correct one of the two"
        else:
            why = _misfit(error, certificate, key, place)
        raise TlsUnusable(
            setting=f"{place}.{'key' if key else 'certificate'}",
            file=key or certificate,
            seen=why[0],
            cure=why[1],
        ) from error


def _misfit(error: ssl.SSLError, certificate: str, key: str | None, place: str) -> tuple[str, str]:
    """What is wrong with a key that is not encrypted, and the cure."""
    if error.reason == "KEY_VALUES_MISMATCH" or "key values mismatch" in str(error):
        return (
            f"does not belong to the certificate in {certificate}",
            "give the key that the certificate was made with (the first one, in a chain)",
        )
    if key is None:
        return "holds no private key", f"give {place}.key, or put the key into this file"
    return (
        "holds no private key in PEM that OpenSSL can read",
        "give PKCS#8, PKCS#1 or EC in PEM (BEGIN PRIVATE KEY or the like)",
    )


def _require_readable(path: str, setting: str) -> None:
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        raise TlsUnusable(
            setting=setting,
            file=path,
            seen=f"cannot be read: {error.strerror}",
            cure="correct the path, or give this user the right to read it",
        ) from error
