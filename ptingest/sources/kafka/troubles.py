"""Why a source of Kafka reads nothing, or not all, in a sentence each; changes are logged once."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ptingest.kafka.polled import Problem
from ptingest.kafka.statistics import ClientStatistics
from ptingest.kafka.topic import MISSING
from ptingest.model.contracts import Clock

log = logging.getLogger(__name__)

LATE_COMMITS_SECONDS = 30.0
"""Commits that fail for longer than this are a trouble."""
JOIN_SECONDS = 10.0
"""A member that waits longer than this to be let into its group reads nothing: a trouble."""
LEFT = "_MAX_POLL_EXCEEDED"
BROKERS, GROUP = "brokers", "group"
ALL = ""
"""Stands for all topics where a trouble is not of one."""


class SourceTroubles:
    """Those of one member of a group."""

    def __init__(self, group: str, clock: Clock) -> None:
        self._group, self._clock = group, clock
        self._problems: dict[str, str] = {}
        """What is wrong, by topic or for all; a sentence each."""
        self._committed_at = clock.monotonic()
        self.commit_error: str | None = None
        """Why offsets are not committed; None where they are."""
        self._joins_since: float | None = None
        self._logged = ""
        """What of brokers and group was logged last; "" where they let this member read."""

    # -- what happens ---------------------------------------------------------------------

    def joins(self) -> None:
        """The member holds nothing, and joins its group."""
        self._joins_since = self._clock.monotonic()

    def joined(self) -> None:
        """The group is agreed on what this member reads, which may be nothing."""
        self._joins_since = None
        self._problems.pop(ALL, None)

    def ended(self, error: Exception) -> None:
        """The consumer is of no use any more."""
        self._problems[ALL] = f"the consumer ended: {error}"

    def committed(self, error: str | None) -> None:
        """Offsets were committed, or there were none to commit; or why they were not."""
        if error is None:
            self._committed_at = self._clock.monotonic()
        if error is not None and self.commit_error is None:
            log.warning("offsets are not committed (%s); trying again", error)
        elif error is None and self.commit_error is not None:
            log.info("offsets are committed again")
        self.commit_error = error

    def note(self, problem: Problem) -> None:
        """Keep what the brokers say of the group."""
        if problem.name == LEFT:
            log.error("this member was put out of its group (%s); it joins again", problem.detail)
            return
        said = f"{problem.name}: {problem.detail}"
        self._set({**self._problems, ALL: f"group {self._group} cannot be used ({said})"})

    def note_topics(self, unread: Mapping[str, Problem]) -> None:
        """Keep what the brokers say of topics that are subscribed to by name."""
        of_all = self._problems.get(ALL)
        problems = {} if of_all is None else {ALL: of_all}
        for topic, problem in unread.items():
            problems[topic] = f"topic {topic} cannot be read ({problem.name}: {problem.detail})"
            if problem.name in MISSING:
                problems[topic] = f"topic {topic} does not exist; it is read when it is made"
        self._set(problems)

    def look(self, statistics: ClientStatistics) -> None:
        """Log when brokers or the group begin to keep this member from reading, and when brokers
        answer again; what a group deals out is logged by whoever gets it."""
        kind, sentence = self._kept_by(statistics)
        if kind != self._logged:
            if sentence is not None:
                log.warning("%s", sentence)
            elif self._logged == BROKERS:
                log.info("brokers answer again")
            self._logged = kind

    def _set(self, problems: dict[str, str]) -> None:
        for sentence in problems.values():
            if sentence not in self._problems.values():
                log.warning("%s", sentence)
        self._problems = problems

    # -- told -----------------------------------------------------------------------------

    def sentences(self, statistics: ClientStatistics | None) -> list[str]:
        """Return all of them; empty where all is well."""
        found = [None if statistics is None else self._kept_by(statistics)[1]]
        late = self._clock.monotonic() - self._committed_at
        if self.commit_error is not None and late > LATE_COMMITS_SECONDS:
            found.append(f"no offset was committed for {late:.0f} s ({self.commit_error})")
        return [one for one in (*found, *self._problems.values()) if one]

    def _kept_by(self, statistics: ClientStatistics) -> tuple[str, str | None]:
        """Who keeps this member from reading, and the sentence about it."""
        if statistics.trouble is not None:
            return BROKERS, statistics.trouble
        sentence = self._joining() if statistics.is_joining else None
        return ("" if sentence is None else GROUP), sentence

    def _joining(self) -> str | None:
        if self._joins_since is None:
            return None
        waits = self._clock.monotonic() - self._joins_since
        if waits < JOIN_SECONDS:
            return None
        return (
            f"group {self._group} has not let this member in for {waits:.0f} s; it waits for its "
            "coordinator, for members that finish what is under way, or for ones that were killed, "
            "until their session ends (session_seconds)"
        )
