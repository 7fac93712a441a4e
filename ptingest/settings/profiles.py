"""The rules for events, in either language."""

from __future__ import annotations

from collections.abc import Sequence

from ptingest.settings.logstash import LogstashSettings
from ptingest.settings.profile import GroupSettings, ProfileSettings

Profile = ProfileSettings | LogstashSettings
"""A profile in YAML, or a ``logstash.conf``."""


def groups_of(profile: Profile) -> Sequence[GroupSettings]:
    """Return the groups of a profile in YAML; a ``logstash.conf`` has none."""
    return profile.groups if isinstance(profile, ProfileSettings) else ()


def named_services(profile: Profile) -> tuple[str, ...]:
    """Return the services that the rules name, each once."""
    return tuple(dict.fromkeys(name for one in groups_of(profile) for name in one.known_services))
