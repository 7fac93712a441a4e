"""The fixed reasons of dead letters and their meanings.

The label is in every letter, in ``ptingest_flow_dead_lettered_events_total`` and in
``dead-letters --reason``. A test fails when the code uses a label that is not in this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REASONS: Mapping[str, str] = MappingProxyType(
    {
        # payloads that no pipeline can read
        "empty": "a payload of no bytes",
        "not_json": "the payload is not JSON in UTF-8",
        "not_an_object": "it is JSON, but no object; Elasticsearch says it of a document, too",
        "too_deep": "nested in more than 500 levels of objects and lists",
        "number_too_long": "a number of more digits than Elasticsearch reads",
        "event_too_large": "larger than `beats.limits.event_bytes`; never decoded",
        "event_too_costly": "took more processor time or memory than one event may take",
        "ended_worker": "three processes ended with its window, and one more with this event alone",
        "tags_invalid": "`tags` is neither text nor a list of texts",
        "event_invalid": "`event` is not an object",
        # events that the profile or the config does not allow
        "index_interpolation": "the data stream's name still holds a placeholder",
        "illegal_data_stream": "the data stream's name is none that Elasticsearch takes",
        "unknown_action": "an output gives another action than create and index",
        "illegal_path": "no file can have the path that an output makes of it",
        "illegal_topic": "no topic can have the name that an output `kafka` makes of it",
        "service_not_allowed": "not in `known_services`, and `only_known_services` is true",
        "not_allowed_sender": "a certificate under `beats.tls.senders` may not send this",
        "too_many_services": "more services than the profile allows (`max_services`)",
        # documents that Elasticsearch refuses
        "mapping": "a field has another type than the data stream maps",
        "too_large": "the document alone is larger than Elasticsearch takes",
        "refused": "Elasticsearch refused it for another reason; the letter quotes it",
        "unreadable": "Elasticsearch cannot read the document alone in a bulk",
        "unanswered": "sent alone it was never answered, while others were",
        "never_taken": "put off again and again, while others of its sink were taken",
        "ingest_pipeline": "an ingest pipeline fails on it, with status 500",
        "not_understood": "answered with a status that means nothing for a document",
        # data streams that Elasticsearch refuses, after `patience_seconds`
        "write_block": "the index takes no writes",
        "index_closed": "the index it would go to is closed",
        "forbidden": "the writer's role does not reach this data stream",
        "template_missing": "no template makes it a data stream: run `ptingest setup`",
        "not_found": "the data stream, or what it needs, does not exist",
        "shard_limit": "the cluster has as many shards as it allows",
        "pipeline_missing": "the template names an ingest pipeline that does not exist",
        # events that the buffer cannot hold
        "too_large_for_buffer": "one event alone is larger than a record of the buffer may be",
        # documents that Kafka refuses, the last two after `patience_seconds`
        "record_too_large": "one record alone is larger than `sinks.kafka` or the topic takes",
        "record_refused": "the brokers refused it even alone; the letter quotes it",
        "topic_missing": "the topic does not exist",
        "topic_forbidden": "the user may not write to the topic",
        # documents that the embedded store refuses
        "store_refused": "SQLite refused the document; the letter quotes it",
    }
)
