"""Who a certificate says a Beat is, and what that lets it do."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ptingest.model.origin import MaySend
from ptingest.settings.tls import BeatsTlsSettings
from ptingest.sources.beats.client_certificates import (
    CertificateRules,
    ClientCertificate,
    ClientIdentity,
    read_certificate,
)

FIELDS = {
    "subject": (
        (("countryName", "DE"),),
        (("organizationName", "Parcels"),),
        (("commonName", "Web 1"),),
        (("emailAddress", "ops@example.org"),),
    ),
    "subjectAltName": (
        ("DNS", "WEB-1.example.org"),
        ("IP Address", "192.0.2.7"),
        ("URI", "spiffe://example.org/web"),
        ("DirName", ((("commonName", "x"),),)),
    ),
}
ENCODED = b"the certificate"
DIGEST = hashlib.sha256(ENCODED).hexdigest()


def clients(**tls: Any) -> CertificateRules:
    given = {"certificate": "c", "client_ca": "a", "client_auth": "required", **tls}
    return CertificateRules(BeatsTlsSettings.model_validate(given))


def web() -> ClientCertificate:
    return read_certificate(FIELDS, ENCODED)


def test_the_subject_reads_as_openssl_prints_it() -> None:
    assert web().subject == "emailAddress=ops@example.org,CN=Web 1,O=Parcels,C=DE"


def test_every_san_the_cn_and_the_fingerprint_are_names() -> None:
    assert web().names == {
        "web-1.example.org",
        "192.0.2.7",
        "spiffe://example.org/web",
        "web 1",
        DIGEST,
    }


def test_a_certificate_without_names_has_its_fingerprint() -> None:
    assert read_certificate({}, ENCODED) == ClientCertificate("", frozenset({DIGEST}))


def test_where_nobody_is_named_everybody_may_send_everything() -> None:
    assert clients().identity_of(web()) == ClientIdentity(is_allowed=True, subject=web().subject)
    assert clients().identity_of(None) == ClientIdentity(is_allowed=True)


@pytest.mark.parametrize(
    ("entry", "is_allowed"),
    [
        ("web-1.example.org", True),
        ("Web-1.Example.ORG", True),
        ("web 1", True),
        ("192.0.2.7", True),
        (DIGEST, True),
        (":".join(DIGEST[at : at + 2] for at in range(0, 64, 2)).upper(), True),
        ("web-2.example.org", False),
        ("example.org", False),
        ("*.example.org", False),
        ("Parcels", False),
        (DIGEST[:-1] + "x", False),
    ],
)
def test_a_name_in_the_list_lets_in_and_any_other_does_not(entry: str, is_allowed: bool) -> None:
    assert clients(allow=[entry]).identity_of(web()).is_allowed is is_allowed


def test_a_named_sender_gets_in_and_is_limited() -> None:
    listed = clients(senders={"web 1": {"services": ["nginx"]}}, allow=["other"])

    assert listed.identity_of(web()).may_send == (MaySend(services=frozenset({"nginx"})),)
    assert listed.identity_of(None) == ClientIdentity(is_allowed=False)
    assert not listed.identity_of(read_certificate({}, b"another")).is_allowed


def test_who_stands_in_both_lists_by_two_names_stays_limited() -> None:
    listed = clients(senders={"web 1": {"groups": ["pt"]}}, allow=[DIGEST])

    assert listed.identity_of(web()).may_send == (MaySend(groups=frozenset({"pt"})),)
