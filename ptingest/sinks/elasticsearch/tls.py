"""TLS trust for a cluster: authority file or pinned fingerprint.

``ca_file`` names the authority. ``fingerprint`` names one certificate of the chain that
the host shows, the authority's or the node's own: it is fetched once without trust,
compared, and then trusted as the only anchor, so every later handshake is checked in
full; only the node's own certificate stands for its name as well. Blocking; call it in a
thread.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from ptingest.errors import SinkUnavailable, TlsUnusable
from ptingest.settings.pem import load_pair, trusting_context
from ptingest.settings.sinks import ClusterSettings
from ptingest.sinks.elasticsearch.dialect import Dialect, dialect_of

FETCH_SECONDS = 10.0


def tls_context(settings: ClusterSettings, urls: Sequence[str]) -> ssl.SSLContext | None:
    """Return the context for all hosts, or None when none of them is https.

    Raises:
        SinkUnavailable: a file cannot be used (it is named, with the reason), or no host
            shows a certificate with the ``fingerprint``; try again later.
    """
    secure = [url for url in urls if url.startswith("https://")]
    if not secure:
        return None
    dialect = dialect_of(settings)
    try:
        if settings.fingerprint is not None:
            context = _pinned_context(secure, settings.fingerprint, dialect)
        elif settings.ca_file is not None:
            context = trusting_context(settings.ca_file, f"{dialect.place}.ca_file")
        else:
            context = ssl.create_default_context()
        if settings.certificate is not None:
            place, password = dialect.place, settings.key_password
            load_pair(context, settings.certificate, settings.key, password, place)
    except TlsUnusable as error:
        raise SinkUnavailable(sink=dialect.name, cause=str(error)) from error
    return context


def _pinned_context(urls: Sequence[str], fingerprint: str, dialect: Dialect) -> ssl.SSLContext:
    wanted = fingerprint.replace(":", "").lower()
    seen: list[str] = []
    for url in urls:
        try:
            chain = _shown_chain(url)
        except OSError as error:
            seen.append(f"{url}: {error}")
            continue
        for place, certificate in enumerate(chain):
            if hashlib.sha256(certificate).hexdigest() == wanted:
                return _trusting(certificate, is_node=place == 0)
        shown = ", ".join(hashlib.sha256(certificate).hexdigest() for certificate in chain)
        seen.append(f"{url} shows {shown}")
    raise SinkUnavailable(
        sink=dialect.name,
        cause=f"no certificate with {dialect.place}.fingerprint {fingerprint}: {'; '.join(seen)}",
    )


def _shown_chain(url: str) -> list[bytes]:
    """Return the certificates a host shows, in DER, its own first; nothing is verified."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 443)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(address, timeout=FETCH_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=address[0]) as secure,
    ):
        if sys.version_info >= (3, 13):
            return list(secure.get_unverified_chain())
        # Before Python 3.13 the chain is public nowhere; only the first certificate is.
        session = secure._sslobj  # type: ignore[attr-defined]
        return [
            ssl.PEM_cert_to_DER_cert(certificate.public_bytes())
            for certificate in session.get_unverified_chain() or ()
        ]


def _trusting(certificate: bytes, *, is_node: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # A certificate that is not an authority may be the anchor too (a node's own).
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # A node's own is known to the bit, and a host that shows it has its key: its name need
    # not match. An authority signs for many, so the name says which of them we mean.
    context.check_hostname = not is_node
    context.load_verify_locations(cadata=certificate)
    return context
