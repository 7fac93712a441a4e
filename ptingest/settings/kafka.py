"""Kafka: how it is reached, the source that reads topics, and the buffer in a topic."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, model_validator

from ptingest.settings.strict import (
    PositiveSeconds,
    StrictSettings,
    split_at_commas,
)
from ptingest.settings.topic_pattern import client_pattern

KIB = 1 << 10
MIB = 1 << 20

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


def _alone_or_many(value: Any) -> Any:
    """A pattern may have commas, so a text is one entry."""
    return [value] if isinstance(value, str) else value


def _address(broker: str) -> str:
    host, colon, port = broker.rpartition(":")
    if "://" in broker or "@" in broker:
        raise ValueError(f"{broker!r} is no host:port; TLS is the section tls, a login is sasl")
    if (
        not colon
        or not host
        or not port.isascii()
        or not port.isdigit()
        or not 0 < int(port) < 65536
    ):
        raise ValueError(f"{broker!r} must be host:port, as kafka-1.example:9092")
    return broker


def is_topic(name: str) -> bool:
    """Whether a topic may have this name."""
    return name not in (".", "..") and _TOPIC.fullmatch(name) is not None


def _topic(name: str) -> str:
    if not is_topic(name):
        raise ValueError(
            f"{name!r} is no name of a topic; it has letters, digits, `.`, `_` and `-`, "
            "249 characters at most"
        )
    return name


def topic_or_pattern(name: str) -> str:
    """Return what the client subscribes to. Raises ValueError where that cannot be."""
    if not name.startswith("^"):
        return _topic(name)
    try:
        return client_pattern(name)
    except ValueError as error:
        raise ValueError(f"the pattern {name!r} {error}") from None


def _start(text: str) -> str:
    if text not in ("earliest", "latest"):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is neither earliest, latest nor a time like 2026-11-29T08:00:00Z"
            ) from None
        if moment.tzinfo is None:
            raise ValueError(f"{text!r} has no zone; write one, as in 2026-11-29T08:00:00Z")
    return text


def _as_text(value: Any) -> Any:
    """YAML reads a time without quotes as a time."""
    return value.isoformat() if isinstance(value, datetime) else value


Broker = Annotated[str, AfterValidator(_address)]
Topic = Annotated[str, AfterValidator(_topic)]
TopicOrPattern = Annotated[str, AfterValidator(topic_or_pattern)]
GroupName = Annotated[str, Field(min_length=1, max_length=255)]


class KafkaTlsSettings(StrictSettings):
    """TLS to the brokers; ``tls: {}`` trusts the authorities that this host trusts."""

    ca_file: str | None = None
    """PEM file with the authority that signed the brokers' certificates."""
    certificate: str | None = None
    """PEM file with a client certificate, where brokers ask for one."""
    key: str | None = None
    """PEM file with its private key; without it the key is looked for in ``certificate``."""
    key_password: SecretStr | None = None
    """Opens an encrypted key."""

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> KafkaTlsSettings:
        if self.certificate is None and not (self.key is None and self.key_password is None):
            raise ValueError("key and key_password are nothing without certificate; give it too")
        return self

    def properties(self) -> dict[str, str]:
        """Return the client library's properties of these."""
        password = None if self.key_password is None else self.key_password.get_secret_value()
        found = {
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate,
            "ssl.key.location": self.key or self.certificate,
            "ssl.key.password": password,
        }
        return {name: value for name, value in found.items() if value is not None}


class KafkaSaslSettings(StrictSettings):
    """The login at the brokers."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """PLAIN sends the password as it is, so use it with ``tls`` only."""
    username: str
    """The user of the brokers."""
    password: SecretStr
    """That user's password."""


class KafkaConnectionSettings(StrictSettings):
    """How the brokers are reached."""

    brokers: Annotated[tuple[Broker, ...], BeforeValidator(split_at_commas), Field(min_length=1)]
    """One or more ``host:port``, a list or one text with commas; the others are found by these."""
    tls: KafkaTlsSettings | None = None
    """Without this section brokers are spoken to in plaintext."""
    sasl: KafkaSaslSettings | None = None
    """Without this section there is no login."""
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")] = "ptingest"
    """The name that brokers have in their logs and quotas."""

    def properties(self) -> dict[str, str]:
        """Return the client library's properties of the connection, secrets included."""
        sasl, tls = self.sasl, self.tls
        protocol = ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT")
        found = {
            "bootstrap.servers": ",".join(self.brokers),
            "client.id": self.client_id,
            "security.protocol": protocol,
        }
        if tls is not None:
            found |= tls.properties()
        if sasl is not None:
            found["sasl.mechanisms"] = sasl.mechanism
            found["sasl.username"] = sasl.username
            found["sasl.password"] = sasl.password.get_secret_value()
        return found


class KafkaReadingSettings(KafkaConnectionSettings):
    """How a member of a consumer group reads."""

    group: GroupName = "ptingest"
    """The consumer group: its members share the partitions, and its offsets say what is done."""
    commit_seconds: PositiveSeconds = 5.0
    """How often offsets are committed; only behind events that are safe."""
    session_seconds: Annotated[float, Field(ge=1, le=1800)] = 45.0
    """A member that the brokers have not heard of for this long loses its partitions."""
    partition_bytes: Annotated[ByteSize, Field(ge=1, le=1 << 30)] = ByteSize(8 * MIB)
    """Events of one partition that may be under way; more of it are not read meanwhile, and
    other partitions are."""


class KafkaSourceSettings(KafkaReadingSettings):
    """Topics that are read beside, or instead of, the Beats port: one event a record, as the
    Kafka outputs of Filebeat and Logstash write them."""

    topics: Annotated[
        tuple[TopicOrPattern, ...], BeforeValidator(_alone_or_many), Field(min_length=1)
    ]
    """Names, or patterns that begin with ``^``: topics that appear later are read, too."""
    start: Annotated[str, BeforeValidator(_as_text), AfterValidator(_start)] = "earliest"
    """Where a partition begins that the group has no offset of: ``earliest``, ``latest``, or a
    time with its zone."""


class KafkaBufferSettings(KafkaReadingSettings):
    """A topic between the Beats port and the rules: a window is acked when all in-sync replicas
    have it."""

    topic: Topic = "ptingest"
    """The topic; it is made beforehand, with as many partitions as there will be indexers."""
    record_bytes: Annotated[ByteSize, Field(ge=1, le=10**9)] = ByteSize(900 * KIB)
    """The largest record written, compressed; it stays below the topic's ``max.message.bytes``,
    about 1 MiB unless it was changed."""

    def as_source(self) -> KafkaSourceSettings:
        """Return the settings of the source that reads the buffer."""
        given: Mapping[str, Any] = {
            name: getattr(self, name) for name in KafkaReadingSettings.model_fields
        }
        return KafkaSourceSettings(topics=(self.topic,), **given)


class BufferSettings(StrictSettings):
    """Where events wait between their ack and the sinks."""

    kafka: KafkaBufferSettings
    """The only kind there is."""
