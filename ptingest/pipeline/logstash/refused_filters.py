"""Filters of Logstash that are refused by name: what each would do, and what to do instead."""

from __future__ import annotations

_STATE = "no filter here keeps anything of an event for later ones"
_NETWORK = "no filter asks another server: each event would wait for it"

REFUSED_FILTERS = {
    "aggregate": f"it would join several events into one; {_STATE}. Join them in Elasticsearch, "
    "with a transform",
    "age": "it would store the seconds since @timestamp; compute them where they are shown, with a "
    "runtime field",
    "alter": "it would change fields by their values; write mutate within if",
    "anonymize": "it would replace values by hashes; write fingerprint with a key, whose target is "
    "the field itself",
    "cipher": "it would encrypt or decrypt a field; write fingerprint with a key, or python",
    "dns": f"it would look up names and addresses; {_NETWORK}. Write translate with a dictionary "
    "file",
    "elapsed": f"it would measure the time between two events; {_STATE}. Use a transform in "
    "Elasticsearch",
    "elastic_integration": "it would run Elasticsearch's ingest pipelines here; name the pipeline "
    'in the output: elasticsearch { pipeline => "..." }',
    "elasticsearch": f"it would copy fields of other documents; {_NETWORK}. Use an enrich "
    "processor in an ingest pipeline, and name it in the output's option pipeline",
    "environment": 'it would store environment variables; write mutate with "${NAME}" as a value',
    "extractnumbers": "it would store the numbers of a text; write grok with %{NUMBER:name}",
    "http": f"it would call a web service; {_NETWORK}. Write translate with a dictionary file that "
    "a job writes",
    "i18n": "it would replace special characters; write mutate with gsub",
    "java_uuid": "it would store a random id; write uuid with the same options",
    "jdbc_static": f"it would join rows of a database; {_NETWORK}. Write translate with a "
    "dictionary file that a job writes",
    "jdbc_streaming": f"it would ask a database; {_NETWORK}. Write translate with a dictionary "
    "file that a job writes",
    "json_encode": "it would store a field as JSON text; write python, with json.dumps",
    "math": "it would compute with fields; write python",
    "memcached": f"it would ask memcached; {_NETWORK}. Write translate with a dictionary file",
    "metricize": "it would make an event of each of several fields; write python, which may "
    "return several events",
    "metrics": f"it would count events and send the counts as events; {_STATE}. Use the metrics "
    "of this server, or a transform in Elasticsearch",
    "multiline": "it would join lines into one event; let Filebeat do it: parsers: - multiline",
    "range": "it would tag or drop by the size of a number; write if [field] > 5 { ... }",
    "ruby": 'it would run Ruby code; write the same in Python: python { path => "enrich.py" } '
    "with def filter(event)",
    "sleep": "it would hold every event up; the acks slow the Beats down when it is needed",
    "throttle": f"it would tag events that come too often; {_STATE}. Use an alert in Kibana",
    "threats_classifier": f"it would ask a service about threats; {_NETWORK}",
    "tld": "it would cut domain names at public suffixes; write grok or dissect",
    "unique": "it would remove duplicates from a list; write python",
    "wurfl_device_detection": "it would ask the WURFL product about devices; write useragent",
    "xml": "it would parse XML into fields; write python, with xml.etree, for the XML that you "
    "know",
    "yaml": "it would parse YAML; write python, with yaml.safe_load",
}
