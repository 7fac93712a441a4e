"""Times that Joda-Time 2.10 and java.time of Java 17 read and printed, recorded by running them.

``joda_read``: pattern, locale, zone, text, milliseconds or null; in 2026. ``joda_print`` and
``java_print``: pattern, milliseconds, text in UTC and English, or null for a refused pattern.
``iso_read``: zone, text, milliseconds or null.
"""

import json
from pathlib import Path
from typing import Any

RECORDED: dict[str, list[Any]] = json.loads(
    Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
)
