"""Memory for one giant event."""

from __future__ import annotations

import json

import pytest

from benchmarks import giants
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits


@pytest.mark.parametrize("text", giants.TEXTS)
def test_a_giant_is_one_window_of_one_event_of_that_size(text: str) -> None:
    made = giants.window(giants.TEXTS[text], 1_000_000)
    connection = ServerConnection(Limits())
    connection.receive_data(made.wire)

    cut = connection.next_window()

    assert cut is not None
    assert (made.events, len(cut.payloads), cut.last_seq) == (1, 1, 1)
    assert 1_000_000 <= len(cut.payloads[0]) <= 1_050_000
    assert text == "ASCII" or "😀" in json.loads(cut.payloads[0])["message"]


def test_the_table_has_a_row_for_each_text_and_sink() -> None:
    told = giants.table([giants.Weighed("ASCII", "store", 61.4, 828.2, 88.0)]).splitlines()

    assert told[2] == "| ASCII | store | 61 | 828 | 88 |"
