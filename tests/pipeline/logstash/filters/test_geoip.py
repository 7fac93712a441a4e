"""The filter ``geoip``, on databases made here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from ptingest.pipeline.logstash.options import RefusedConfig
from tests.pipeline.logstash.running import run_filter
from tests.support.mmdb import database

pytest.importorskip("maxminddb", reason="the extra geoip is not installed")

SEATTLE = {
    "city": {"names": {"en": "Seattle", "de": "Siettel"}},
    "continent": {"code": "NA", "names": {"en": "North America"}},
    "country": {"iso_code": "US", "names": {"en": "United States"}},
    "location": {
        "latitude": 47.5, "longitude": -122.25, "metro_code": 819,
        "time_zone": "America/Los_Angeles",
    },
    "postal": {"code": "98106"},
    "subdivisions": [{"iso_code": "XX"}, {"iso_code": "WA", "names": {"en": "Washington"}}],
}  # fmt: skip
IN_ECS = {
    "ip": "12.34.56.78",
    "mmdb": {"dma_code": 819},
    "geo": {
        "city_name": "Seattle", "continent_code": "NA", "country_name": "United States",
        "country_iso_code": "US", "postal_code": "98106", "region_name": "Washington",
        "region_iso_code": "US-WA", "timezone": "America/Los_Angeles",
        "location": {"lat": 47.5, "lon": -122.25},
    },
}  # fmt: skip
NOT_FOUND = ["_geoip_lookup_failure"]


@pytest.fixture
def city(tmp_path: Path) -> Path:
    path = tmp_path / "city.mmdb"
    records = {
        "12.34.0.0/16": SEATTLE,
        "2001:db8::/32": {"location": {"latitude": 1.0, "longitude": 2.0}},
        "10.0.0.0/8": {"country": {"iso_code": "ZZ"}},
    }
    path.write_bytes(database("GeoLite2-City", records))
    return path


def run(path: Path, options: str, **fields: Any) -> dict[str, Any]:
    return run_filter(f'geoip {{ database => "{path}" {options} }}', **fields)


def test_an_address_has_a_place(city: Path) -> None:
    found = run(city, 'source => "[client][ip]" add_tag => "ok"', client={"ip": "12.34.56.78"})

    assert found == {"client": IN_ECS, "tags": ["ok"]}


def test_without_ecs_the_fields_are_flat(city: Path) -> None:
    found = run(city, 'source => "a" ecs_compatibility => "disabled"', a=["12.34.56.78", "x"])

    assert found["geoip"] == {
        "ip": "12.34.56.78", "city_name": "Seattle", "continent_code": "NA",
        "country_name": "United States", "country_code2": "US", "country_code3": "US",
        "postal_code": "98106", "dma_code": 819, "region_name": "Washington",
        "region_code": "WA", "timezone": "America/Los_Angeles",
        "location": {"lat": 47.5, "lon": -122.25}, "latitude": 47.5, "longitude": -122.25,
    }  # fmt: skip


def test_an_address_of_version_6_is_written_out_as_java_does(city: Path) -> None:
    found = run(city, 'source => "a" target => "t" fields => ["ip", "latitude"]', a="2001:db8::1")

    assert found["t"] == {"ip": "2001:db8:0:0:0:0:0:1", "geo": {"location": {"lat": 1.0}}}


@pytest.mark.parametrize("address", ["11.1.1.1", "10.1.1.1", "nonsense", " 12.34.56.78", "::2"])
def test_what_is_not_found_is_tagged_and_leaves_an_empty_target(city: Path, address: str) -> None:
    found = run(city, 'source => "a" target => "t" add_tag => "ok"', a=address)

    assert found == {"a": address, "t": {}, "tags": NOT_FOUND}


@pytest.mark.parametrize("fields", [{}, {"a": None}, {"a": " "}, {"a": []}])
def test_without_an_address_there_is_the_tag_alone(city: Path, fields: dict[str, Any]) -> None:
    assert run(city, 'source => "a" target => "t"', **fields) == {**fields, "tags": NOT_FOUND}


def test_events_do_not_share_a_location(city: Path) -> None:
    text = 'source => "a" target => "t" fields => ["location"]'

    first = run(city, text, a="12.34.56.78")
    first["t"]["geo"]["location"]["lat"] = 0

    assert run(city, text, a="12.34.56.78")["t"]["geo"]["location"]["lat"] == 47.5


@pytest.mark.parametrize(
    ("kind", "record", "found"),
    [
        (
            "GeoLite2-ASN",
            {"autonomous_system_number": 98765, "autonomous_system_organization": "Elastic"},
            {"ip": "1.2.3.4", "as": {"number": 98765, "organization": {"name": "Elastic"}}},
        ),
        (
            "GeoLite2-Country",
            {"country": {"iso_code": "DE", "names": {"en": "Germany"}}},
            {"ip": "1.2.3.4", "geo": {"country_iso_code": "DE", "country_name": "Germany"}},
        ),
        ("GeoIP2-Domain", {"domain": "example.com"}, {"domain": "example.com"}),
        (
            "GeoIP2-ISP",
            {"isp": "I", "organization": "O"},
            {"ip": "1.2.3.4", "mmdb": {"isp": "I", "organization": "O"}},
        ),
        (
            "GeoIP2-Anonymous-IP",
            {"is_anonymous": True},
            {
                "ip_traits": {
                    "anonymous": True, "anonymous_vpn": False, "hosting_provider": False,
                    "public_proxy": False, "residential_proxy": False, "tor_exit_node": False,
                }
            },
        ),
    ],
)  # fmt: skip
def test_other_databases(
    tmp_path: Path, kind: str, record: dict[str, Any], found: dict[str, Any]
) -> None:
    path = tmp_path / "other.mmdb"
    path.write_bytes(database(kind, {"1.2.0.0/16": record}))

    assert run(path, 'source => "a" target => "t"', a="1.2.3.4")["t"] == found


def test_the_network_of_a_record(tmp_path: Path) -> None:
    path = tmp_path / "asn.mmdb"
    path.write_bytes(database("GeoLite2-ASN", {"1.2.0.0/15": {"x": 1}}, version=4))

    found = run(path, 'source => "a" target => "t" fields => ["network"]', a="::ffff:1.3.4.5")
    none = run(path, 'source => "a" target => "t"', a="2001:db8::1")

    assert found["t"] == {"ip_traits": {"network": "1.2.0.0/15"}}
    assert none["tags"] == NOT_FOUND


def test_what_is_no_text_is_an_error(city: Path) -> None:
    assert run(city, 'source => "a" target => "t"', a=5) == {"a": 5, "tags": ["_filter_error"]}


@pytest.mark.parametrize(
    ("options", "sentence", "is_unsupported"),
    [
        ('source => "a"', "Logstash would download a database", True),
        ('source => "a" database => "/nowhere/x.mmdb"', "x.mmdb cannot be read", False),
        ('source => "a" database => "BAD"', "cannot be read", False),
        ('source => "a" database => "ODD"', "is of the type 'GeoIP2-Odd'", False),
        ('source => "a" database => "CITY"', "it needs a target", False),
        ('source => "[ip]" database => "CITY"', "it needs a target", False),
        ('source => "a" target => "t" database => "CITY" fields => ["x"]', "no field 'x'", False),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, city: Path, options: str, sentence: str, is_unsupported: bool
) -> None:
    (tmp_path / "bad").write_bytes(b"nothing")
    (tmp_path / "odd").write_bytes(database("GeoIP2-Odd", {"1.0.0.0/8": {}}))
    for name, path in (("BAD", "bad"), ("ODD", "odd"), ("CITY", "city.mmdb")):
        options = options.replace(name, str(tmp_path / path))

    with pytest.raises(RefusedConfig, match=sentence) as caught:
        run_filter(f"geoip {{ {options} }}")

    assert caught.value.is_unsupported is is_unsupported


def test_without_the_package_the_cure_is_named(city: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "maxminddb", None)

    with pytest.raises(RefusedConfig, match=r'pip install "ptingest\[geoip\]"') as caught:
        run(city, 'source => "a"')
    assert caught.value.is_unsupported
