"""A store with tallied segments, for tests that compare counts: small documents, many."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

from ptingest.kql.columns import lift
from ptingest.sinks.store.maintenance import extend_index, extend_tally
from ptingest.sinks.store.rollup import SEGMENT
from ptingest.sinks.store.schema import COLUMNS, open_writer, transaction

LEVELS = ("DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR", None)
SERVICES = ("django", "celery", "nginx")
PATIENCE_SECONDS = 60.0
"""On a busy machine a segment may take longer than a server would give it."""
WORDS = ("parcel created", "carrier said no", "timeout", "parcel lost")


def bodies(count: int, seed: int) -> list[dict[str, object]]:
    """Documents of two hours, nearly in the order of their times; some have none."""
    rng = random.Random(seed)
    made: list[dict[str, object]] = []
    for number in range(count):
        second = max(0, int(7200 * number / count) + rng.randrange(-40, 40))
        body: dict[str, object] = {
            "service": rng.choice(SERVICES),
            "stream": "app",
            "logger_name": f"apps.{rng.randrange(5)}",
            "message": rng.choice(WORDS),
            "number": number,
        }
        if rng.random() > 0.01:
            body["@timestamp"] = (
                f"2025-01-02T0{second // 3600}:{second // 60 % 60:02d}:{second % 60:02d}.500Z"
            )
        if (level := rng.choice(LEVELS)) is not None:
            body["log_level"] = level
        made.append(body)
    return made


def store(path: Path, *, segments: int, more: int, seed: int = 1) -> sqlite3.Connection:
    """Return a writer of a store with so many full segments and ``more`` documents.

    The first segment lost its first documents, so its tally too; the last document, if it is
    in no segment, holds a list.
    """
    connection = open_writer(path)
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    sql = f"INSERT INTO documents ({names}) VALUES ({', '.join('?' * len(COLUMNS))})"
    made = bodies(segments * SEGMENT + more, seed)
    if more:
        made[-1]["service"] = ["django", "edge"]
    for start in range(0, len(made), SEGMENT):
        encoded = [json.dumps(body).encode() for body in made[start : start + SEGMENT]]
        with transaction(connection):
            connection.executemany(
                sql,
                [
                    ("2025-01-01T00:00:00.000Z", "logs-a-pt", None, *lift(body), body.decode())
                    for body in encoded
                ],
            )
        extend_tally(connection, seconds=PATIENCE_SECONDS)
    extend_index(connection, 1)
    connection.execute("DELETE FROM documents WHERE id <= 3")
    return connection
