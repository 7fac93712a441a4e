"""Subject and validity are those that a full X.509 library reads."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.settings.x509 import read_facts

KEY = ec.generate_private_key(ec.SECP256R1())
BEGINS = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)


def certificate(
    *names: tuple[x509.ObjectIdentifier, str],
    begins: datetime = BEGINS,
    expires: datetime = BEGINS + timedelta(days=1),
) -> bytes:
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in names])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(7)
        .not_valid_before(begins)
        .not_valid_after(expires)
        .sign(KEY, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


WHOLE = certificate((NameOID.COMMON_NAME, "beat-1"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=40), max_size=4))
def test_the_subject_is_all_its_texts(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    names = [(NameOID.ORGANIZATION_NAME, text) for text in texts]

    assert read_facts(certificate(*names)).subject == ",".join(texts)


@pytest.mark.parametrize("year", [1951, 1999, 2000, 2049, 2050, 2200])
def test_times_are_read_in_both_of_their_forms(year: int) -> None:
    begins = datetime(year, 1, 31, 23, 59, 58, tzinfo=UTC)
    facts = read_facts(certificate(begins=begins, expires=begins + timedelta(days=400)))

    assert facts.begins == begins.timestamp()
    assert facts.expires - facts.begins == 400 * 86_400


def test_a_part_of_a_certificate_is_refused() -> None:
    for end in range(len(WHOLE)):
        with pytest.raises(ValueError, match=r"."):
            read_facts(WHOLE[:end])


@given(st.binary(max_size=200), st.integers(0, 400))
def test_bytes_that_are_no_certificate_raise_nothing_else(noise: bytes, at: int) -> None:
    with contextlib.suppress(ValueError):
        read_facts(WHOLE[:at] + noise + WHOLE[at + len(noise) :])
