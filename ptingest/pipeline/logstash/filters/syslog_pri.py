"""The filter ``syslog_pri``: a syslog priority becomes facility and severity."""

from __future__ import annotations

from ptingest.pipeline.logstash.conversions import ruby_integer
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import reader, writer
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option
from ptingest.pipeline.logstash.values import FieldError, Value, ruby_text

_FACILITIES = [
    "kernel", "user-level", "mail", "daemon", "security/authorization", "syslogd", "line printer",
    "network news", "uucp", "clock", "security/authorization", "ftp", "ntp", "log audit",
    "log alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
]  # fmt: skip
_SEVERITIES = [
    "emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug",
]  # fmt: skip
OPTIONS = (
    Option("syslog_pri_field_name"),
    Option("use_labels", "boolean", True),
    Option("facility_labels", "array", _FACILITIES),
    Option("severity_labels", "array", _SEVERITIES),
)
_ECS_FIELDS = (
    "[log][syslog][priority]", "[log][syslog][facility][code]", "[log][syslog][severity][code]",
    "[log][syslog][facility][name]", "[log][syslog][severity][name]",
)  # fmt: skip
_FIELDS = (
    "syslog_pri", "syslog_facility_code", "syslog_severity_code", "syslog_facility",
    "syslog_severity",
)  # fmt: skip
_USER_NOTICE = 13


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; without a priority it takes 13, user-level notice."""
    options, matched = setup.options, setup.matched
    names = list(_ECS_FIELDS if setup.has_ecs else _FIELDS)
    names[0] = options["syslog_pri_field_name"] or names[0]
    read = reader(names[0])
    write_facility_code, write_severity_code, write_facility, write_severity = map(
        writer, names[1:]
    )
    has_labels = options["use_labels"]
    facilities, severities = options["facility_labels"], options["severity_labels"]

    def syslog_pri(event: Event) -> None:
        priority = _priority(read(event))
        facility, severity = priority >> 3, priority & 7
        write_facility_code(event, facility)
        write_severity_code(event, severity)
        if has_labels and facility >= len(facilities):
            event.tag("_syslogpriparsefailure")
        elif has_labels:
            # A negative code counts from the end of the labels.
            if -len(facilities) <= facility:
                write_facility(event, facilities[facility])
            if severity < len(severities):
                write_severity(event, severities[severity])
        matched(event)

    return syslog_pri


def _priority(value: Value) -> int:
    if value is MISSING or value is None:
        return _USER_NOTICE
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, (bool, dict, list)):
        raise FieldError(f"syslog_pri: {ruby_text(value)} is no priority")
    return int(value) if isinstance(value, (int, float)) else ruby_integer(ruby_text(value))
