"""Dead letters on disk, as an earlier run would have left them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ptingest.dead_letters.queue import encode_letter, read_letters
from ptingest.model.letters import LetterFilter
from ptingest.model.outcome import DeadLetter
from tests.support.raw_peer import event

EVERYTHING = LetterFilter(everything=True)
NAME = "20261101T000000.000000Z-1-0001.ndjson"


def letter(number: int, *, payload: bytes | None = None, key: str | None = None) -> DeadLetter:
    return DeadLetter(
        reason="template_missing",
        detail="there was none",
        payload=event(f"INFO|root|2025-01-02T03:04:05Z|n{number}") if payload is None else payload,
        service="django",
        peer="192.0.2.7:51234",
        data_stream="logs-django-pt",
        key=key,
    )


def file_letters(data_dir: Path, letters: Sequence[DeadLetter]) -> list[str]:
    """Put letters on disk as an earlier run would have; return their ids."""
    directory = data_dir / "dead_letters"
    directory.mkdir(parents=True, exist_ok=True)
    ids = [f"{number:026d}" for number in range(len(letters))]
    lines = [
        encode_letter(one, letter_id=letter_id, time="2026-11-01T00:00:00.000Z")
        for one, letter_id in zip(letters, ids, strict=True)
    ]
    (directory / NAME).write_bytes(b"".join(lines))
    return ids


def waiting(data_dir: Path) -> list[str]:
    return [stored.letter.reason for stored in read_letters(data_dir / "dead_letters")]
