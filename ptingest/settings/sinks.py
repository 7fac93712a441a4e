"""Where documents go: one model a sink, and how its lane batches and retries."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ByteSize, Field, SecretStr, model_validator

from ptingest.settings.kafka import KafkaConnectionSettings
from ptingest.settings.strict import (
    PositiveBytes,
    PositiveSeconds,
    StrictSettings,
    section,
    split_at_commas,
)

MIB = 1 << 20


class BatchSettings(StrictSettings):
    """When a lane closes a batch: the first limit reached closes it."""

    max_documents: Annotated[int, Field(ge=1, le=100_000)] = 4096
    """The most documents in one write."""
    max_bytes: PositiveBytes = ByteSize(5 * MIB)
    """The most bytes of encoded documents in one write."""
    max_age_seconds: PositiveSeconds = 0.1
    """How long the oldest document may wait for others, while others arrive."""


class RetrySettings(StrictSettings):
    """How long to wait before busy documents are tried again; there is no last attempt while a
    sink is down."""

    initial_seconds: PositiveSeconds = 0.25
    """Backoff after the first busy answer; doubled each time, with jitter."""
    max_seconds: PositiveSeconds = 10.0
    """The longest backoff; the first success resets it."""
    patience_seconds: PositiveSeconds = 300.0
    """How long documents of one troubled data stream (403, no template, shard limit), and
    single documents that fail while others pass, are retried before they go to the dead
    letters, from where they can be requeued."""


class LaneSettings(StrictSettings):
    """Shared by all sinks."""

    batch: BatchSettings = section(BatchSettings)
    retry: RetrySettings = section(RetrySettings)
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    """The most batches in flight at once."""
    tuning: Literal["auto", "fixed"] = "auto"
    """``auto``: the number of batches in flight and their size are found under full load, with
    ``concurrency`` and ``batch.max_*`` as upper limits. ``fixed``: the limits are used as they
    are."""


class StoreSettings(LaneSettings):
    """The embedded store: one SQLite file under ``data_dir``."""

    concurrency: Annotated[int, Field(ge=1, le=1)] = 1
    """Always 1: SQLite has one writer."""
    tuning: Literal["auto", "fixed"] = "fixed"
    """``fixed``: the limits are used as they are, which is best for a local file; ``auto`` as
    for Elasticsearch."""
    path: str = "store.sqlite"
    """File name, relative to ``data_dir``."""
    max_age_days: Annotated[float, Field(gt=0)] | None = 30.0
    """Documents stored longer ago are deleted; null keeps them for ever."""
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
        # The port is not a number, or brackets are not closed.
        is_address = False
    if not is_address:
        raise ValueError(f"hosts entry {host!r} must be http(s)://host:port")


class BulkSettings(BatchSettings):
    """When a bulk is closed; with ``tuning: auto`` these are upper limits."""

    max_documents: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """The most documents in one bulk."""
    max_bytes: PositiveBytes = ByteSize(10 * MIB)
    """The most bytes of documents in one bulk, before compression; keep it under
    ``http.max_content_length``, 100 MiB unless the cluster says otherwise."""


class ClusterSettings(LaneSettings):
    """Shared by Elasticsearch and OpenSearch."""

    batch: BulkSettings = BulkSettings()
    concurrency: Annotated[int, Field(ge=1, le=64)] = 16
    """The most bulks in flight at once."""

    hosts: Annotated[tuple[str, ...], BeforeValidator(split_at_commas), Field(min_length=1)]
    """One or more ``http(s)://host:port``: a list, or one text with commas, as a variable may
    hold it."""
    username: str | None = None
    """A user, not a role: ``logstash_writer``, whose role is ``logstash_writer_pt``."""
    password: SecretStr | None = None
    """That user's password."""
    ca_file: str | None = None
    """PEM file with the authority that signed the cluster's certificate."""
    fingerprint: str | None = None
    """SHA-256 of the authority's or the node's certificate in hex, instead of ``ca_file``. With
    the authority's, the host in ``hosts`` must be named in the node's certificate; with the
    node's own the name is not checked."""
    certificate: str | None = None
    """PEM file with a client certificate, where the cluster asks for one."""
    key: str | None = None
    """PEM file with its private key; without it the key is looked for in ``certificate``."""
    key_password: SecretStr | None = None
    """Opens an encrypted key."""
    ids: Literal["keyed", "none"] = "keyed"
    """``keyed``: resent events are recognised (409 means already stored). ``none``:
    the cluster makes the ids, and resent events are stored again."""
    compress: bool = True
    """Whether request bodies are compressed with gzip."""
    request_seconds: PositiveSeconds = 60.0
    """A batch without an answer for this long is doubtful."""
    shard_seconds: PositiveSeconds = 10.0
    """Sent as the bulk's ``timeout``: how long the cluster waits for a shard."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
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


class ElasticsearchSettings(ClusterSettings):
    """Elasticsearch 8.13 or newer, 9 included."""

    api_key: SecretStr | None = None
    """``id:key`` or its base64 form, instead of username and password."""

    @model_validator(mode="after")
    def _one_way_to_log_in(self) -> Self:
        if self.api_key is not None and (self.username is not None or self.password is not None):
            raise ValueError("api_key excludes username and password; keep one of them")
        return self


class OpenSearchSettings(ClusterSettings):
    """OpenSearch 2.19 or newer, 3 included."""


class NdjsonSettings(LaneSettings):
    """Documents as lines of JSON in rotated files, or on standard output."""

    concurrency: Annotated[int, Field(ge=1, le=1)] = 1
    """Always 1: a file has one writer."""
    tuning: Literal["auto", "fixed"] = "fixed"
    """As for the embedded store."""
    path: str = "documents.ndjson"
    """File name, relative to ``data_dir``; ``-`` is standard output."""
    max_bytes: PositiveBytes = ByteSize(100 * MIB)
    """A file of this size is rotated."""
    keep: Annotated[int, Field(ge=1)] = 7
    """Rotated files kept beside the current one."""


class FileSettings(LaneSettings):
    """Lines of JSON in the files that an output ``file`` of a ``logstash.conf`` names."""

    concurrency: Annotated[int, Field(ge=1, le=1)] = 1
    """Always 1: a file has one writer."""
    tuning: Literal["auto", "fixed"] = "fixed"
    """As for the embedded store."""
    open_files: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Files kept open at the same time; the one written longest ago is closed for another."""


class StdoutSettings(LaneSettings):
    """Standard output, as an output ``stdout`` of a ``logstash.conf`` writes it."""

    concurrency: Annotated[int, Field(ge=1, le=1)] = 1
    """Always 1: lines of several would mix."""
    tuning: Literal["auto", "fixed"] = "fixed"
    """As for the embedded store."""


class KafkaSinkSettings(LaneSettings, KafkaConnectionSettings):
    """Topics that outputs ``kafka`` of a ``logstash.conf`` name: a document is safe when all
    in-sync replicas have its record."""

    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "lz4"
    """How the client compresses batches of records."""
    record_bytes: PositiveBytes = ByteSize(MIB)
    """The largest record that is sent; a larger one is a dead letter, and so is one that is larger
    than its topic's ``max.message.bytes``."""
    queue_bytes: PositiveBytes = ByteSize(32 * MIB)
    """Records that may wait in the client for their confirmation, beside the documents that they
    were made of."""

    def properties(self) -> dict[str, str]:
        """Return the client library's properties, secrets included."""
        return {**super().properties(), "compression.type": self.compression}


ClusterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class SinksSettings(StrictSettings):
    """Where documents go. Without this section that is the embedded store alone; with it, the
    sinks that it names. With several sinks a document is safe when each has settled it.
    """

    store: StoreSettings | None = None
    """The default; ``store: {}`` names it beside another sink."""
    elasticsearch: ElasticsearchSettings | None = None
    opensearch: OpenSearchSettings | None = None
    """What differs from Elasticsearch is in `docs/opensearch.md`."""
    ndjson: NdjsonSettings | None = None
    clusters: dict[ClusterName, ElasticsearchSettings] = Field(default={})
    """Further Elasticsearch clusters by name. An output of a ``logstash.conf`` whose ``id`` is
    NAME writes to that one only."""
    file: FileSettings | None = None
    """Takes the documents of outputs ``file`` of a ``logstash.conf``, and no others."""
    stdout: StdoutSettings | None = None
    """Takes the documents of outputs ``stdout`` of a ``logstash.conf``, and no others."""
    kafka: KafkaSinkSettings | None = None
    """Takes the documents of outputs ``kafka`` of a ``logstash.conf``, and no others."""

    def by_name(self) -> dict[str, LaneSettings]:
        """Return the settings of every sink that is given, in a fixed order."""
        fixed = {name: getattr(self, name) for name in _FIRST}
        last = {name: getattr(self, name) for name in _LAST}
        return {k: v for k, v in {**fixed, **self.clusters, **last}.items() if v is not None}

    def clusters_by_place(self) -> dict[str, ClusterSettings]:
        """Return the settings of every cluster, by where they are in a config."""
        found: dict[str, ClusterSettings] = {}
        if self.elasticsearch is not None:
            found["sinks.elasticsearch"] = self.elasticsearch
        if self.opensearch is not None:
            found["sinks.opensearch"] = self.opensearch
        return found | {f"sinks.clusters.{name}": one for name, one in self.clusters.items()}

    @model_validator(mode="after")
    def _at_least_one(self) -> SinksSettings:
        for name in (*_FIRST, *_LAST):
            if name in self.clusters:
                raise ValueError(
                    f"clusters has the name {name}, which is another sink's; rename it"
                )
        if not self.by_name():
            raise ValueError("no sink is given; write `store: {}` or remove `sinks:`")
        return self


_FIRST, _LAST = ("store", "elasticsearch", "opensearch", "ndjson"), ("file", "stdout", "kafka")
