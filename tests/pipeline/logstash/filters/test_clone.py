"""The filter ``clone``."""

from tests.pipeline.logstash.running import run


def test_a_clone_has_its_name_as_a_tag_and_the_decoration() -> None:
    found = run(
        'filter { clone { clones => ["c1", "%{a}"] add_field => { "x" => "%{a}" } } }', a="1"
    )

    assert found == [
        {"a": "1"},
        {"a": "1", "tags": ["c1"], "x": "1"},
        {"a": "1", "tags": ["%{a}"], "x": "1"},
    ]


def test_without_ecs_a_clone_has_its_name_as_its_type() -> None:
    text = 'filter { clone { clones => ["c1"] ecs_compatibility => "disabled" } }'

    assert run(text, type="t") == [{"type": "t"}, {"type": "c1"}]


def test_filters_that_follow_see_clones_as_events_of_their_own() -> None:
    text = """filter {
      clone { clones => ["audit"] }
      if "audit" in [tags] { mutate { remove_field => ["m"] } } else { drop { } }
    }"""

    assert run(text, m="x", o={"k": 1}) == [{"o": {"k": 1}, "tags": ["audit"]}]
