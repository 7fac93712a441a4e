from __future__ import annotations

import json

import pytest

from ptingest.model.finding import Finding
from ptingest.model.streams import StreamNames
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.check import findings
from tests.support.streams import streams_of

STREAMS = streams_of("django")
OURS = {"x-elastic-product": "Elasticsearch"}
ROOT = Answer(200, OURS, b'{"version":{"number":"8.19.0"}}')
FORBIDDEN = Answer(403, {}, b'{"error":{"type":"security_exception","reason":"r"},"status":403}')
NO_TEMPLATES = Answer(200, OURS, b'{"index_templates":[]}')
GOOD_TEMPLATE = {"_data_stream_timestamp": {"enabled": True}, "date_detection": False}


def rights(**granted: bool) -> Answer:
    names = ("logs-*-pt", "logs-django-pt")
    return Answer(200, OURS, json.dumps({"index": dict.fromkeys(names, granted)}).encode())


def template(mappings: object) -> Answer:
    return Answer(200, OURS, json.dumps({"template": {"mappings": mappings}}).encode())


ALL_RIGHTS = rights(auto_configure=True, create_doc=True, read=True, monitor=True)


class Canned:
    """Answers by path, in place of a connection."""

    def __init__(
        self,
        root: Answer = ROOT,
        privileges: Answer = ALL_RIGHTS,
        simulated: Answer | None = None,
        bulk: Answer = FORBIDDEN,
        templates: Answer = NO_TEMPLATES,
    ) -> None:
        self._answers = {
            "/": root,
            "/_bulk": bulk,
            "/_security/user/_has_privileges": privileges,
            "/_index_template/_simulate_index/logs-django-pt": simulated or template(GOOD_TEMPLATE),
            "/_index_template": templates,
        }

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        return self._answers[target]


async def found(**answers: Answer) -> dict[str, Finding]:
    return {finding.subject: finding for finding in await findings(Canned(**answers), STREAMS)}


async def test_all_well_is_four_findings_with_the_version() -> None:
    seen = await found()

    assert list(seen) == ["reachable", "login", "rights", "template"]
    assert all(finding.is_ok for finding in seen.values())
    assert seen["reachable"].found == "Elasticsearch 8.19.0"


async def test_nothing_more_is_asked_where_nobody_answers() -> None:
    seen = await found(root=Answer(None, failure="no answer from http://es:9200: refused"))

    assert list(seen) == ["reachable"]
    assert not seen["reachable"].is_ok
    assert "refused" in seen["reachable"].found
    assert "sinks.elasticsearch.hosts" in seen["reachable"].cure


async def test_something_else_at_the_address_is_said_plainly() -> None:
    seen = await found(root=Answer(200, {}, b"<html>"))

    assert not seen["reachable"].is_ok
    assert "something else than Elasticsearch answers" in seen["reachable"].found


async def test_a_wrong_login_asks_whether_it_is_a_role_name() -> None:
    denied = Answer(401, {}, b'{"error":{"type":"security_exception"},"status":401}')

    seen = await found(root=denied)

    assert seen["reachable"].is_ok
    assert not seen["login"].is_ok
    assert "is this a role name?" in seen["login"].cure


async def test_a_writer_that_may_ask_nothing_has_no_failure() -> None:
    seen = await found(root=FORBIDDEN, simulated=FORBIDDEN)

    assert all(finding.is_ok for finding in seen.values())
    assert "may not be asked (403)" in seen["reachable"].found
    assert "could not be asked (403)" in seen["template"].found


async def test_a_cluster_without_security_has_no_rights_to_lack() -> None:
    seen = await found(privileges=Answer(400, OURS, b'{"error":"no handler found"}'))

    assert seen["rights"].is_ok
    assert "security is off" in seen["rights"].found


async def test_a_missing_privilege_is_named() -> None:
    seen = await found(privileges=rights(create_doc=True, auto_configure=False, read=True))

    assert not seen["rights"].is_ok
    assert seen["rights"].found == "lacks auto_configure on logs-*-pt"


@pytest.mark.parametrize(
    ("privilege", "price"), [("read", "after a rollover"), ("monitor", "by the clock alone")]
)
async def test_a_useful_privilege_that_is_missing_is_no_failure_and_its_price_is_told(
    privilege: str, price: str
) -> None:
    had = {"create_doc": True, "auto_configure": True, "read": True, "monitor": True}
    seen = await found(privileges=rights(**{**had, privilege: False}))

    assert [one.is_ok for one in seen.values()] == [True] * len(seen)
    assert price in seen[privilege].found
    assert {"read", "monitor"} & seen.keys() == {privilege}


async def test_a_missing_template_and_one_without_data_streams_are_failures() -> None:
    none = await found(simulated=Answer(200, OURS, b"{}"))
    plain = await found(simulated=template({}))

    assert (none["template"].is_ok, none["template"].found) == (
        False,
        "none matches logs-django-pt",
    )
    assert not plain["template"].is_ok
    assert "makes no data stream" in plain["template"].found
    assert plain["template"].cure == "run `ptingest setup`"


@pytest.mark.parametrize(("body", "is_ok"), [({"data_stream": {}}, True), ({}, False)])
async def test_where_a_simulation_does_not_show_a_data_stream_the_template_itself_does(
    body: dict[str, object], is_ok: bool
) -> None:
    row = {"name": "pt-logs", "index_template": {"index_patterns": ["logs-*-pt"], **body}}
    templates = Answer(200, OURS, json.dumps({"index_templates": [row]}).encode())

    seen = await found(simulated=template({"date_detection": False}), templates=templates)

    assert seen["template"].is_ok is is_ok


async def test_date_detection_is_pointed_out_and_no_failure() -> None:
    seen = await found(simulated=template({"_data_stream_timestamp": {"enabled": True}}))

    assert seen["template"].is_ok
    assert "date_detection" in seen["template"].found


async def test_answers_that_break_off_are_failures_of_their_own_question() -> None:
    seen = await found(
        privileges=Answer(503, OURS), simulated=Answer(None, failure="no answer: cut")
    )

    assert not seen["rights"].is_ok
    assert "503" in seen["rights"].found
    assert not seen["template"].is_ok
    assert "cut" in seen["template"].found


async def test_a_sick_cluster_is_not_reachable_enough() -> None:
    seen = await found(root=Answer(503, OURS, b"{}"))

    assert list(seen) == ["reachable"]
    assert not seen["reachable"].is_ok


@pytest.mark.parametrize(
    ("root", "stops"),
    [
        pytest.param(Answer(None, failure="no answer"), True, id="nobody answers"),
        pytest.param(Answer(401, OURS), True, id="the password is wrong"),
        pytest.param(Answer(503, OURS), True, id="the cluster has no master"),
        pytest.param(Answer(502, {}), True, id="the proxy finds no cluster"),
        pytest.param(Answer(200, {}), True, id="something else answers"),
        pytest.param(Answer(403, OURS), False, id="its version may not be asked"),
        pytest.param(Answer(404, {}), False, id="the proxy lets nothing but bulks through"),
        pytest.param(Answer(429, OURS), False, id="it is busy"),
        pytest.param(ROOT, False, id="all is well"),
    ],
)
async def test_only_what_bulks_would_meet_as_well_stops_everything(
    root: Answer, stops: bool
) -> None:
    found = await findings(Canned(root), STREAMS)

    assert any(one.stops_all for one in found) is stops


async def test_missing_rights_and_templates_do_not_stop_everything() -> None:
    found = await findings(Canned(privileges=rights(), simulated=Answer(200, OURS, b"{}")), STREAMS)

    assert [one.subject for one in found if not one.is_ok] == ["rights", "template"]
    assert not any(one.stops_all for one in found)


ELSEWHERE = Answer(301, {}, b"", "http://a:1 answers 301 to http://b:2: write that into hosts")


@pytest.mark.parametrize(
    ("bulk", "stops_all"),
    [
        pytest.param(ELSEWHERE, True, id="bulks are sent elsewhere, too"),
        pytest.param(Answer(None, failure="refused"), True, id="nobody takes bulks"),
        pytest.param(Answer(400, OURS, b"{}"), False, id="a proxy lets bulks through"),
    ],
)
async def test_a_redirect_is_told_and_stops_all_where_bulks_meet_it(
    bulk: Answer, stops_all: bool
) -> None:
    seen = await found(root=ELSEWHERE, bulk=bulk)

    assert list(seen) == ["reachable"]
    assert not seen["reachable"].is_ok
    assert seen["reachable"].found == ELSEWHERE.failure
    assert seen["reachable"].stops_all is stops_all


async def test_where_the_data_streams_are_not_known_nothing_is_asked_of_them() -> None:
    found = await findings(Canned(privileges=Answer(400, OURS)), StreamNames(()))

    assert [(one.mark, one.subject) for one in found] == [
        ("ok", "reachable"),
        ("ok", "login"),
        ("ok", "rights"),
    ]
    assert "not asked" in found[-1].found
