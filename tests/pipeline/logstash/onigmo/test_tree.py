from __future__ import annotations

from ptingest.pipeline.logstash.onigmo.tree import BadRegex


def test_a_refusal_tells_whether_logstash_would_run_the_expression() -> None:
    assert BadRegex("x", is_unsupported=True).is_unsupported
    assert not BadRegex("x").is_unsupported
    assert str(BadRegex("x")) == "x"
