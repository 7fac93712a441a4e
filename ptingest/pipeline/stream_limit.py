"""Limits the number of data streams that peers may create with services that the profile does
not name.

Every legal name is indexed, so any peer that reaches the port could create one data stream an
event, and each one costs the cluster shards permanently. Beyond a group's `max_services` events
become dead letters; data streams that exist already are not affected.
"""

from __future__ import annotations

from ptingest.model.document import DataStream, Document
from ptingest.model.outcome import Processed, Refusal
from ptingest.pipeline.route import stream_names
from ptingest.settings.profile import GroupSettings, ProfileSettings
from ptingest.settings.profiles import Profile

REASON = "too_many_services"
Place = tuple[str, str]
"""Type and namespace, which the data streams of one group share."""


class StreamLimit:
    """The data streams that were begun since the start of this process; it outlives a reload of
    the profile."""

    def __init__(self) -> None:
        self._begun: dict[Place, set[str]] = {}
        self._profile: ProfileSettings | None = None
        self._known: frozenset[str] = frozenset()
        """The data streams of the services that this profile names."""

    def apply(self, processed: Processed, profile: Profile) -> None:
        """Turn documents of data streams beyond a limit into dead letters; a ``logstash.conf`` has
        no such limit."""
        if not isinstance(profile, ProfileSettings):
            return
        if profile is not self._profile:
            self._profile = profile
            self._known = frozenset(one.name for one in stream_names(profile).known)
        # By identity first: the documents of a chunk share a few objects.
        targets = {id(d.target): d.target for d in processed.documents}
        refused = {
            stream.name: limit
            for stream in targets.values()
            if isinstance(stream, DataStream)
            and (limit := self._exceeded(stream, profile)) is not None
        }
        if not refused:
            return
        allowed: list[Document] = []
        for document in processed.documents:
            group = refused.get(document.target.name)
            if group is None:
                allowed.append(document)
            else:
                refusal = Refusal(document, REASON, _detail(document, group))
                processed.dead_letters.append(refusal.letter())
        processed.documents = allowed

    def _exceeded(self, stream: DataStream, profile: ProfileSettings) -> GroupSettings | None:
        """Return the group whose limit excludes this data stream; None when it is allowed."""
        begun = self._begun.setdefault((stream.type, stream.namespace), set())
        if stream.dataset in begun or stream.name in self._known:
            return None
        groups = [group for group in profile.groups if _is_of(stream, group)]
        group = max(groups or profile.groups, key=lambda one: one.max_services)
        if len(begun) >= group.max_services:
            return group
        begun.add(stream.dataset)
        return None


def _is_of(stream: DataStream, group: GroupSettings) -> bool:
    place = group.data_stream
    return (stream.type, stream.namespace) == (place.type, place.namespace)


def _detail(document: Document, group: GroupSettings) -> str:
    return (
        f"{document.target.name!r} would be one data stream more than "
        f"max_services ({group.max_services}) of group {group.group} allows beside "
        "known_services: name the service there, or raise the limit, then requeue"
    )
