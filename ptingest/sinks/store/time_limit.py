"""How long one transaction of maintenance may take: batches wait for it, whatever lies in it.

What takes longer is interrupted and rolled back, and the next one takes fewer documents; one
document alone is never interrupted, so that maintenance always goes on.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ptingest.sinks.store.schema import transaction

SECONDS = 0.5
AGAIN_SECONDS = 0.01
"""Between two interruptions, once the time is up."""
FEWER, MORE = 4, 2
"""After an interruption the number of documents is divided by ``FEWER``, after a quick round
multiplied by ``MORE``."""
QUICK = 0.25
"""A round that took no more than this share of the time limit is quick."""


class TookTooLong(Exception):
    """A statement was interrupted, and its transaction rolled back."""


@contextmanager
def limited(connection: sqlite3.Connection, seconds: float = SECONDS) -> Iterator[None]:
    """Interrupt whatever statement runs after so many seconds.

    SQLite looks for the interruption between two rows, so a row must not take long by itself.

    Raises:
        TookTooLong: one was interrupted.
    """
    is_over = threading.Event()

    def interrupt() -> None:
        # SQLite forgets an interruption that comes between two statements: so again and again.
        wait = seconds
        while not is_over.wait(wait):
            connection.interrupt()
            wait = AGAIN_SECONDS

    thread = threading.Thread(target=interrupt, name="store-time-limit", daemon=True)
    thread.start()
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            raise TookTooLong from error
        raise
    finally:
        is_over.set()
        thread.join()


class Portion:
    """How many documents one transaction takes of something that is done bit by bit."""

    def __init__(self, documents: int, *, most: int, seconds: float = SECONDS) -> None:
        self.documents, self._most, self._seconds = documents, most, seconds

    def take(self, connection: sqlite3.Connection, work: Callable[[int], None]) -> bool:
        """Have ``work`` done for so many documents; False where nothing was done for lack of
        time."""
        if self.documents == 1:
            with transaction(connection):
                work(1)
            self.documents = MORE
            return True
        began = time.monotonic()
        try:
            # The limit ends before the transaction: a rollback must not be interrupted.
            with transaction(connection), limited(connection, self._seconds):
                work(self.documents)
        except TookTooLong:
            self.documents = max(1, self.documents // FEWER)
            return False
        if time.monotonic() - began < QUICK * self._seconds:
            self.documents = min(self._most, self.documents * MORE)
        return True
