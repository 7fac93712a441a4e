"""A file that a filter reads at the start and again when it has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from ptingest.pipeline.logstash.options import FilterSetup
from ptingest.pipeline.logstash.values import NANOS

Content = TypeVar("Content")


class RefreshedFile(Generic[Content]):
    """What a file holds; ``refresh_interval`` seconds after the last look it is looked at again.

    The clock is that of the events. A change that cannot be read is reported, and what was read
    before stays.
    """

    def __init__(
        self,
        setup: FilterSetup,
        option: str,
        read: Callable[[Path], Content],
        *,
        join: Callable[[Content, Content], Content] | None = None,
    ) -> None:
        """Read the file.

        Args:
            setup: of the filter; relative paths begin at its folder.
            option: the name of the option with the path.
            read: makes something of the file; ValueError or OSError when it cannot.
            join: makes the new content of the one before and the one read; None: it replaces.

        Raises:
            RefusedConfig: the file cannot be read.
        """
        self._path = setup.folder / setup.options[option]
        self._read, self._join, self._report = read, join, setup.report
        self._interval = int(setup.options["refresh_interval"] * NANOS)
        self._next: int | None = None
        try:
            self._state = self._look()
            self._content = read(self._path)
        except (OSError, ValueError) as error:
            raise setup.options.refuse(f"{self._path} cannot be read: {error}", option) from error

    def content(self, now_ns: int) -> Content:
        """Return what the file holds; ``now_ns`` is nanoseconds since 1970."""
        if self._next is None:
            self._next = now_ns + self._interval
        elif now_ns >= self._next and self._interval > 0:
            self._next = now_ns + self._interval
            self._refresh()
        return self._content

    def _refresh(self) -> None:
        try:
            state = self._look()
            if state == self._state:
                return
            content = self._read(self._path)
            if self._join is not None:
                content = self._join(self._content, content)
        except (OSError, ValueError) as error:
            self._report(f"{self._path} cannot be read, its last content stays in use: {error}")
            return
        self._state, self._content = state, content

    def _look(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
