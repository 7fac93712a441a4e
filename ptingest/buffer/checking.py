"""Asks whether the brokers would take what a receiver sends; writes nothing."""

from __future__ import annotations

from ptingest.buffer.watch import TopicWatch
from ptingest.errors import KafkaUnusable
from ptingest.kafka.producer import KafkaProducer
from ptingest.model.finding import Finding
from ptingest.settings.kafka import KafkaBufferSettings

SUBJECT = "buffer.kafka"


async def look_at_buffer(settings: KafkaBufferSettings) -> list[Finding]:
    """Log in at the brokers and look at the topic."""
    properties = settings.properties()
    try:
        producer = KafkaProducer(properties, message_bytes=settings.record_bytes)
    except KafkaUnusable as error:
        return [Finding("problem", SUBJECT, str(error), stops_all=True)]
    try:
        watch = TopicWatch(settings.topic, properties, producer)
        await watch.look()
    finally:
        await producer.close()
    if watch.trouble is not None:
        return [Finding("problem", SUBJECT, watch.trouble, stops_all=True)]
    return _findings(settings, watch)


def _findings(settings: KafkaBufferSettings, watch: TopicWatch) -> list[Finding]:
    assert watch.state is not None
    found = f"topic {settings.topic} has {len(watch.state.partitions)} partitions"
    findings = [Finding("ok", SUBJECT, found)]
    limits, replicas = watch.limits, min(one.replicas for one in watch.state.partitions.values())
    if limits is None:
        seen = "the user may not ask for the topic's settings (DescribeConfigs)"
        cure = "records that are too large are found out when they are refused; or allow it"
        return [*findings, Finding("note", SUBJECT, seen, cure)]
    if limits.record_bytes < settings.record_bytes:
        seen = (
            f"the topic takes records of {limits.record_bytes} bytes, "
            f"record_bytes is {int(settings.record_bytes)}"
        )
        cure = "smaller ones are written; or raise the topic's max.message.bytes"
        findings.append(Finding("note", SUBJECT, seen, cure))
    if replicas == 1 or limits.in_sync_replicas == 1:
        seen = f"an ack means one broker: {replicas} replicas, {limits.in_sync_replicas} in sync"
        cure = "make the topic with three replicas and min.insync.replicas=2"
        findings.append(Finding("warning", SUBJECT, seen, cure))
    return findings
