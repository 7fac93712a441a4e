"""Options of the outputs, as Logstash 8.19 has them.

What says which cluster and as whom is supported, also under its names of 7.x; what tunes
Logstash's own HTTP client is ignored, since the sink here tunes itself; the rest is refused.
"""

from __future__ import annotations

from ptingest.pipeline.logstash.options import Option

_TUNED = "the sink here finds out by itself how much the cluster takes, and retries until it does"
_TEMPLATE = "templates are installed by ptingest setup here, not by an output"
_NO_UPDATE = "it is for action update, which is not supported: create and index are"
_JAVA_STORE = "Java's key stores cannot be read here; export PEM files and name those"
_ILM = (
    "an index that rolls over is a data stream here: remove it and index, or let index name the "
    "alias that is written to"
)

COMMON = (
    Option("id"),
    Option("enable_metric", "boolean", True, ignored="figures by plugin cost next to nothing here"),
    Option("workers", "number", ignored="Logstash ignores it since 6.0"),
)

ELASTICSEARCH = (
    *COMMON,
    Option("codec", "codec", ignored="documents are JSON; Logstash does not use it either"),
    # where and as whom
    Option("hosts", "array", ["127.0.0.1"]), Option("cloud_id"), Option("path"), Option("proxy"),
    Option("user"), Option("password", "password"), Option("api_key", "password"),
    Option("cloud_auth", "password"), Option("custom_headers", "hash", []),
    Option("ssl_enabled", "boolean"), Option("ssl", "boolean"),
    Option("ssl_certificate_authorities", "array", []), Option("cacert", "path"),
    Option("ca_trusted_fingerprint", "array", []),
    Option("ssl_certificate", "path"), Option("ssl_key", "path"),
    Option("ssl_verification_mode", choices=("full", "none")),
    Option("ssl_certificate_verification", "boolean"),
    Option("ssl_cipher_suites", "array", []), Option("ssl_supported_protocols", "array", []),
    Option("ssl_keystore_path", "path", refused=_JAVA_STORE),
    Option("ssl_keystore_password", "password", refused=_JAVA_STORE),
    Option("ssl_keystore_type", refused=_JAVA_STORE),
    Option("ssl_truststore_path", "path", refused=_JAVA_STORE),
    Option("ssl_truststore_password", "password", refused=_JAVA_STORE),
    Option("ssl_truststore_type", refused=_JAVA_STORE),
    Option("keystore", "path", refused=_JAVA_STORE),
    Option("keystore_password", "password", refused=_JAVA_STORE),
    Option("truststore", "path", refused=_JAVA_STORE),
    Option("truststore_password", "password", refused=_JAVA_STORE),
    # what is written
    Option("data_stream", "string", "auto", choices=("true", "false", "auto")),
    Option("data_stream_type", "string", "logs",
           choices=("logs", "metrics", "synthetics", "traces")),
    Option("data_stream_dataset", "string", "generic"),
    Option("data_stream_namespace", "string", "default"),
    Option("data_stream_auto_routing", "boolean", True),
    Option("data_stream_sync_fields", "boolean", True),
    Option("index"), Option("action"), Option("document_id"), Option("pipeline"), Option("routing"),
    Option("ecs_compatibility", choices=("disabled", "v1", "v8")),
    Option("document_type", ignored="Elasticsearch has no types since 8.0"),
    Option("parent", refused="parents went with Elasticsearch 6.0; use routing"),
    Option("join_field", refused="joins are not supported; use routing"),
    Option("version", refused="versions given from outside are not supported"),
    Option("version_type", refused="versions given from outside are not supported"),
    Option("upsert", refused=_NO_UPDATE), Option("doc_as_upsert", "boolean", refused=_NO_UPDATE),
    Option("script", refused=_NO_UPDATE), Option("script_lang", refused=_NO_UPDATE),
    Option("script_type", refused=_NO_UPDATE), Option("script_var_name", refused=_NO_UPDATE),
    Option("scripted_upsert", "boolean", refused=_NO_UPDATE),
    Option("retry_on_conflict", "number", ignored=_NO_UPDATE),
    # templates and rollover
    Option("manage_template", "boolean", ignored=_TEMPLATE),
    Option("template", "path", ignored=_TEMPLATE), Option("template_api", ignored=_TEMPLATE),
    Option("template_name", ignored=_TEMPLATE),
    Option("template_overwrite", "boolean", ignored=_TEMPLATE),
    Option("ilm_enabled", "string", "auto", choices=("true", "false", "auto")),
    Option("ilm_rollover_alias", refused=_ILM), Option("ilm_pattern", refused=_ILM),
    Option("ilm_policy", refused=_ILM),
    # failures
    Option("dlq_custom_codes", "array",
           ignored="every document that is refused for good is kept as a dead letter"),
    Option("dlq_on_failed_indexname_interpolation", "boolean",
           ignored="a name that still holds a placeholder always leads to a dead letter"),
    Option("drop_error_types", "array",
           refused="nothing that was refused is dropped; purge such dead letters"),
    Option("silence_errors_in_log", "array", ignored="errors are counted, not logged one by one"),
    Option("failure_type_logging_whitelist", "array", ignored="errors are counted, not logged"),
    # the HTTP client
    *(Option(name, "any", ignored=_TUNED) for name in (
        "bulk_path", "compression_level", "healthcheck_path", "http_compression", "pool_max",
        "pool_max_per_route", "resurrect_delay", "retry_initial_interval", "retry_max_interval",
        "sniffing_delay", "sniffing_path", "timeout", "validate_after_inactivity",
    )),
    Option("parameters", "hash", refused="parameters of the bulk request cannot be given"),
    Option("sniffing", "boolean", False,
           ignored="name the hosts, or what stands in front of them"),
)  # fmt: skip

STDOUT = (*COMMON, Option("codec", "codec"))

_WRITES = "lines are written through as they come, and kept until they are on disk"
FILE = (
    *COMMON,
    Option("path", is_required=True),
    Option("codec", "codec"),
    Option("create_if_deleted", "boolean", True, ignored=_WRITES),
    Option("dir_mode", "number", ignored="the process's umask decides"),
    Option("file_mode", "number", ignored="the process's umask decides"),
    Option("filename_failure", ignored="a path that cannot be written is a failure of the sink"),
    Option("flush_interval", "number", ignored=_WRITES),
    Option("gzip", "boolean", False, refused="files are written plain; compress them later"),
    Option("stale_cleanup_interval", "number", ignored=_WRITES),
    Option("write_behavior", "string", "append", choices=("append", "overwrite")),
)  # fmt: skip

ONLY_FOR_INDICES = frozenset({
    "index", "document_id", "document_type", "template", "template_api", "template_name",
    "template_overwrite", "ilm_enabled", "parent", "join_field", "version", "version_type",
    "upsert", "doc_as_upsert", "script", "script_lang", "script_type", "script_var_name",
    "scripted_upsert", "retry_on_conflict",
})  # fmt: skip
"""Options that make an output one to indices, unless data_stream says otherwise."""
