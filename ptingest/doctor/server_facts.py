"""What a running server tells of itself through its HTTP port."""

from __future__ import annotations

import asyncio
import http.client
import re
import ssl
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ptingest.api.client import read_whole, redirected
from ptingest.settings.api import ApiSettings
from ptingest.settings.strict import split_listen

ASK_SECONDS = 10.0
_BUCKET = re.compile(r'^(\w+)_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)$', re.MULTILINE)
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
"""A server that listens on all addresses is asked on loopback."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The answers of one server at one moment."""

    where: str
    failure: str = ""
    """Why there are none."""
    status: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[tuple[str, ...], float]] = field(default_factory=dict)
    """Name -> label values in the order of their names -> value."""
    buckets: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """Of histograms, added up over all labels: upper bound -> observations up to it."""
    asked_at: float = 0.0
    """Seconds since the epoch."""

    def total(self, name: str, *, by: int | None = None) -> Counter[str]:
        """Add a metric up by one of its labels (in alphabetical order of their names)."""
        found: Counter[str] = Counter()
        for labels, value in self.metrics.get(name, {}).items():
            found["" if by is None else labels[by]] += int(value)
        return found

    def value(self, name: str) -> float:
        """The sum of a metric over all its labels."""
        return sum(self.metrics.get(name, {}).values())


async def ask_server(api: ApiSettings) -> ServerFacts:
    """Ask ``/status`` and ``/metrics``; a server that does not answer is a fact, too."""
    return await asyncio.to_thread(ask_now, api)


def ask_now(api: ApiSettings) -> ServerFacts:
    """As ``ask_server``, for who may wait."""
    host, port = split_listen(api.listen)
    host = ANYWHERE.get(host, host)
    where = f"{'http' if api.tls is None else 'https'}://{host}:{port}"
    try:
        status = orjson.loads(_get(api, host, port, "/status"))
        metrics = _get(api, host, port, "/metrics").decode()
        found, buckets = read_metrics(metrics), read_buckets(metrics)
        if not isinstance(status, dict) or "books" not in status:
            return ServerFacts(where, failure="what answers there is no ptingest")
    # ValueError: no JSON, no UTF-8, no Prometheus text.
    except (OSError, http.client.HTTPException, ValueError) as error:
        return ServerFacts(where, failure=str(error) or type(error).__name__)
    return ServerFacts(where, status=status, metrics=found, buckets=buckets, asked_at=time.time())


def _get(api: ApiSettings, host: str, port: int, path: str) -> bytes:
    if api.tls is None:
        connection = http.client.HTTPConnection(host, port, timeout=ASK_SECONDS)
    else:
        # Its certificate names a host that people know, hardly ever 127.0.0.1.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=ASK_SECONDS, context=context)
    headers = {}
    if api.token is not None:
        headers["authorization"] = f"Bearer {api.token.get_secret_value()}"
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = read_whole(answer)
        elsewhere = redirected(answer, connection, path)
    finally:
        connection.close()
    if elsewhere is not None:
        raise http.client.HTTPException(elsewhere)
    if answer.status != 200:
        raise http.client.HTTPException(f"{path} answers {answer.status}")
    return body


def read_metrics(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Read Prometheus text; of histograms only count and sum."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                labels = tuple(sample.labels[name] for name in sorted(sample.labels))
                found.setdefault(sample.name, {})[labels] = sample.value
    return found


def read_buckets(text: str) -> dict[str, dict[float, float]]:
    """Read the histograms of Prometheus text, added up over all labels but the bound."""
    found: dict[str, dict[float, float]] = {}
    for name, bound, count in _BUCKET.findall(text):
        buckets = found.setdefault(name, {})
        buckets[float(bound)] = buckets.get(float(bound), 0.0) + float(count)
    return found
