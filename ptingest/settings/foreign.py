"""Settings of Logstash and of Beats, and what to write here instead.

Whoever comes from there brings them along. Each row is the place where they would be written,
with ``*`` for any text, and the cure; the first row that fits counts.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

_ES = "sinks.elasticsearch"
_FILEBEAT = "this belongs into filebeat.yml; remove it here"
_STREAM = (
    "the data stream is made of type, service and namespace: data_stream of a group in the profile"
)
_TEMPLATE = "templates, lifecycle and failure store are made by `ptingest setup`; remove the line"
_NO_QUEUE = "there is no queue, Filebeat's files are it: an event is acked when it is stored"

_ROWS: tuple[tuple[str, str], ...] = (
    # Logstash's elasticsearch output, and output.elasticsearch of a Beat
    (f"{_ES}.user", "here it is username"),
    (f"{_ES}.cacert", "here it is ca_file"),
    (f"{_ES}.ssl_certificate_authorities", "here it is ca_file: one PEM file, not a list"),
    (f"{_ES}.ca_trusted_fingerprint", "here it is fingerprint"),
    (f"{_ES}.ssl_certificate", "here it is certificate"),
    (f"{_ES}.ssl_key", "here it is key"),
    (f"{_ES}.ssl_key_passphrase", "here it is key_password"),
    (f"{_ES}.ssl_*verif*", "certificates are always checked: name the authority in ca_file"),
    (f"{_ES}.ssl_enabled", "write https:// or http:// in hosts"),
    (
        f"{_ES}.ssl*",
        "TLS is on where hosts begin with https://; here the files are ca_file, certificate, key",
    ),
    (
        f"{_ES}.cloud_id",
        "write the address in hosts, as Elastic Cloud shows it (Copy endpoint)",
    ),
    (f"{_ES}.cloud_auth", "write username and password, or api_key"),
    (f"{_ES}.index", _STREAM),
    (f"{_ES}.indices", _STREAM),
    (f"{_ES}.data_stream*", _STREAM),
    (f"{_ES}.document_id", "here it is ids: keyed or none"),
    (f"{_ES}.action", "documents are only created, as data streams want it; remove the line"),
    (f"{_ES}.pipeline", "name it in the template: index.default_pipeline; remove the line"),
    (f"{_ES}.template*", _TEMPLATE),
    (f"{_ES}.manage_template", _TEMPLATE),
    (f"{_ES}.ilm_*", _TEMPLATE),
    (f"{_ES}.bulk_max_size", "here it is batch.max_documents"),
    (f"{_ES}.flush_size", "here it is batch.max_documents"),
    (f"{_ES}.worker*", "here it is concurrency, the most bulks in flight"),
    (f"{_ES}.timeout", "here it is request_seconds"),
    (f"{_ES}.retry_*", "here they are retry.initial_seconds and retry.max_seconds"),
    (f"{_ES}.http_compression", "here it is compress: true or false"),
    (f"{_ES}.compression_level", "here it is compress: true or false"),
    (f"{_ES}.protocol", "write it in hosts: https://host:9200"),
    (f"{_ES}.path", "write it in hosts: https://host:9200/path"),
    (f"{_ES}.port", "write it in hosts: https://host:9200"),
    # Logstash's beats input
    ("beats.port", 'here it is listen: "0.0.0.0:5044"'),
    ("beats.host", 'here it is listen: "0.0.0.0:5044"'),
    ("beats.ssl_certificate", "here it is certificate in the section tls"),
    ("beats.ssl_key", "here it is key in the section tls"),
    ("beats.ssl_key_passphrase", "here it is key_password in the section tls"),
    ("beats.ssl_certificate_authorities", "here it is client_ca in the section tls, one PEM file"),
    ("beats.ssl_client_authentication", "here it is client_auth in the section tls"),
    ("beats.ssl*", "TLS is on where there is a section tls, with certificate and key"),
    ("beats.tls.ssl_certificate", "here it is certificate"),
    ("beats.tls.ssl_key", "here it is key"),
    ("beats.tls.ssl_key_passphrase", "here it is key_password"),
    ("beats.tls.*certificate_authorities", "here it is client_ca, one PEM file"),
    ("beats.tls.ssl_client_authentication", "here it is client_auth"),
    ("beats.client_inactivity_timeout", "here it is limits.idle_seconds"),
    ("beats.codec", "multiline belongs into filebeat.yml; remove the line"),
    # logstash.yml
    ("pipeline.workers", "here it is workers"),
    ("pipeline.batch.size", f"here it is batch.max_documents of {_ES}"),
    ("pipeline.batch.delay", f"here it is batch.max_age_seconds of {_ES}"),
    ("path.data", "here it is data_dir"),
    ("path.logs", "the log goes to standard error; remove the line"),
    ("path.config", "patterns and routing are in the file that profile names"),
    ("config.reload.*", "SIGHUP reads config and profile again; remove the line"),
    ("*http.host", 'here it is listen in the section api: "127.0.0.1:9600"'),
    ("*http.port", 'here it is listen in the section api: "127.0.0.1:9600"'),
    ("queue*", _NO_QUEUE),
    ("dead_letter_queue*", "they are always kept; their limits are in the section dead_letters"),
    ("xpack.*", "here nothing of it exists; remove the line"),
    ("monitoring*", "Metricbeat, Telegraf or Prometheus ask api.listen; remove the line"),
    ("input*", "here it is the section beats"),
    ("filter*", "patterns and routing are in the file that profile names"),
    # of an output, written outside of its section
    ("hosts", f"here it is hosts of {_ES}"),
    ("index", _STREAM),
    ("cloud?id", f"write the address in hosts of {_ES}, as Elastic Cloud shows it"),
    ("cloud?auth", f"write username and password, or api_key, of {_ES}"),
    (
        "ssl*certificate_authorities",
        f"here it is ca_file of {_ES}, or client_ca of beats.tls: one PEM file, not a list",
    ),
    # filebeat.yml
    ("output.logstash*", _FILEBEAT),
    ("output*", f"here it is {_ES}"),
    ("filebeat*", _FILEBEAT),
    ("processors", _FILEBEAT),
    ("setup.*", _TEMPLATE),
)


def counterpart_of(path: str) -> str | None:
    """Return what to write instead of a setting that Logstash or a Beat has at this place.

    ``path`` is dotted, as ``beats.port``, whether it was written with sections or as one key.
    """
    return next((cure for place, cure in _ROWS if fnmatchcase(path, place)), None)
