"""Where an event came from."""

from __future__ import annotations

import pytest

from ptingest.model.origin import MaySend, Origin


def test_an_origin_is_a_beat_without_tls_unless_told() -> None:
    origin = Origin("192.0.2.7:51234")

    assert (origin.peer, origin.tls_subject, origin.source) == ("192.0.2.7:51234", None, "beats")


def test_origins_of_one_connection_are_equal_and_cannot_be_changed() -> None:
    origin = Origin("192.0.2.7:51234", tls_subject="CN=web-1")

    assert origin == Origin("192.0.2.7:51234", tls_subject="CN=web-1")
    assert hash(origin) == hash(Origin("192.0.2.7:51234", tls_subject="CN=web-1"))
    with pytest.raises(AttributeError):
        origin.peer = "198.51.100.1:1"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("may_send", "covers"),
    [
        (MaySend(), True),
        (MaySend(groups=frozenset({"pt"})), True),
        (MaySend(services=frozenset({"nginx"})), True),
        (MaySend(groups=frozenset({"other"})), False),
        (MaySend(groups=frozenset({"pt"}), services=frozenset({"react"})), False),
    ],
)
def test_a_limit_covers_what_it_names_and_none_means_any(may_send: MaySend, covers: bool) -> None:
    assert may_send.covers("pt", "nginx") is covers
