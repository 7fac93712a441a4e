"""Metric labels of services that no rule names.

A ``logstash.conf`` has no list of services, and a label must come from a bounded set: the first
services that are seen have a label of their own, all further ones are ``other``.
"""

from __future__ import annotations

import re

from ptingest.pipeline.pipeline import OTHER

MOST_LABELS = 64
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch


class LearnedLabels:
    """The services seen so far, in order; a container of those that have a label."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}

    def __contains__(self, service: object) -> bool:
        """Whether a service has a label; a new one gets it while there is room."""
        if service in self._known:
            return True
        if len(self._known) >= MOST_LABELS or not isinstance(service, str) or not _PLAIN(service):
            return False
        self._known[service] = None
        return True

    def label_of(self, service: object) -> str:
        """Return the label of a service's value in an event."""
        return service if isinstance(service, str) and service in self else OTHER

    @property
    def services(self) -> tuple[str, ...]:
        """Services that have a label."""
        return tuple(self._known)
