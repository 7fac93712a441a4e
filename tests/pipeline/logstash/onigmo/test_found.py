from __future__ import annotations

from ptingest.pipeline.logstash.onigmo.found import SpannedMatch


def test_a_match_by_places_gives_texts_and_places() -> None:
    found = SpannedMatch("abcd", [(1, 3), (1, 2), (-1, -1)])

    assert (found.group(), found.group(1), found.group(2)) == ("bc", "b", None)
    assert found.groups() == ("b", None)
    assert (found.start(), found.end(), found.start(1), found.end(1)) == (1, 3, 1, 2)
