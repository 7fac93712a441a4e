"""Fields of MaxMind's records."""

from ptingest.pipeline.logstash.geoip_fields import (
    DATABASES,
    FIELDS,
    chosen_fields,
    geo_values,
)


def test_every_field_of_a_database_has_a_place() -> None:
    for database in DATABASES:
        assert set(database.defaults) | set(database.others) <= set(FIELDS)


def test_a_record_may_lack_everything() -> None:
    values = geo_values({}, ip="1.2.3.4", network="1.0.0.0/8")

    assert {name: value for name, value in values.items() if value is not False} == {
        "ip": "1.2.3.4",
        "network": "1.0.0.0/8",
    }


def test_the_config_chooses_among_the_fields_of_its_database() -> None:
    city, country, *_ = DATABASES

    assert chosen_fields(city, ["isp", "region_code"], has_ecs=True) == ["region_code"]
    assert "region_iso_code" in chosen_fields(city, None, has_ecs=True)
    assert "region_code" in chosen_fields(city, [], has_ecs=False)
    assert chosen_fields(country, None, has_ecs=False) == list(country.defaults)
