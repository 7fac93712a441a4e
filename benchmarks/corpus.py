"""Log records of the six services, and the Filebeat events that carry them, from a seed.

The same seed gives the same bytes on every machine. Three shapes come out:

    records()  what an application wrote, with the labels it must get
    events()   those records as Filebeat 8 sends them, about 1 kB of JSON each; small ones, as
               recorded Filebeats without `add_host_metadata` send them, about 600 bytes
    logs       plain files, one a service, for `ptingest send` (python -m benchmarks.corpus DIR)

The labels are written down here by hand, beside the logger, and not computed with the
product's rules, so that a run over this corpus can disagree with them.
"""

from __future__ import annotations

import argparse
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson

SERVICES = ("django", "celery", "celerybeat", "flower", "nginx", "react")
MIX = {"django": 48, "celery": 20, "celerybeat": 4, "flower": 3, "nginx": 20, "react": 5}
"""Events of each service in a hundred."""

START = datetime(2025, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


class Record(NamedTuple):
    """One log record as the application wrote it; ``text`` may hold several lines."""

    text: str
    at: datetime
    level: str | None
    logger: str | None
    stream: str
    app_module: str | None


class Logger(NamedTuple):
    name: str
    stream: str
    app_module: str | None
    messages: tuple[str, ...]


def _app(module: str, names: str, *messages: str) -> list[Logger]:
    return [Logger(name, "app", module, messages) for name in names.split()]


def _framework(stream: str, names: str, *messages: str) -> list[Logger]:
    return [Logger(name, stream, None, messages) for name in names.split()]


def _unknown(names: str, *messages: str) -> list[Logger]:
    return [Logger(name, "unknown", "unknown", messages) for name in names.split()]


DJANGO = [
    *_app(
        "parcels",
        "apps.parcels.views apps.parcels.views apps.parcels.models apps.parcels.serializers "
        "apps.parcels.tracking apps.parcels.labels apps.parcels.events",
        "Parcel {number} created for tenant {tenant} by user {user}",
        "Parcel {number} changed from IN_TRANSIT to DELIVERED in {city} | signed by {person}",
        "GET /api/v1/parcels/?tenant={tenant}&page={page} took {ms} ms, {rows} rows",
        "Label for parcel {number} printed: weight={weight}kg carrier=dhl service=express",
        "Ignored duplicate scan of {number} at depot {city}",
    ),
    *_app(
        "auth",
        "apps.custom_auth.views apps.custom_auth.backends apps.onboarding.views",
        "User {user} logged in from {ip} with session {hex}",
        "Token refresh for user {user} denied: expired {ms} s ago",
        "Invitation sent to {person} for tenant {tenant}",
    ),
    *_app(
        "tenant",
        "apps.tenant_manager.middleware apps.tenant_manager.models",
        "Tenant {tenant} resolved from host {tenant}.parcels.example in {ms} ms",
        "Schema of tenant {tenant} migrated to 0{page}",
    ),
    *_app(
        "notification",
        "apps.notification.email apps.notification.sms apps.notification.push",
        "Mail 'Twoja paczka {number} jest w drodze 📦' sent to {person} ({city})",
        "Nie można wysłać SMS do {person}: próba {page}",
    ),
    *_app(
        "reports",
        "apps.manage_reports.exports",
        "Report {hex} with {rows} rows ready after {ms} ms",
    ),
    *_app(
        "integrations",
        "apps.integrations.dhl apps.integrations.ups apps.integrations.webhooks",
        "POST https://carrier.example/v2/shipments -> 201 in {ms} ms (request {hex})",
        "Webhook of tenant {tenant} answered 503, attempt {page} of 5",
    ),
    *_app(
        "dashboard",
        "apps.dashboard.widgets apps.dashboard.charts",
        "Widget volume for tenant {tenant} computed in {ms} ms",
    ),
    *_app(
        "data_governance",
        "apps.data_governance.retention",
        "Anonymised {rows} rows of tenant {tenant}",
    ),
    *_app(
        "branded",
        "apps.branded.pages",
        "Tracking page of {tenant} rendered for {number} in {ms} ms",
    ),
    *_app(
        "container",
        "apps.container.loading",
        "Container {hex} closed with {rows} parcels in {city}",
    ),
    *_app(
        "harmonization",
        "apps.harmonization.codes",
        "HS code for '{person}' mapped to 8471.30 ({ms} ms)",
    ),
    *_app("logs", "apps.logs.audit", "user={user} action=update object=parcel:{number} ip={ip}"),
    *_app(
        "tasks",
        "apps.cron_tasks.cleanup apps.newmodule.tasks",
        "Removed {rows} stale rows in {ms} ms",
    ),
    *_app(
        "common", "apps.common.cache apps.common.middleware", "Cache miss for key pt:{tenant}:{hex}"
    ),
    *_app("config", "config.settings config.urls", "Feature flag branded_v2 is on for {tenant}"),
    *_framework(
        "django",
        "django.request django.request django.server django.db.backends django.security",
        '"GET /api/v1/parcels/{number}/ HTTP/1.1" 200 {rows}',
        "({ms}) SELECT id, number, status FROM parcels_parcel WHERE tenant_id = {user} LIMIT 21",
        "Internal Server Error: /api/v1/parcels/{number}/events/",
    ),
    *_framework("server", "werkzeug", '{ip} - - "GET /health HTTP/1.1" 200 -'),
    *_framework(
        "aws",
        "boto3.resources.action botocore.credentials botocore.hooks s3transfer.utils",
        "Found credentials in environment variables.",
        "Calling s3:put_object with Bucket=pt-labels Key={tenant}/{number}.pdf",
    ),
    *_framework(
        "network",
        "urllib3.connectionpool",
        "Starting new HTTPS connection ({page}): carrier.example:443",
    ),
    *_framework(
        "system",
        "asyncio PIL.PngImagePlugin root",
        "STREAM b'IDAT' 41 {rows}",
        "Using selector: EpollSelector",
    ),
    *_unknown(
        "gunicorn.error django_extensions.management",
        "Worker {user} booted",
        "Handling signal: term",
    ),
]
CELERY = [
    *_app(
        "tasks",
        "celery.app.trace celery.app.trace celery.worker.strategy celery.worker.consumer",
        "Task apps.parcels.tasks.sync_status[{hex}] succeeded in {seconds}s: {{'updated': {rows}}}",
        "Task apps.notification.tasks.send[{hex}] received",
        "Task apps.integrations.tasks.push[{hex}] retry: Retry in {page}s: ConnectionError('{ip}')",
    ),
    *_app("parcels", "apps.parcels.tasks", "Synchronised {rows} parcels of {tenant} in {ms} ms"),
    *_app("notification", "apps.notification.tasks", "Queued {rows} mails for {tenant}"),
    *_app("reports", "apps.manage_reports.tasks", "Report {hex} for {tenant}: {rows} rows"),
    *_framework(
        "network",
        "urllib3.connectionpool",
        'https://carrier.example:443 "POST /v2/shipments HTTP/1.1" 201 {rows}',
    ),
    *_framework(
        "aws", "botocore.endpoint", "Making request for OperationModel(name=PutObject) ({hex})"
    ),
    *_unknown("kombu.connection", "Connection to broker lost, attempt {page}"),
]
CELERYBEAT = [
    *_app(
        "tasks",
        "celery.beat",
        "Scheduler: Sending due task sync-status (apps.parcels.tasks.sync_status)",
        "Scheduler: Sending due task nightly-report-{page} (apps.manage_reports.tasks.nightly)",
    ),
    *_unknown("django_celery_beat.schedulers", "DatabaseScheduler: Schedule changed."),
]
FLOWER = [
    *_unknown(
        "flower.command flower.mixins tornado.access",
        "200 GET /api/workers ({ip}) {ms}ms",
        "Visit me at http://0.0.0.0:5555",
    ),
    *_app("tasks", "celery.events", "Connected to amqp://guest:**@broker:5672//"),
]
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LEVEL_WEIGHTS = (6, 78, 8, 7, 1)
CITIES = ("Warszawa", "Łódź", "Kraków", "Köln", "São Paulo", "東京", "Paris", "Brno")
PEOPLE = ("a.nowak@example.com", "Żaneta Gęślą", "J. Smith", "o'brien@example.org", "李雷", "Zoë")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15",
    "python-requests/2.32.3",
)
TRACEBACK = """Traceback (most recent call last):
  File "/app/apps/parcels/views.py", line {rows}, in post
    parcel = self.service.create(request.data)
  File "/app/apps/parcels/service.py", line {page}, in create
    raise CarrierError(f"carrier said no to {{number}}")
apps.parcels.errors.CarrierError: carrier said no to {number} in {city}"""


def _values(rng: random.Random) -> dict[str, object]:
    number = rng.getrandbits(40)
    return {
        "number": f"PT{number % 10**10:010d}PL",
        "tenant": f"tenant{number % 37}",
        "user": number % 9_973,
        "page": 1 + number % 5,
        "rows": 1 + number % 1_999,
        "ms": number % 2_503,
        "seconds": f"{number % 9_000 / 1_000:.3f}",
        "weight": f"{number % 300 / 10:.1f}",
        "hex": f"{number:010x}-{number % 65_536:04x}",
        "ip": f"203.0.113.{number % 254 + 1}",
        "city": CITIES[number % len(CITIES)],
        "person": PEOPLE[number // 8 % len(PEOPLE)],
    }


def _python_record(
    loggers: list[Logger], time_text: Callable[[datetime], str]
) -> Callable[[random.Random, datetime], Record]:
    def make(rng: random.Random, at: datetime) -> Record:
        logger = rng.choice(loggers)
        level = rng.choices(LEVELS, LEVEL_WEIGHTS)[0]
        values = _values(rng)
        text = rng.choice(logger.messages).format(**values)
        if level in ("ERROR", "CRITICAL") and rng.random() < 0.6:
            text += "\n" + TRACEBACK.format(**values)
        return Record(
            f"{level}|{logger.name}|{time_text(at)}|{text}",
            at, level, logger.name, logger.stream, logger.app_module,
        )  # fmt: skip

    return make


def _nginx_record(rng: random.Random, at: datetime) -> Record:
    values = _values(rng)
    status = rng.choices((200, 201, 304, 404, 499, 500), (80, 6, 6, 5, 2, 1))[0]
    path = rng.choice(
        ("/api/v1/parcels/{number}/", "/api/v1/parcels/?page={page}", "/static/app.{hex}.js", "/")
    )
    request = f'"GET {path.format(**values)} HTTP/1.1" {status} {values["rows"]}'
    text = f'{values["ip"]} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] {request} "-" "{rng.choice(AGENTS)}"'
    return Record(text, at, None, None, "unknown", "unknown")


def _react_record(rng: random.Random, at: datetime) -> Record:
    values = _values(rng)
    line = {
        "level": rng.choice(("info", "warn", "error")),
        "time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "msg": f"/parcels/{values['number']} rendered in {values['ms']} ms – {values['city']}",
        "component": rng.choice(("ParcelList", "TrackingPage", "LoginForm")),
        "session": values["hex"],
    }
    return Record(orjson.dumps(line).decode(), at, None, None, "unknown", "unknown")


def _dotted(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}"


def _comma(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d}"


def _zulu(at: datetime) -> str:
    return _dotted(at) + "Z"


_MAKERS: dict[str, Callable[[random.Random, datetime], Record]] = {
    "django": _python_record(DJANGO, _dotted),
    "celery": _python_record(CELERY, _comma),
    "celerybeat": _python_record(CELERYBEAT, _comma),
    "flower": _python_record(FLOWER, _zulu),
    "nginx": _nginx_record,
    "react": _react_record,
}


def records(
    service: str,
    count: int,
    seed: int,
    *,
    start: datetime = START,
    step: timedelta = timedelta(milliseconds=137),
) -> Iterator[Record]:
    """``count`` records of one service, ``step`` apart from ``start`` on."""
    rng = random.Random(f"{service}:{seed}")
    make = _MAKERS[service]
    for number in range(count):
        yield make(rng, start + number * step)


def lines(service: str, count: int, seed: int) -> list[str]:
    """The texts of ``records``: one string a record, which may hold several lines."""
    return [record.text for record in records(service, count, seed)]


# --- as Filebeat sends them -------------------------------------------------------------


def _orders(rng: random.Random, fields: dict[str, object], count: int) -> list[bytes]:
    """JSON texts of one object with its keys in several orders, as Go's maps give them."""
    keys = list(fields)
    texts = []
    for _ in range(count):
        rng.shuffle(keys)
        texts.append(orjson.dumps({key: fields[key] for key in keys}))
    return texts


_AGENT: dict[str, object] = {
    "id": "5f0f3a55-2c0e-4a51-9d0e-6a2b8f4f7c11",
    "name": "pt-app-1",
    "type": "filebeat",
    "version": "8.17.3",
    "ephemeral_id": "b1c5ff2e-7a0d-4a4e-8f5a-0d0f6d2f9b77",
}
_HOST: dict[str, object] = {
    "name": "pt-app-1",
    "hostname": "pt-app-1",
    "architecture": "x86_64",
    "containerized": False,
    "id": "0b6d2c9f5f4b4c0e8b6f1d2e3a4b5c6d",
    "ip": ["10.0.3.17", "fe80::215:5dff:fe00:1a2b"],
    "mac": ["00-15-5D-00-1A-2B"],
    "os": {
        "type": "linux",
        "platform": "ubuntu",
        "version": "22.04.4 LTS (Jammy Jellyfish)",
        "family": "debian",
        "name": "Ubuntu",
        "kernel": "5.15.0-105-generic",
        "codename": "jammy",
    },
}
_SMALL_HOST: dict[str, object] = {"name": "pt-app-1"}
"""Of a Filebeat without `add_host_metadata`."""
_METADATA = b'"@metadata":{"beat":"filebeat","type":"_doc","version":"8.17.3"},'


class _Shipper:
    """One log file of one service as a Filebeat reads it: offsets only grow."""

    def __init__(self, service: str, rng: random.Random, *, small: bool = False) -> None:
        self._rng = rng
        self._offset = 0
        self._fixed = [b'"group":"pt"', b'"service":"%b"' % service.encode()]
        self._fixed += [b'"input":{"type":"filestream"}', b'"ecs":{"version":"8.0.0"}']
        self._agent = [b'"agent":' + text for text in _orders(rng, _AGENT, 8)]
        self._host = [
            b'"host":' + text for text in _orders(rng, _SMALL_HOST if small else _HOST, 8)
        ]
        inode = str(1_315_423 + SERVICES.index(service))
        path = f"/var/log/pt/{service}/{service}.log"
        file = {"path": path, "device_id": "64768", "inode": inode}
        self._file = [b'"file":' + text for text in _orders(rng, dict(file), 4)]

    def event(self, record: Record) -> bytes:
        """The record as JSON: the two keys Filebeat writes first, then a random order."""
        rng, text = self._rng, record.text
        log = [b'"offset":%d' % self._offset, rng.choice(self._file)]
        if "\n" in text:
            log.append(b'"flags":["multiline"]')
        rng.shuffle(log)
        self._offset += len(text.encode()) + 1
        fields = [
            b'"message":' + orjson.dumps(text),
            b'"log":{' + b",".join(log) + b"}",
            rng.choice(self._agent),
            rng.choice(self._host),
            *self._fixed,
        ]
        rng.shuffle(fields)
        read = record.at + timedelta(milliseconds=300)
        head = f'{{"@timestamp":"{_zulu(read)}",'.encode()
        return head + _METADATA + b",".join(fields) + b"}"


def events(count: int, seed: int, *, small: bool = False) -> list[bytes]:
    """``count`` events of all six services in the proportions of ``MIX``."""
    rng = random.Random(f"events:{seed}")
    sources = {service: records(service, count, seed) for service in SERVICES}
    shippers = {service: _Shipper(service, rng, small=small) for service in SERVICES}
    order = rng.choices(list(MIX), list(MIX.values()), k=count)
    return [shippers[service].event(next(sources[service])) for service in order]


def stream(
    count: int, seed: int, *, start: datetime, span: timedelta, run: int = 1
) -> Iterator[bytes]:
    """``count`` events in the order of their times, spread over ``span``, made as they are
    asked for; every ``run`` of them come from one service, as windows do."""
    rng = random.Random(f"stream:{seed}")
    shippers = {service: _Shipper(service, rng) for service in SERVICES}
    services, weights = list(MIX), list(MIX.values())
    for number in range(count):
        if number % run == 0:
            service = rng.choices(services, weights)[0]
        at = start + span * (number / count)
        yield shippers[service].event(_MAKERS[service](rng, at))


def window(payloads: list[bytes], compression: int) -> bytes:
    """One Lumberjack v2 window as Filebeat sends it, all in one compressed frame.

    Written out here, so that a measurement of the product's frames owes them nothing.
    """
    frames = b"".join(
        struct.pack(">2sII", b"2J", seq, len(payload)) + payload
        for seq, payload in enumerate(payloads, 1)
    )
    if compression:
        deflated = zlib.compress(frames, compression)
        frames = struct.pack(">2sI", b"2C", len(deflated)) + deflated
    return struct.pack(">2sI", b"2W", len(payloads)) + frames


def write_ndjson(path: Path, count: int, seed: int, *, small: bool = False) -> int:
    """Write ``events`` one a line; returns the bytes written."""
    return path.write_bytes(b"\n".join(events(count, seed, small=small)) + b"\n")


def write_logs(
    folder: Path,
    counts: dict[str, int],
    seed: int,
    *,
    start: datetime = START,
    span: timedelta = timedelta(minutes=5),
) -> dict[str, list[Record]]:
    """Write one plain log file a service, ``SERVICE.log``; returns what was written.

    Each service's records are spread evenly over ``span``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for service, count in counts.items():
        step = span / count
        written[service] = list(records(service, count, seed, start=start, step=step))
        text = "".join(record.text + "\n" for record in written[service])
        (folder / f"{service}.log").write_text(text, encoding="utf-8")
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Write sample logs of the six services.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=40, help="records a service")
    parser.add_argument("--seed", type=int, default=14)
    arguments = parser.parse_args()
    write_logs(arguments.folder, dict.fromkeys(SERVICES, arguments.records), arguments.seed)


if __name__ == "__main__":
    main()
