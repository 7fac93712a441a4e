"""A statement's end when its time is up, wherever in its work it is.

SQLite asks between its own instructions, words are looked for a stretch at a time; nothing
else takes long. Time may be up for one part of an answer and be wound up anew for the next.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INSTRUCTIONS = 20_000
"""SQLite's own, between two questions: a millisecond or less."""


class TimeIsUp(Exception):
    """The statement was ended; what it found is not whole."""


@contextmanager
def deadline(connection: sqlite3.Connection, is_time_up: Callable[[], bool]) -> Iterator[None]:
    """End any statement within when time is up.

    Raises:
        TimeIsUp: one was.
    """
    connection.set_progress_handler(is_time_up, INSTRUCTIONS)
    try:
        yield
    except sqlite3.OperationalError as error:
        if is_time_up():
            raise TimeIsUp from error
        raise
    finally:
        connection.set_progress_handler(None, INSTRUCTIONS)
