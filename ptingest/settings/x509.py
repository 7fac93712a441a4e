"""Reads subject and validity of an X.509 certificate in DER (RFC 5280, section 4.1).

The `ssl` module describes the certificates of verified peers and of authorities only, not one
in a file. Nothing is verified here: OpenSSL does that when the certificate is used.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

_VERSION, _UTC_TIME, _BMP_STRING = 0xA0, 0x17, 0x1E
"""Tags that need a case of their own: [0], and types of times and texts."""


class CertificateFacts(NamedTuple):
    """What we show of a certificate."""

    subject: str
    begins: float
    """Seconds since the epoch, as ``expires``."""
    expires: float


def read_facts(der: bytes) -> CertificateFacts:
    """Return the facts of one certificate; ValueError where it is none."""
    try:
        _, certificate = _elements(der)[0]  # OpenSSL may append its own trust settings
        _, to_be_signed = _elements(certificate)[0]
        fields = _elements(to_be_signed)
        if fields[0][0] == _VERSION:
            fields = fields[1:]
        _serial, _algorithm, _issuer, (_, validity), (_, subject) = fields[:5]
        begins, expires = [_seconds(tag, text) for tag, text in _elements(validity)]
        names = [name for _, one in _elements(subject) for _, name in _elements(one)]
        texts = [_text(*_elements(name)[1]) for name in names]
    except IndexError as error:
        raise ValueError("it ends too early") from error
    return CertificateFacts(",".join(texts), begins, expires)


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Return tag and content of each element that ``data`` consists of."""
    found, at = [], 0
    while at < len(data):
        tag, length, begin = data[at], data[at + 1], at + 2
        if length & 0x80:  # the length itself has so many bytes
            begin += length & 0x7F
            length = int.from_bytes(data[at + 2 : begin], "big")
        at = begin + length
        if at > len(data):
            raise ValueError("an element is longer than what holds it")
        found.append((tag, data[begin:at]))
    return found


def _seconds(tag: int, text: bytes) -> float:
    digits = text.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:  # two digits of the year: 1950 to 2049
        digits = ("19" if digits >= "50" else "20") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def _text(tag: int, text: bytes) -> str:
    return text.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace")
