"""The data streams that a profile can write to, as patterns and by known service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class KnownStream(NamedTuple):
    """The data stream of a service that the profile knows by name."""

    service: str
    name: str
    """``logs-django-pt``."""
    pattern: str
    """``logs-*-pt``, the pattern of its group."""


@dataclass(frozen=True, slots=True)
class StreamNames:
    """What templates, roles, views and questions to Elasticsearch name."""

    patterns: tuple[str, ...]
    """``logs-*-pt``; one for each type and namespace of the groups, in their order."""
    known: tuple[KnownStream, ...] = ()

    @property
    def joined(self) -> str:
        """All patterns as one target of a request or a data view, and for people."""
        return ",".join(self.patterns)

    @property
    def examples(self) -> tuple[str, ...]:
        """A data stream of each pattern, where one has to be named."""
        first = {one.pattern: one.name for one in reversed(self.known)}
        return tuple(first.get(one, one.replace("*", "any")) for one in self.patterns)

    @property
    def services(self) -> tuple[str, ...]:
        """Every known service once."""
        return tuple(dict.fromkeys(one.service for one in self.known))

    def of_service(self, service: str) -> tuple[str, ...]:
        """The data streams of one service: one for each namespace that knows it."""
        return tuple(one.name for one in self.known if one.service == service)

    def of_pattern(self, pattern: str) -> tuple[str, ...]:
        """The data streams of known services that a pattern covers."""
        return tuple(one.name for one in self.known if one.pattern == pattern)
