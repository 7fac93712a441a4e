"""The filter ``uuid``."""

from uuid import UUID

from tests.pipeline.logstash.running import run_filter


def test_every_event_gets_an_id_of_its_own() -> None:
    ids = {UUID(run_filter('uuid { target => "id" }')["id"]) for _ in range(10)}

    assert len(ids) == 10
    assert {one.version for one in ids} == {4}


def test_a_field_that_is_there_stays_unless_it_may_be_overwritten() -> None:
    assert run_filter('uuid { target => "id" add_tag => "u" }', id="x") == {
        "id": "x",
        "tags": ["u"],
    }
    assert run_filter('uuid { target => "id" overwrite => true }', id="x")["id"] != "x"


def test_the_target_may_come_from_the_event() -> None:
    assert set(run_filter('uuid { target => "%{name}" }', name="n")) == {"name", "n"}
