"""An answer means the same whoever asked."""

from __future__ import annotations

import json

import pytest

from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.inspection import (
    Reached,
    granted_in,
    is_too_old,
    json_in,
    mappings_of,
    missing_rights,
    object_in,
    reached,
    rights_body,
    simulated_template,
    useful_lacks,
    version_in,
)
from tests.support.streams import streams_of

OURS = {"x-elastic-product": "Elasticsearch"}
ALL = {"auto_configure": True, "create_doc": True, "read": True, "monitor": True}


def answer(body: object, status: int = 200) -> Answer:
    return Answer(status, OURS, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("root", "who"),
    [
        pytest.param(Answer(None, failure="refused"), Reached.NO_ANSWER, id="nobody answers"),
        pytest.param(Answer(302), Reached.ELSEWHERE, id="a login page"),
        pytest.param(Answer(200, {}, b"<html>"), Reached.SOMETHING_ELSE, id="a web server"),
        pytest.param(Answer(502), Reached.SOMETHING_ELSE, id="a proxy without a cluster"),
        pytest.param(answer({}, 401), Reached.LOGIN_REFUSED, id="a wrong password"),
        pytest.param(answer({}, 503), Reached.FAILING, id="a cluster without a master"),
        pytest.param(answer({}, 403), Reached.YES, id="the version is a secret"),
        pytest.param(answer({}), Reached.YES, id="all is well"),
    ],
)
def test_who_answers_is_read_from_the_root_page(root: Answer, who: Reached) -> None:
    assert reached(root) is who


def test_a_version_is_too_old_only_where_it_is_known() -> None:
    assert version_in(answer({"version": {"number": "8.12.1"}})) == "8.12.1"
    assert version_in(answer({}, 403)) == ""
    assert [is_too_old(version) for version in ("8.12.1", "8.13.0", "9.0.0", "")] == [
        True,
        False,
        False,
        False,
    ]


def test_a_missing_privilege_is_named_with_the_narrowest_streams_that_lack_it() -> None:
    less = ALL | {"create_doc": False}
    some = {"logs-*-pt": less, "logs-a-pt": ALL, "logs-b-pt": less}

    ours = streams_of("a", "b")
    assert list(missing_rights(some, ours)) == ["create_doc on logs-b-pt"]
    assert list(missing_rights(some | {"logs-b-pt": ALL}, ours)) == []
    assert list(missing_rights({"logs-*-pt": less}, ours)) == ["create_doc on logs-*-pt"]
    assert list(missing_rights({"logs-*-pt": ALL}, ours)) == []
    assert list(missing_rights({"logs-*-pt": less}, streams_of())) == ["create_doc on logs-*-pt"]


def test_rights_on_one_namespace_are_none_on_another() -> None:
    ours = streams_of("a", namespaces=("pt", "shop"))

    granted = {"logs-*-pt": ALL, "logs-a-pt": ALL, "logs-*-shop": {}, "logs-a-shop": {}}

    assert list(missing_rights(granted, ours)) == [
        "auto_configure on logs-*-shop",
        "create_doc on logs-*-shop",
    ]
    assert [text[: text.index(":")] for _, text in useful_lacks(granted, ours)] == [
        "lacks read on logs-*-shop",
        "lacks monitor on logs-*-shop",
    ]


def test_rights_are_asked_for_and_read_by_stream() -> None:
    granted = granted_in(answer({"index": {"logs-*-pt": ALL}}))
    ours = streams_of("a")

    (asked,) = rights_body(ours)["index"]
    assert asked == {"names": ["logs-*-pt", "logs-a-pt"], "privileges": list(ALL)}
    assert list(useful_lacks(granted, ours)) == []
    assert [name for name, _ in useful_lacks({}, ours)] == ["read", "monitor"]
    assert granted_in(answer({}, 403)) == {}


def test_a_template_that_is_not_there_has_no_mappings() -> None:
    template = simulated_template(answer({"template": {"mappings": {"date_detection": False}}}))

    assert mappings_of(template) == {"date_detection": False}
    assert simulated_template(answer({})) is None
    assert mappings_of(None) == mappings_of({"mappings": []}) == {}


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff"], ids=repr)
def test_a_body_that_is_no_json_is_nothing(body: bytes) -> None:
    assert json_in(Answer(200, OURS, body)) is None
    assert object_in(Answer(200, OURS, body)) == {}
    assert object_in(answer([1])) == {}
