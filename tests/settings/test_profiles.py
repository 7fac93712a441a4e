"""What is asked of rules in either language."""

from __future__ import annotations

from ptingest.settings.logstash import LogstashSettings
from ptingest.settings.profiles import groups_of, named_services
from tests.support.profile import shipped_profile


def test_a_logstash_config_has_no_groups_and_names_no_service() -> None:
    rules = LogstashSettings(files=(), folder="/")

    assert (groups_of(rules), named_services(rules)) == ((), ())


def test_a_profile_has_them() -> None:
    assert [group.group for group in groups_of(shipped_profile())] == ["pt"]
    assert "django" in named_services(shipped_profile())
