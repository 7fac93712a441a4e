"""Who is at fault, by what Elasticsearch said of an item; the whole table is in `test_bulk`."""

from __future__ import annotations

import pytest

from ptingest.sinks.elasticsearch.answer import Error
from ptingest.sinks.elasticsearch.item_errors import (
    asks_to_come_back,
    failing_label,
    refusal_label,
    stream_trouble,
)


@pytest.mark.parametrize("status", range(100, 700))
def test_a_status_that_neither_ends_nor_waits_gets_a_label_and_names_the_stream(
    status: int,
) -> None:
    error = Error("an_exception_of_tomorrow", "why")

    label, cure = failing_label(status, "logs-django-pt")

    is_client_error = 400 <= status < 500 and status not in (409, 429)
    assert (refusal_label(status, error) is not None) == is_client_error
    assert (stream_trouble(status, error) is not None) == (status in (401, 403, 404))
    assert label == ("ingest_pipeline" if status == 500 else "not_understood")
    assert "logs-django-pt" in cure


@pytest.mark.parametrize(
    "kind",
    ["i_o_exception", "translog_exception", "already_closed_exception", "file_system_exception"],
)
def test_a_nodes_trouble_asks_to_come_back_and_a_processors_does_not(kind: str) -> None:
    assert asks_to_come_back(500, Error(kind))
    assert not asks_to_come_back(500, Error("fail_processor_exception"))
