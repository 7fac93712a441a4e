"""PEM files: every form of key that OpenSSL reads, and the message for one that cannot be used."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from ptingest.errors import TlsUnusable
from ptingest.settings.pem import load_pair, read_authority, read_certificate, trusting_context
from tests.fakes.authority import Authority, Pair

PASSWORD = SecretStr("geheim")


def load(certificate: str, key: str | None, password: SecretStr | None = None) -> None:
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key, password, "beats.tls")


def rewrite(pair: Pair, form: PrivateFormat, password: str | None) -> None:
    path = Path(pair.key)
    key = load_pem_private_key(path.read_bytes(), None)
    how = NoEncryption() if password is None else BestAvailableEncryption(password.encode())
    path.write_bytes(key.private_bytes(Encoding.PEM, form, how))


@pytest.mark.parametrize("password", [None, "geheim"], ids=["open", "encrypted"])
@pytest.mark.parametrize(
    "form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["PKCS#8", "traditional"]
)
@pytest.mark.parametrize("kind", list(trustme.KeyType), ids=lambda kind: str(kind.name))
def test_every_form_of_key_is_read(
    authority: Authority, kind: trustme.KeyType, form: PrivateFormat, password: str | None
) -> None:
    pair = authority.issue("localhost", file="server", key_type=kind)
    rewrite(pair, form, password)

    load(pair.certificate, pair.key, SecretStr(password) if password else None)


@pytest.mark.parametrize("key_first", [True, False])
def test_key_and_certificate_may_share_a_file(
    authority: Authority, tmp_path: Path, key_first: bool
) -> None:
    pair = authority.server()
    parts = [Path(pair.key).read_bytes(), Path(pair.certificate).read_bytes()]
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(parts if key_first else parts[::-1]))

    load(str(both), None)


def test_a_key_of_another_certificate_is_named(authority: Authority) -> None:
    pair, other = authority.server(), authority.server("other")

    with pytest.raises(TlsUnusable) as raised:
        load(pair.certificate, other.key)

    assert str(raised.value).startswith(f"beats.tls.key: {other.key} does not belong to ")
    assert pair.certificate in str(raised.value)


@pytest.mark.parametrize(
    ("password", "said"),
    [(None, "is encrypted; give beats.tls.key_password"), ("other", "is not opened by")],
    ids=["none given", "another one"],
)
def test_an_encrypted_key_without_its_password_is_named(
    authority: Authority, password: str | None, said: str
) -> None:
    pair = authority.server()
    rewrite(pair, PrivateFormat.PKCS8, "geheim")

    with pytest.raises(TlsUnusable, match=said) as raised:
        load(pair.certificate, pair.key, SecretStr(password) if password else None)

    assert "other" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "holds no certificate in PEM"),
        (b"\x30\x82 DER", "holds no certificate in PEM"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no certificate"),
    ],
    ids=["missing", "empty", "DER", "broken"],
)
def test_a_file_without_a_certificate_is_named(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "server.pem"
    if content is not None:
        path.write_bytes(content)

    for read in (read_certificate, trusting_context):
        with pytest.raises(TlsUnusable, match=said) as raised:
            read(str(path), "beats.tls.certificate")
        assert raised.value.file == str(path)


def test_a_file_without_a_key_is_named(authority: Authority) -> None:
    pair = authority.server()

    with pytest.raises(TlsUnusable, match=r"holds no private key; give beats\.tls\.key"):
        load(pair.certificate, None)
    with pytest.raises(TlsUnusable, match=r"beats\.tls\.key: .*no private key in PEM"):
        load(pair.certificate, pair.certificate)


def test_the_time_of_a_certificate_is_read(authority: Authority) -> None:
    file = read_certificate(authority.server().certificate, "beats.tls.certificate")

    assert file.begins < file.expires
    assert file.setting == "beats.tls.certificate"
    assert "Testing cert" in file.subject


def authority_until(end: datetime) -> bytes:
    """A certificate authority that expires when it should, as PEM."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=datetime(2000, 1, 1, tzinfo=UTC),
        not_valid_after=end,
    ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_authorities_the_first_to_expire_is_told(tmp_path: Path, order: int) -> None:
    ends = [datetime(year, 1, 1, tzinfo=UTC) for year in (2040, 2031, 2050)][::order]
    path = tmp_path / "clients.pem"
    path.write_bytes(b"".join(map(authority_until, ends)))

    file = read_authority(str(path), "beats.tls.client_ca")

    assert file.expires == datetime(2031, 1, 1, tzinfo=UTC).timestamp()
