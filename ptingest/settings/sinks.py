"""Where documents go: one model a sink, and how its lane batches and retries."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import ByteSize, Field, SecretStr, model_validator

from ptingest.settings.strict import PositiveBytes, PositiveSeconds, StrictSettings, section

MIB = 1 << 20


class BatchSettings(StrictSettings):
    """When a lane closes a batch: the first limit reached closes it."""

    max_documents: Annotated[int, Field(ge=1, le=100_000)] = 4096
    """Documents in one write."""
    max_bytes: PositiveBytes = ByteSize(5 * MIB)
    """Encoded bytes in one write; keep it under Elasticsearch's ``http.max_content_length``,
    100 MiB unless the cluster says otherwise."""
    max_age_seconds: PositiveSeconds = 0.1
    """How long the oldest document may wait for company, while there is some."""


class RetrySettings(StrictSettings):
    """How long to wait before busy documents are tried again; an outage has no last attempt."""

    initial_seconds: PositiveSeconds = 0.25
    """Backoff after the first busy answer; doubled each time, with jitter."""
    max_seconds: PositiveSeconds = 10.0
    """The longest backoff; forgotten on the first success."""
    patience_seconds: PositiveSeconds = 300.0
    """How long documents of one troubled data stream (403, no template, shard limit), and
    single documents that fail while others pass, are retried before they go to the dead
    letters, from where they can be requeued."""


class LaneSettings(StrictSettings):
    """Shared by all sinks."""

    batch: BatchSettings = section(BatchSettings)
    retry: RetrySettings = section(RetrySettings)
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """Most batches in flight at once."""
    tuning: Literal["auto", "fixed"] = "auto"
    """``auto`` finds concurrency and size of batches below the limits given here, which are
    upper ones then; ``fixed`` keeps to the limits themselves."""


class StoreSettings(LaneSettings):
    """The embedded store: one SQLite file under ``data_dir``."""

    concurrency: Annotated[int, Field(ge=1, le=1)] = 1
    """SQLite has one writer."""
    tuning: Literal["auto", "fixed"] = "fixed"
    """On a disk of our own large batches are best as they are."""
    path: str = "store.sqlite"
    """File name, relative to ``data_dir``."""
    max_age_days: Annotated[float, Field(gt=0)] | None = 30.0
    """Documents stored longer ago are deleted; null keeps them."""
    max_bytes: PositiveBytes | None = ByteSize(10 << 30)
    """The oldest are deleted when the file grows beyond this; null means no limit."""


def _require_address(host: str) -> None:
    if "@" in host:
        # The value itself stays out of the message: it holds a password.
        raise ValueError("a hosts entry holds a login; write username and password instead")
    try:
        parts = urlsplit(host)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        # The port is no number, or brackets are not closed.
        is_address = False
    if not is_address:
        raise ValueError(f"hosts entry {host!r} must be http(s)://host:port")


class BulkSettings(BatchSettings):
    """The same for Elasticsearch, where what is best is found below these."""

    max_documents: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Documents in one bulk."""
    max_bytes: PositiveBytes = ByteSize(10 * MIB)
    """Bytes of documents in one bulk, before compression; keep it under
    ``http.max_content_length``, 100 MiB unless the cluster says otherwise."""


class ElasticsearchSettings(LaneSettings):
    """Elasticsearch 8.13 or newer, 9 included."""

    batch: BulkSettings = BulkSettings()
    concurrency: Annotated[int, Field(ge=1, le=64)] = 16
    """Most bulks in flight at once."""

    hosts: Annotated[tuple[str, ...], Field(min_length=1)]
    """One or more ``http(s)://host:port``."""
    username: str | None = None
    """A user, not a role: ``logstash_writer``, whose role is ``logstash_writer_pt``."""
    password: SecretStr | None = None
    api_key: SecretStr | None = None
    """``id:key`` or its base64 form, instead of username and password."""
    ca_file: str | None = None
    """PEM file with the authority that signed Elasticsearch's certificate."""
    fingerprint: str | None = None
    """SHA-256 of the authority's or node's certificate in hex, instead of ``ca_file``. The
    node's own stands for its name as well; an authority's does not: then the host that
    ``hosts`` names must be in the certificate that it shows."""
    certificate: str | None = None
    """PEM file with the certificate that we show, where Elasticsearch asks for one."""
    key: str | None = None
    """PEM file with its private key; without it the key is looked for in ``certificate``."""
    key_password: SecretStr | None = None
    """Opens an encrypted key."""
    ids: Literal["keyed", "none"] = "keyed"
    """``keyed`` recognises resent events (409 = already stored); ``none`` may double them."""
    compress: bool = True
    """gzip request bodies."""
    request_seconds: PositiveSeconds = 60.0
    """No answer for this long makes the batch doubtful."""
    shard_seconds: PositiveSeconds = 10.0
    """Sent as the bulk's ``timeout``: how long Elasticsearch waits for a shard."""

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> ElasticsearchSettings:
        if self.api_key is not None and (self.username is not None or self.password is not None):
            raise ValueError("api_key excludes username and password; keep one of them")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; give both or neither")
        if self.ca_file is not None and self.fingerprint is not None:
            raise ValueError("ca_file excludes fingerprint; keep one of them")
        if self.certificate is None and not (self.key is None and self.key_password is None):
            raise ValueError("key and key_password are nothing without certificate; give it too")
        for host in self.hosts:
            if not host.startswith(("http://", "https://")):
                raise ValueError(f"hosts entry {host!r} must begin with http:// or https://")
            _require_address(host)
        return self


class NdjsonSettings(LaneSettings):
    """Lines of JSON on disk, rotated, or on standard output."""

    concurrency: Annotated[int, Field(ge=1, le=1)] = 1
    """One file has one writer."""
    tuning: Literal["auto", "fixed"] = "fixed"
    """A file takes any size alike."""
    path: str = "documents.ndjson"
    """File name, relative to ``data_dir``; ``-`` is standard output."""
    max_bytes: PositiveBytes = ByteSize(100 * MIB)
    """A file this large is rotated."""
    keep: Annotated[int, Field(ge=1)] = 7
    """Rotated files kept beside the current one."""


class SinksSettings(StrictSettings):
    """Given at all, it replaces the default, which is the embedded store alone.

    With several sinks a document is safe when each of them has settled it.
    """

    store: StoreSettings | None = None
    elasticsearch: ElasticsearchSettings | None = None
    ndjson: NdjsonSettings | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> SinksSettings:
        if self.store is None and self.elasticsearch is None and self.ndjson is None:
            raise ValueError("no sink is given; write `store: {}` or remove `sinks:`")
        return self
