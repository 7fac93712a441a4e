"""The page of parse failures."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ptingest.api.console.dry_run import DryRun
from ptingest.api.console.failures import pretty, services_of, shapes_of, unmatched
from ptingest.api.console.pages import ConsoleDependencies
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.telemetry.metrics import Metrics
from tests.support.console import Served, console

GOOD = "INFO|apps.parcels.views|2025-01-02T03:04:05.678|Parcel 42 created"
SERVICES: dict[str, Any] = {
    "nginx": {
        "heard_seconds_ago": 1.0, "last_lag_seconds": 0.1,
        "unmatched": {"sampled": 9, "shapes": [
            {"shape": '0.0.0.0 - - "a /a"', "sampled": 7, "nearest_pattern": "plain_time",
             "missing": "`|`"},
            {"shape": "a?a", "sampled": 2, "nearest_pattern": None, "missing": None},
        ]},
    },
    "django": {"heard_seconds_ago": 1.0, "last_lag_seconds": None,
               "unmatched": {"sampled": 0, "shapes": []}},
}  # fmt: skip


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    pipeline = compile_profile(load_profile(packaged_profile_path(), {}))
    async with console(
        dependencies=ConsoleDependencies(dry_run=DryRun(lambda: pipeline))
    ) as served:
        yield served


async def post(served: Served, path: str, **form: str) -> str:
    async with served.http.post(f"/console/failures/{path}", data=form) as answer:
        assert answer.status == 200
        return await answer.text()


def text_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_shapes_are_grouped_by_service_with_what_they_lack(served: Served) -> None:
    served.view.shown = {"services": SERVICES}
    served.metrics.add("ptingest_flow_received_events_total", 100, "nginx")
    served.metrics.add("ptingest_pipeline_noted_events_total", 7, "nginx", "grok_failure")

    page = text_of(await served.read("/console/failures"))

    assert "nginx 7 100 7.0 %" in page
    assert "nginx 7 of 9 0.0.0.0 - - &#34;a /a&#34; plain_time |" in page


async def test_without_failures_it_says_that_every_line_fits(served: Served) -> None:
    assert "Every line so far matches a pattern." in await served.read("/console/failures")


async def test_a_line_is_shown_at_every_stop(served: Served) -> None:
    page = text_of(await post(served, "line", lines=GOOD, service="django", multiline="on"))

    assert "indexed" in page
    assert "dotted_milliseconds fits" in page
    assert "Data stream logs-django-pt" in page
    assert "&#34;app_module&#34;: &#34;parcels&#34;" in page


async def test_what_was_typed_stands_in_the_form_again(served: Served) -> None:
    page = await post(served, "line", lines="</textarea><script>x</script>\u202e", service='"><b>')

    assert "&lt;/textarea&gt;&lt;script&gt;x&lt;/script&gt;\u202e</textarea>" in page
    assert 'value="&#34;&gt;&lt;b&gt;"' in page
    assert "<script>x" not in page


async def test_a_line_of_a_service_without_a_stream_shows_why(served: Served) -> None:
    page = text_of(await post(served, "line", lines=GOOD, service="Bad Name"))

    assert "dead letter" in page


@pytest.mark.timeout(30)  # a process
async def test_a_pattern_is_tried_on_the_lines(served: Served) -> None:
    page = text_of(
        await post(
            served,
            "pattern",
            kind="line",
            pattern="{word:level}|{rest:text}",
            lines="INFO|hello <b>\nnothing",
        )
    )

    assert "fits INFO|hello &lt;b&gt; level INFO text hello &lt;b&gt;" in page
    assert "does not fit nothing The line lacks `|`." in page


@pytest.mark.timeout(30)
async def test_a_pattern_that_breaks_a_rule_is_told(served: Served) -> None:
    page = await post(served, "pattern", kind="line", pattern="{word:level}", lines="x")

    assert "must end with {rest:x}" in page


async def test_more_than_a_request_may_hold_is_refused(served: Served) -> None:
    form = {"lines": "x" * 70_000, "service": "django"}
    async with served.http.post("/console/failures/line", data=form) as answer:
        assert answer.status == 413
        assert "larger than the limit" in await answer.text()


async def test_other_sites_cannot_make_us_try_anything(served: Served) -> None:
    headers = {"Origin": "http://evil.example"}
    form = {"lines": "x", "service": "django"}
    async with served.http.post("/console/failures/line", data=form, headers=headers) as answer:
        assert answer.status == 403


def test_the_service_with_most_failures_comes_first() -> None:
    metrics = Metrics()
    for service, count in (("a", 1), ("b", 5)):
        metrics.add("ptingest_pipeline_noted_events_total", count, service, "grok_failure")

    rows = services_of(metrics)

    assert [(row["service"], row["failures"]) for row in rows] == [("b", 5), ("a", 1)]


def test_shapes_know_their_service() -> None:
    rows = shapes_of({"services": SERVICES})

    assert [(row["service"], row["sampled"], row["of"]) for row in rows] == [
        ("nginx", 7, 9), ("nginx", 2, 9),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('{"b":1,"a":"é"}', '{\n  "b": 1,\n  "a": "é"\n}'),
        ({"a": [1]}, '{\n  "a": [\n    1\n  ]\n}'),
        ("no json", "no json"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_json_is_indented_and_anything_else_stays(value: object, text: str) -> None:
    assert pretty(value) == text


@pytest.mark.parametrize("path", ["line", "pattern"])
async def test_who_comes_back_to_a_result_starts_again(served: Served, path: str) -> None:
    async with served.http.get(f"/console/failures/{path}", allow_redirects=False) as answer:
        assert answer.headers["Location"] == "/console/failures"


def test_failures_are_counted_beside_what_was_received() -> None:
    metrics = Metrics()
    metrics.add("ptingest_flow_received_events_total", 100, "nginx")
    metrics.add("ptingest_pipeline_noted_events_total", 7, "nginx", "grok_failure")
    metrics.add("ptingest_pipeline_noted_events_total", 3, "nginx", "date_failure")

    assert unmatched(metrics) == {"nginx": (7, 100)}
