"""Asks whether the brokers know the topics that a source reads; reads and commits nothing."""

from __future__ import annotations

from ptingest.errors import KafkaUnusable
from ptingest.kafka.producer import KafkaProducer
from ptingest.kafka.topic import MISSING
from ptingest.model.finding import Finding
from ptingest.settings.kafka import KafkaSourceSettings

SUBJECT = "kafka"
ASK_SECONDS = 5.0


async def look_at_source(settings: KafkaSourceSettings) -> list[Finding]:
    """Log in at the brokers and look at each topic that is named."""
    try:
        client = KafkaProducer(settings.properties(), message_bytes=1_000_000)
    except KafkaUnusable as error:
        return [Finding("problem", SUBJECT, str(error), stops_all=True)]
    try:
        unanswered = await client.unanswered(seconds=ASK_SECONDS)
        if unanswered is not None:
            cure = "are the brokers running, and do kafka.brokers, tls and sasl fit them?"
            return [Finding("problem", SUBJECT, unanswered, cure, stops_all=True)]
        named = [topic for topic in settings.topics if not topic.startswith("^")]
        return [await _look_at(client, topic) for topic in named] or [
            Finding("ok", SUBJECT, "the brokers answer; which topics a pattern finds is seen then")
        ]
    finally:
        await client.close()


async def _look_at(client: KafkaProducer, topic: str) -> Finding:
    state = await client.topic_state(topic, seconds=ASK_SECONDS)
    if state.error is None:
        return Finding("ok", SUBJECT, f"topic {topic} has {len(state.partitions)} partitions")
    if state.error in MISSING:
        found = f"topic {topic} does not exist"
        return Finding("warning", SUBJECT, found, "it is read when it is made")
    found = f"topic {topic} cannot be read ({state.error}: {state.detail})"
    return Finding("problem", SUBJECT, found, "allow it: kafka-acls.sh --add --consumer")
