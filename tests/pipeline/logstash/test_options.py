"""Options of plugins, and errors with a place."""

from ptingest.pipeline.logstash.options import Options
from ptingest.pipeline.logstash.tree import Place


def test_an_error_names_the_place_of_its_option() -> None:
    options = Options("grok", Place("a.conf", 1, 3), {"match": 5}, {"match": Place("a.conf", 2, 7)})
    assert str(options.refuse("what", "match")) == "a.conf:2:7: grok: what"
    assert str(options.refuse("what")) == "a.conf:1:3: grok: what"
    assert options["match"] == 5
    assert options.is_set("match")
    assert not options.is_set("other")
