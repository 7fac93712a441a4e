"""The identity in a Beat's certificate, and whether it is allowed to connect.

Pure: values in, values out. The handshake has already verified that the certificate was issued
by ``client_ca`` and has not expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from ptingest.model.origin import MaySend
from ptingest.settings.tls import BeatsTlsSettings, certificate_name

# Short names as printed by openssl and Beats; other parts of a name keep their long name.
_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}


class ClientCertificate(NamedTuple):
    """The certificate that a Beat presented."""

    subject: str
    """``CN=web-1,O=Parcels``."""
    names: frozenset[str]
    """Every SAN, every CN and the fingerprint, as ``certificate_name`` writes them."""


class ClientIdentity(NamedTuple):
    """What is known of one Beat, and whether it is allowed to connect."""

    is_allowed: bool
    subject: str | None = None
    may_send: tuple[MaySend, ...] | None = None
    """What it may send; None means everything."""


def read_certificate(fields: Mapping[str, Any], encoded: bytes) -> ClientCertificate:
    """Read the results of ``SSLObject.getpeercert``: the fields and the DER encoding."""
    parts = [part for group in fields.get("subject", ()) for part in group]
    subject = ",".join(f"{_SHORT.get(name, name)}={value}" for name, value in reversed(parts))
    names = {value for name, value in parts if name == "commonName"}
    names |= {value for _, value in fields.get("subjectAltName", ()) if isinstance(value, str)}
    names.add(sha256(encoded).hexdigest())
    return ClientCertificate(subject, frozenset(map(certificate_name, names)))


class CertificateRules:
    """The settings ``beats.tls.allow`` and ``beats.tls.senders``, compiled."""

    def __init__(self, settings: BeatsTlsSettings) -> None:
        self._everything = frozenset(settings.allow)
        self._limited = {
            name: MaySend(
                groups=None if sender.groups is None else frozenset(sender.groups),
                services=None if sender.services is None else frozenset(sender.services),
            )
            for name, sender in settings.senders.items()
        }
        self._is_open = not (self._everything or self._limited)

    def identity_of(self, certificate: ClientCertificate | None) -> ClientIdentity:
        """Decide whether a Beat with this certificate (or none) is allowed, and what it may send.

        A certificate that matches both lists by different names is limited.
        """
        if certificate is None:
            return ClientIdentity(self._is_open)
        names = certificate.names
        limits = tuple(self._limited[name] for name in sorted(names & self._limited.keys()))
        is_allowed = self._is_open or bool(limits) or bool(names & self._everything)
        return ClientIdentity(is_allowed, certificate.subject, limits or None)
