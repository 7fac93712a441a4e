"""Certificates made while a test runs, written where settings can name them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import trustme


class Pair(NamedTuple):
    """One certificate on disk, with its key."""

    certificate: str
    key: str
    leaf: trustme.LeafCert

    @property
    def encoded(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.leaf.cert_chain_pems[0].bytes().decode())


class Authority:
    """A certificate authority, and what it signs."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.file = str(folder / f"{name}.pem")
        self.ca.cert_pem.write_to_path(self.file)

    def issue(
        self,
        *names: str,
        file: str,
        common_name: str | None = None,
        expires: datetime | None = None,
        begins: datetime | None = None,
        key_type: trustme.KeyType = trustme.KeyType.ECDSA,
    ) -> Pair:
        """Sign a certificate and write ``file``.pem and ``file``.key, replacing what is there."""
        leaf = self.ca.issue_cert(
            *names,
            common_name=common_name,
            not_after=expires,
            not_before=begins or datetime(2000, 1, 1, tzinfo=UTC),
            key_type=key_type,
        )
        certificate, key = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        certificate.write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
        key.write_bytes(leaf.private_key_pem.bytes())
        return Pair(str(certificate), str(key), leaf)

    def server(self, file: str = "server") -> Pair:
        return self.issue("127.0.0.1", "localhost", file=file)

    def client_context(self, pair: Pair | None = None) -> ssl.SSLContext:
        """What a Beat speaks that trusts this authority and shows ``pair``."""
        context = ssl.create_default_context(cafile=self.file)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context


def tls_settings(pair: Pair, **more: Any) -> dict[str, Any]:
    """The ``tls`` section that shows ``pair``."""
    return {"certificate": pair.certificate, "key": pair.key, **more}
