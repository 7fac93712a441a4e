"""What a Beat's certificate says of it, and whether it may come in with that.

Pure: values in, values out. The handshake has proved by then that the certificate is one of
``client_ca``'s and within its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from ptingest.model.origin import MaySend
from ptingest.settings.tls import BeatsTlsSettings, certificate_name

# As openssl and Beats print them; other parts of a name keep their long name.
_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}


class ClientCertificate(NamedTuple):
    """The certificate a Beat showed."""

    subject: str
    """``CN=web-1,O=Parcels``."""
    names: frozenset[str]
    """Every SAN, every CN and the fingerprint, as ``certificate_name`` writes them."""


class ClientIdentity(NamedTuple):
    """The answer about one Beat."""

    is_allowed: bool
    subject: str | None = None
    may_send: tuple[MaySend, ...] | None = None
    """None means everything."""


def read_certificate(fields: Mapping[str, Any], encoded: bytes) -> ClientCertificate:
    """Read what ``SSLObject.getpeercert`` gives, as fields and as DER."""
    parts = [part for group in fields.get("subject", ()) for part in group]
    subject = ",".join(f"{_SHORT.get(name, name)}={value}" for name, value in reversed(parts))
    names = {value for name, value in parts if name == "commonName"}
    names |= {value for _, value in fields.get("subjectAltName", ()) if isinstance(value, str)}
    names.add(sha256(encoded).hexdigest())
    return ClientCertificate(subject, frozenset(map(certificate_name, names)))


class CertificateRules:
    """``beats.tls.allow`` and ``beats.tls.senders``, ready to be asked."""

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

    def judge(self, certificate: ClientCertificate | None) -> ClientIdentity:
        """Whether a Beat with this certificate (or none) gets in, and what it may send.

        A certificate that fits both lists by different names stays limited.
        """
        if certificate is None:
            return ClientIdentity(self._is_open)
        names = certificate.names
        limits = tuple(self._limited[name] for name in sorted(names & self._limited.keys()))
        is_allowed = self._is_open or bool(limits) or bool(names & self._everything)
        return ClientIdentity(is_allowed, certificate.subject, limits or None)
