"""Options of the input and the output ``kafka``, as Logstash's integration for Kafka 11 has them.

What says which brokers and as whom is supported with PEM files, PLAIN and SCRAM; what tunes Java's
client is ignored, since the client here is another one; the rest is refused.
"""

from __future__ import annotations

from ptingest.pipeline.logstash.options import Option, Options

STRING_CLASSES = {
    "key_deserializer_class": ("String",),
    "value_deserializer_class": ("String", "ByteArray"),
    "key_serializer": ("String",),
    "value_serializer": ("String", "ByteArray"),
}
"""Java classes that turn bytes into texts, or leave them, by the options that name one."""

_TUNED = "the Kafka client here is another one (librdkafka), which does this by itself"
_JAAS = "a login is read from sasl_jaas_config alone: write the entry of the file there"
_KERBEROS = "Kerberos is not supported; log in with PLAIN or SCRAM"
_OAUTH = "OAuth is not supported; log in with PLAIN or SCRAM"
_REGISTRY = "Avro and its schema registry are not supported; write JSON or text to the topic"
_METRICS = "figures by plugin cost next to nothing here"

_COMMON = (
    Option("id"),
    Option("enable_metric", "boolean", True, ignored=_METRICS),
    Option("codec", "codec"),
    # where and as whom
    Option("bootstrap_servers", "string", "localhost:9092"),
    Option("security_protocol", "string", "PLAINTEXT",
           choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")),
    Option("sasl_mechanism", "string", "GSSAPI"),
    Option("sasl_jaas_config", "password"),
    Option("jaas_path", "path", refused=_JAAS),
    Option("kerberos_config", "path", refused=_KERBEROS),
    Option("sasl_kerberos_service_name", refused=_KERBEROS),
    Option("sasl_client_callback_handler_class", refused=_OAUTH),
    Option("ssl_truststore_type"), Option("ssl_truststore_location", "path"),
    Option("ssl_truststore_password", "password"),
    Option("ssl_keystore_type"), Option("ssl_keystore_location", "path"),
    Option("ssl_keystore_password", "password"),
    Option("ssl_key_password", "password"),
    Option("ssl_endpoint_identification_algorithm", "string", "https"),
    # how the client works
    *(Option(name, "any", ignored=_TUNED) for name in (
        "client_dns_lookup", "connections_max_idle_ms", "metadata_max_age_ms",
        "receive_buffer_bytes", "reconnect_backoff_ms", "request_timeout_ms", "retry_backoff_ms",
        "send_buffer_bytes",
    )),
)  # fmt: skip

INPUT = (
    *_COMMON,
    Option("add_field", "hash", []), Option("tags", "array", []), Option("type"),
    # what is read
    Option("topics", "array", ["logstash"]), Option("topics_pattern"),
    Option("group_id", "string", "logstash"), Option("client_id", "string", "logstash"),
    Option("auto_offset_reset", "string", "latest"),
    Option("decorate_events", "string", "none",
           choices=("none", "basic", "extended", "false", "true")),
    Option("isolation_level", "string", "read_uncommitted",
           choices=("read_uncommitted", "read_committed")),
    Option("key_deserializer_class"), Option("value_deserializer_class"),
    # how
    Option("auto_commit_interval_ms", "number", 5000),
    Option("session_timeout_ms", "number", 10_000),
    Option("enable_auto_commit", "boolean", True,
           ignored="offsets are committed behind events that are safe, and never before"),
    Option("consumer_threads", "number", 1,
           ignored="one consumer reads all partitions; workers in ptingest.yaml takes cores"),
    Option("group_instance_id",
           ignored="a member that restarts is a new one: its partitions move to others and back"),
    Option("partition_assignment_strategy",
           ignored="the group's partitions are shared by the strategy cooperative-sticky, which "
                   "all members must have: let the group's other members end first"),
    Option("auto_create_topics", "boolean", True, ignored="a topic that does not exist is told, "
           "and read when it is made"),
    Option("exclude_internal_topics", "string", ignored="a pattern never finds Kafka's own topics"),
    Option("max_partition_fetch_bytes", "number",
           ignored="kafka.partition_bytes says how much of a partition may be under way"),
    *(Option(name, "any", ignored=_TUNED) for name in (
        "check_crcs", "client_rack", "fetch_max_bytes", "fetch_max_wait_ms", "fetch_min_bytes",
        "heartbeat_interval_ms", "max_poll_interval_ms", "max_poll_records", "poll_timeout_ms",
    )),
    # Avro and OAuth
    *(Option(name, "any", refused=_REGISTRY) for name in (
        "schema_registry_key", "schema_registry_proxy", "schema_registry_secret",
        "schema_registry_ssl_keystore_location", "schema_registry_ssl_keystore_password",
        "schema_registry_ssl_keystore_type", "schema_registry_ssl_truststore_location",
        "schema_registry_ssl_truststore_password", "schema_registry_ssl_truststore_type",
        "schema_registry_url", "schema_registry_validation",
    )),
    *(Option(name, "any", refused=_OAUTH) for name in (
        "sasl_login_callback_handler_class", "sasl_login_connect_timeout_ms",
        "sasl_login_read_timeout_ms", "sasl_login_retry_backoff_max_ms",
        "sasl_login_retry_backoff_ms", "sasl_oauthbearer_scope_claim_name",
        "sasl_oauthbearer_token_endpoint_url",
    )),
)  # fmt: skip
"""Options of the input."""

_SENT = "a record is sent again until the brokers have taken it"
OUTPUT = (
    *_COMMON,
    Option("workers", "number", ignored="Logstash ignores it since 6.0"),
    Option("topic_id", is_required=True), Option("message_key"), Option("client_id"),
    Option("acks", "string", "1", choices=("0", "1", "all"), ignored="it is always all: an event "
           "is safe when all in-sync replicas have its record"),
    Option("compression_type", "string", "none", choices=("none", "gzip", "snappy", "lz4", "zstd")),
    Option("max_request_size", "number", 1_048_576),
    Option("key_serializer"), Option("value_serializer"),
    Option("partitioner", ignored="records with a key go where Java's client puts them (murmur2), "
           "others to any partition"),
    Option("retries", "number", ignored=_SENT),
    *(Option(name, "any", ignored=_TUNED) for name in (
        "batch_size", "buffer_memory", "linger_ms", "metadata_fetch_timeout_ms",
    )),
)  # fmt: skip
"""Options of the output."""


def check_classes(options: Options) -> None:
    """Refuse Java classes that make anything but texts of records.

    Raises:
        RefusedConfig: with those that may be named.
    """
    for name, kinds in STRING_CLASSES.items():
        found = options.values.get(name)
        suffix = "Deserializer" if name.endswith("class") else "Serializer"
        known = [f"org.apache.kafka.common.serialization.{kind}{suffix}" for kind in kinds]
        if found is not None and found not in known:
            sentence = f"{name} {found} is not supported; {' and '.join(known)} can be named"
            raise options.refuse(sentence, name, is_unsupported=True)
