"""The filter ``cidr``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ptingest.pipeline.logstash.event import new_event
from ptingest.pipeline.logstash.filters.cidr import network_of
from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import program, run_filter

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("options", "fields", "is_in"),
    [
        ('address => ["%{ip}"] network => ["10.0.0.0/8"]', {"ip": "10.1.2.3"}, True),
        ('address => ["%{ip}"] network => ["10.0.0.0/8"]', {"ip": "11.1.2.3"}, False),
        ('address => ["%{ip}"] network => ["10.0.0.0/8", "::1/128"]', {"ip": "::1"}, True),
        ('address => ["%{ip}"] network => ["10.0.0.0/8"]', {"ip": "bad"}, False),
        ('address => ["%{ip}"] network => ["10.0.0.0/8"]', {}, False),
        ('address => ["%{ip}", "%{b}"] network => ["1.1.1.1"]', {"ip": "x", "b": "1.1.1.1"}, True),
        (
            'address => "%{ip}" network => ["%{n}"]',
            {"ip": "9.9.9.9", "n": "1.1.1.1, 9.0.0.0/8"},
            True,
        ),
        ('address => "%{ip}" network => ["1.1.1.1,9.0.0.0/8"]', {"ip": "9.9.9.9"}, True),
        ('address => "%{ip}" network => ["bad/99"]', {"ip": "9.9.9.9"}, False),
        ('address => "%{ip}"', {"ip": "9.9.9.9"}, False),
    ],
)
def test_an_address_lies_in_a_network(options: str, fields: dict[str, Any], is_in: bool) -> None:
    found = run_filter(f'cidr {{ {options} add_tag => "in" }}', **fields)

    assert found == {**fields, **({"tags": ["in"]} if is_in else {})}


def test_networks_of_a_file_are_read_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "networks"
    path.write_text("10.0.0.0/8\n\n# bad\n")
    run = program(
        f'filter {{ cidr {{ address => "%{{ip}}" network_path => "{path}" refresh_interval => 60 '
        'add_tag => "in" } }'
    )

    tags = []
    for seconds in (0, 30, 61, 122):
        event = new_event({"ip": "11.1.1.1"}, now_ns=seconds * SECOND)
        run.run(event)
        tags.append(event.fields.get("tags"))
        if seconds == 0:
            path.write_text("11.0.0.0/8\n")
            os.utime(path, (1, 1))
        elif seconds == 61:
            path.write_text("")

    assert tags == [None, None, ["in"], ["in"]]
    assert "networks cannot be read, its last content stays in use: it is empty" in (
        run.plugins[0].last_error
    )


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ('network_path => "/nowhere/networks"', "networks cannot be read"),
        ('network_path => "/x" network => ["::1"]', "exclude each other"),
    ],
)
def test_what_cannot_be_is_refused(options: str, sentence: str) -> None:
    with pytest.raises(RefusedConfig, match=sentence):
        run_filter(f'cidr {{ address => "%{{ip}}" {options} }}')


def test_bits_of_a_host_do_not_count() -> None:
    assert str(network_of("10.1.2.3/8")) == "10.0.0.0/8"
    assert network_of("10.1.2") is None
