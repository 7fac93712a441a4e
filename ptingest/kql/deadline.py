"""Ends a statement when its time is up.

SQLite calls the check between its own instructions, and the search for words calls it after
each part of a text; nothing else takes long. The deadline may end one part of an answer and be
set again for the next part.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INSTRUCTIONS = 20_000
"""SQLite's instructions between two checks: a millisecond or less."""


class TimeIsUp(Exception):
    """The statement was ended; its result is incomplete."""


@contextmanager
def deadline(connection: sqlite3.Connection, is_time_up: Callable[[], bool]) -> Iterator[None]:
    """End every statement in the block when time is up.

    Raises:
        TimeIsUp: a statement was ended.
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
