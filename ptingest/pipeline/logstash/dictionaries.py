"""Dictionary files of the filter ``translate``: YAML, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

Dictionary = dict[str, Any]


def read_dictionary(path: Path) -> Dictionary:
    """Read a dictionary; keys that are no texts never match a value and are left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no dictionary; the message says why.
    """
    text = path.read_text(encoding="utf-8-sig")
    match path.suffix.lower():
        case ".yml" | ".yaml":
            found = _yaml(text)
        case ".json":
            found = json.loads(text, parse_float=Decimal)
        case ".csv":
            found = _csv(text)
        case suffix:
            raise ValueError(f"the name ends in {suffix!r}, must be .yml, .yaml, .json or .csv")
    if not isinstance(found, dict):
        raise ValueError("it holds no pairs of keys and values")
    return {key: value for key, value in found.items() if isinstance(key, str)}


def _yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _csv(text: str) -> Dictionary:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return {row[0]: row[1] if len(row) > 1 else None for row in rows if row}
