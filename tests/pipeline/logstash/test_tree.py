"""The parsed form of a config."""

from ptingest.pipeline.logstash.tree import Place, Text


def test_nodes_are_equal_wherever_they_stand() -> None:
    assert Text("a", Place("x.conf", 1, 1)) == Text("a", Place("y.conf", 2, 5), is_bare=True)


def test_a_place_is_written_as_editors_read_it() -> None:
    assert str(Place("x.conf", 12, 4)) == "x.conf:12:4"
