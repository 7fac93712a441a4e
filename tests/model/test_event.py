"""Where an event came from."""

from __future__ import annotations

import pytest

from ptingest.model.event import Origin


def test_an_origin_is_a_beat_without_tls_unless_told() -> None:
    origin = Origin("192.0.2.7:51234")

    assert (origin.peer, origin.tls_subject, origin.source) == ("192.0.2.7:51234", None, "beats")


def test_origins_of_one_connection_are_equal_and_cannot_be_changed() -> None:
    origin = Origin("192.0.2.7:51234", tls_subject="CN=web-1")

    assert origin == Origin("192.0.2.7:51234", tls_subject="CN=web-1")
    assert hash(origin) == hash(Origin("192.0.2.7:51234", tls_subject="CN=web-1"))
    with pytest.raises(AttributeError):
        origin.peer = "198.51.100.1:1"  # type: ignore[misc]
