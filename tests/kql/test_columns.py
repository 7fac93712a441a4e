from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptingest.kql.columns import canonical_time, lift


def test_the_fields_people_filter_by_are_lifted() -> None:
    body = (
        b'{"@timestamp":"2025-01-02T03:04:05.678Z","group":"pt","service":"django",'
        b'"log_level":"INFO","logger_name":"apps.parcels.views","stream":"app",'
        b'"app_module":"parcels","message":"hello","tags":["x"]}'
    )

    row = lift(body)

    assert row == (
        "2025-01-02T03:04:05.678Z",
        "pt",
        "django",
        "INFO",
        "apps.parcels.views",
        "app",
        "parcels",
        "hello",
    )


@pytest.mark.parametrize(
    ("body", "service"),
    [
        pytest.param(b'{"service":["a","b"]}', '["a","b"]', id="a list becomes its JSON text"),
        pytest.param(b'{"service":{"name":"a"}}', '{"name":"a"}', id="so does an object"),
        pytest.param(b'{"service":5,"message":7}', "5", id="so does a number"),
        pytest.param(b'{"service":true}', "true", id="so does a boolean"),
        pytest.param(b'{"service":null}', None, id="null is nothing"),
        pytest.param(b"{}", None, id="missing is nothing"),
        pytest.param(b"[1]", None, id="no object, no columns"),
        pytest.param(b'{"service":', None, id="broken JSON, no columns"),
        pytest.param(b'{"service":["a"],', None, id="odd type in broken JSON, no columns"),
        pytest.param(b'{"service":"a\xff"}', None, id="bytes that are no UTF-8, no columns"),
        pytest.param(b'{"service":' + b"[" * 9999, None, id="nested without end, no columns"),
        pytest.param(b'{"service":1,"x":' + b"[" * 9999, None, id="the same beside a number"),
    ],
)
def test_an_odd_body_is_lifted_as_far_as_it_goes(body: bytes, service: str | None) -> None:
    row = lift(body)

    assert row.service == service


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2025-01-02T03:04:05.678Z", "2025-01-02T03:04:05.678Z"),
        ("2025-01-02T03:04:05Z", "2025-01-02T03:04:05.000Z"),
        ("2025-01-02T03:04:05.678901Z", "2025-01-02T03:04:05.678Z"),
        ("2025-01-02T03:04:05.678+02:00", "2025-01-02T01:04:05.678Z"),
        ("2025-01-02", "2025-01-02T00:00:00.000Z"),
        ("0001-01-01T00:00:00+01:00", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_times_are_written_so_that_they_sort_as_text(text: str, canonical: str | None) -> None:
    assert canonical_time(text) == canonical


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=300)
def test_no_body_makes_lifting_fail(body: bytes) -> None:
    assert len(lift(body)) == 8
