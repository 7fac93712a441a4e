"""What an event goes through."""

from ptingest.pipeline.logstash.event import new_event
from tests.pipeline.logstash.running import program


def test_conditions_and_filters_are_named_in_order() -> None:
    config = """filter {
  if [a] == "x" { mutate { add_tag => ["t"] } }
  else if [a] { drop { } }
  if [a] > 5 { }
}"""

    def passages(value: object) -> list[tuple[int, str, str]]:
        told = program(config).explain(new_event({"a": value}, now_ns=0))
        return [(one.place.line, one.text, one.outcome) for one in told.passages]

    assert passages("x") == [
        (2, 'if [a] == "x"', "true"),
        (2, "mutate", "tagged t"),
        (4, "if [a] > 5", "error, event dropped: a string and a number cannot be compared by >"),
    ]
    assert passages(1) == [
        (2, 'if [a] == "x"', "false"),
        (3, "if [a]", "true"),
        (3, "drop", "dropped"),
    ]
