"""TLS on a port of ours: certificates, and who may come in with which."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from ptingest.settings.strict import StrictSettings

_FINGERPRINT = re.compile(r"[0-9a-f]{2}(:?[0-9a-f]{2}){31}")


def certificate_name(entry: str) -> str:
    """Return a name or SHA-256 fingerprint in the one form in which they are compared."""
    name = entry.strip().lower()
    return name.replace(":", "") if _FINGERPRINT.fullmatch(name) else name


def _some_name(entry: str) -> str:
    name = certificate_name(entry)
    if not name:
        raise ValueError("an empty name fits no certificate; write a SAN, CN or fingerprint")
    if re.fullmatch(r"[0-9a-f]{40}", name.replace(":", "")):
        raise ValueError("this looks like a SHA-1 fingerprint; write the SHA-256 one")
    return name


CertificateName = Annotated[str, AfterValidator(_some_name)]
"""A SAN (DNS name, address, mail, URI), a CN, or a SHA-256 fingerprint in hex."""


class ServerTlsSettings(StrictSettings):
    """Certificate of a port; the files are read again when they change and on SIGHUP."""

    certificate: str
    """PEM file with the server's certificate first, then the intermediate ones."""
    key: str | None = None
    """PEM file with the private key (PKCS#8, PKCS#1 or EC, encrypted or not); without it the
    key is looked for in the ``certificate`` file."""
    key_password: SecretStr | None = None
    """Opens an encrypted key."""
    min_version: Annotated[Literal["1.2", "1.3"], BeforeValidator(str)] = "1.2"
    """The oldest version of TLS that is spoken."""


class SenderSettings(StrictSettings):
    """What one certificate may send; its other events go to the dead letters."""

    groups: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Values of ``group`` that it may send; null means any."""
    services: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Values of ``service`` that it may send; null means any."""

    @model_validator(mode="after")
    def _limits_something(self) -> SenderSettings:
        if self.groups is None and self.services is None:
            raise ValueError(
                "a sender without groups and services is not limited; name it in tls.allow instead"
            )
        return self


class BeatsTlsSettings(ServerTlsSettings):
    """TLS 1.2 or newer on the Beats port."""

    client_ca: str | None = None
    """PEM file with the authorities whose certificates Beats may show."""
    client_auth: Literal["none", "optional", "required"] = "none"
    """Whether a Beat is asked for a certificate, and whether it may connect without one."""
    allow: tuple[CertificateName, ...] = ()
    """SANs, CNs or SHA-256 fingerprints of certificates that may send everything. Once a
    certificate is named here or in ``senders``, all others are rejected."""
    senders: dict[CertificateName, SenderSettings] = Field(default={})
    """NAME is a SAN, a CN or a SHA-256 fingerprint."""

    @model_validator(mode="after")
    def _no_contradiction(self) -> BeatsTlsSettings:
        if self.client_auth == "none" and self.client_ca is not None:
            raise ValueError(
                "client_ca is given, but client_auth is none, so no client is asked for a "
                "certificate; write client_auth: required (or optional), or remove client_ca"
            )
        if self.client_auth != "none" and self.client_ca is None:
            raise ValueError(
                f"client_auth is {self.client_auth}, but no client_ca says whom to trust; "
                "give a PEM file with the authority of your Beats' certificates"
            )
        listed = "allow" if self.allow else "senders"
        if (self.allow or self.senders) and self.client_auth != "required":
            raise ValueError(
                f"{listed} names certificates, but client_auth is {self.client_auth}, so a Beat "
                "without one gets in all the same; write client_auth: required"
            )
        both = sorted(set(self.allow) & set(self.senders))
        if both:
            raise ValueError(
                f"{both[0]!r} stands in allow (may send everything) and in senders (may not); "
                "keep one of them"
            )
        return self
