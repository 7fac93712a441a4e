"""What every pipeline offers."""

from __future__ import annotations

from pathlib import Path

from ptingest.pipeline.compile import compile_profile
from ptingest.pipeline.pipeline import Pipeline, as_it_came
from ptingest.settings.logstash import load_logstash
from tests.support.profile import shipped_profile


def test_both_languages_give_a_pipeline(tmp_path: Path) -> None:
    config = tmp_path / "a.conf"
    config.write_text("filter { drop {} }")

    both: list[Pipeline] = [
        compile_profile(shipped_profile()),
        compile_profile(load_logstash(config, {})),
    ]

    assert [pipeline.is_for("pt") for pipeline in both] == [True, True]
    assert [pipeline.is_for(None) for pipeline in both] == [False, True]
    assert [pipeline.explain(b"[]", now_ns=1).reason for pipeline in both] == ["not_an_object"] * 2


def test_an_event_that_is_not_decoded_is_one_letter_of_no_known_service() -> None:
    done = as_it_came(b"x", peer="192.0.2.7:1", reason="event_too_large", detail="too large")

    (letter,) = done.dead_letters
    assert (letter.payload, letter.reason, letter.service) == (b"x", "event_too_large", "other")
    assert done.received == {"other": 1}
