from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from ptingest.doctor.cluster import findings_of_cluster
from ptingest.doctor.cluster_facts import ClusterFacts, questions
from ptingest.model.finding import Finding
from ptingest.sinks.elasticsearch.answer import Answer
from tests.support.streams import streams_of

PRODUCT = {"x-elastic-product": "Elasticsearch"}
STREAMS = streams_of("django", "nginx")
SIMULATED = "simulated logs-django-pt"
ALL_RIGHTS = {"auto_configure": True, "create_doc": True, "read": True, "monitor": True}
STREAM_NAMES = ("logs-*-pt", "logs-django-pt", "logs-nginx-pt")


def answer(body: object, status: int = 200) -> Answer:
    return Answer(status, PRODUCT, orjson.dumps(body))


def template(name: str, priority: int | None = 501, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"index_patterns": ["logs-*-pt"], "data_stream": {}, **more}
    if priority is not None:
        body["priority"] = priority
    return {"name": name, "index_template": body}


GOOD: dict[str, object] = {
    "root": {"version": {"number": "8.19.0"}},
    "who": {"username": "logstash_writer", "roles": ["logstash_writer_pt"]},
    "rights": {"index": dict.fromkeys(STREAM_NAMES, ALL_RIGHTS)},
    "streams": {"data_streams": [{"name": "logs-django-pt"}, {"name": "logs-nginx-pt"}]},
    "fields": {"fields": {"log_timestamp": {"keyword": {}}}},
    "newest": {
        "aggregations": {
            "newest": {"value_as_string": "2026-11-23T15:00:00Z"},
            "ahead": {"doc_count": 0},
            "ignored": {"doc_count": 0},
        }
    },
    "templates": {"index_templates": [template("pt-logs")]},
    SIMULATED: {"template": {"mappings": {"date_detection": False}}},
    "health": {"status": "green", "number_of_nodes": 1},
    "disks": [{"node": "n1", "disk.percent": "50"}],
    "watermarks": {},
}


def findings_from(username: str = "logstash_writer", **changed: object) -> list[Finding]:
    """Judge a good cluster with these answers in the place of its own."""
    named = {SIMULATED if name == "simulated" else name: body for name, body in changed.items()}
    answers = {
        name: body if isinstance(body, Answer) else answer(body)
        for name, body in (GOOD | named).items()
    }
    facts = ClusterFacts("http://es", username, questions(STREAMS), answers, STREAMS)
    return list(findings_of_cluster(facts))


def problems(findings: list[Finding]) -> dict[str, str]:
    return {one.subject: one.found for one in findings if one.mark == "problem"}


def said(findings: list[Finding], subject: str) -> Finding:
    return next(one for one in findings if one.subject == subject)


def test_a_good_cluster_has_neither_problem_nor_warning() -> None:
    assert {one.mark for one in findings_from()} == {"ok"}


def test_every_finding_says_what_was_looked_at_and_every_problem_has_a_cure() -> None:
    broken = findings_from(
        rights={"index": {}}, templates={"index_templates": []}, health={"status": "red"}
    )

    assert all(one.looked_at and one.found for one in broken)
    assert all(one.cure for one in broken if one.mark == "problem")


# --- reached, logged in -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("root", "subject", "told"),
    [
        (Answer(None, failure="Connection refused"), "Elasticsearch", "Connection refused"),
        (Answer(200, {}, b"<html>"), "Elasticsearch", "no X-Elastic-Product"),
        (answer({}, 401), "login", "401"),
        (answer({}, 503), "Elasticsearch", "503"),
    ],
)
def test_what_cannot_be_asked_is_the_only_finding(root: Answer, subject: str, told: str) -> None:
    facts = ClusterFacts("http://es", "w", questions(STREAMS), {"root": root}, STREAMS)

    (finding,) = findings_of_cluster(facts)

    assert (finding.mark, finding.subject) == ("problem", subject)
    assert told in finding.found


def test_an_old_version_is_a_problem() -> None:
    assert (
        "version 8.12.1" in problems(findings_from(root={"version": {"number": "8.12.1"}})).values()
    )


def test_a_version_that_may_not_be_asked_is_fine() -> None:
    assert said(findings_from(root=answer({}, 403)), "Elasticsearch").mark == "ok"


def test_a_role_taken_for_a_user_is_told_where_the_root_page_is_open() -> None:
    found = findings_from(rights=answer({}, 401), who=answer({}, 401))

    assert "the user is logstash_writer, its role logstash_writer_pt" in said(found, "login").cure


def test_security_that_is_off_is_a_note() -> None:
    assert said(findings_from(rights=answer({}, 405)), "rights").mark == "note"


# --- rights -----------------------------------------------------------------------------


def test_a_missing_privilege_is_told_with_the_streams_that_lack_it() -> None:
    less = ALL_RIGHTS | {"create_doc": False}
    rights = {"logs-*-pt": less, "logs-django-pt": ALL_RIGHTS, "logs-nginx-pt": less}

    assert (
        "lacks create_doc on logs-nginx-pt"
        in problems(findings_from(rights={"index": rights}))["rights"]
    )


def test_rights_on_every_stream_by_itself_are_enough() -> None:
    less = ALL_RIGHTS | {"create_doc": False}
    rights = {"logs-*-pt": less, "logs-django-pt": ALL_RIGHTS, "logs-nginx-pt": ALL_RIGHTS}

    assert "rights" not in problems(findings_from(rights={"index": rights}))


def test_a_user_without_the_role_gets_another_cure_than_a_role_without_the_right() -> None:
    rights: dict[str, Any] = {"index": {}}

    lonely = said(findings_from(who={"username": "w", "roles": ["x"]}, rights=rights), "rights")
    weak = said(findings_from(rights=rights), "rights")

    assert "the user lacks the role logstash_writer_pt" in lonely.cure
    assert "grant it to the role" in weak.cure


def test_an_api_key_has_no_roles_and_is_not_told_to_have_one() -> None:
    who = {"username": "elastic", "roles": [], "authentication_type": "api_key"}

    assert "grant it" in said(findings_from(who=who, rights={"index": {}}), "rights").cure


# --- templates and mappings ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("templates", "told"),
    [
        pytest.param([], "none matches logs-*-pt", id="none at all"),
        pytest.param(
            [template("pt-logs", index_patterns=["pt-*"])], "does not match logs-*-pt", id="ours"
        ),
        pytest.param(
            [template("pt-logs", None), template("logs", 100, index_patterns=["logs-*-*"])],
            "logs (priority 100) wins over pt-logs (priority 0)",
            id="ours loses",
        ),
        pytest.param(
            [template("logs", 100, index_patterns=["logs-*-*"])],
            "logs (priority 100) wins; pt-logs is not there",
            id="only the built-in one",
        ),
        pytest.param(
            [{"name": "plain", "index_template": {"index_patterns": ["logs-*"], "priority": 600}}],
            "plain wins and makes no data stream",
            id="no data stream",
        ),
    ],
)
def test_a_template_that_will_not_do_is_named(templates: list[Any], told: str) -> None:
    found = findings_from(templates={"index_templates": templates})

    assert told in problems(found)["template"]


def test_a_template_that_wins_for_one_service_only_is_named() -> None:
    special = template("special", 900, index_patterns=["logs-nginx-*"])

    found = findings_from(templates={"index_templates": [template("pt-logs"), special]})

    assert [one.mark for one in found if one.subject == "template"] == ["ok", "problem"]


def test_times_mapped_as_dates_are_a_problem_of_streams_that_are_there() -> None:
    fields: dict[str, Any] = {"log_timestamp": {"date": {}, "keyword": {}}}

    found = said(findings_from(fields={"fields": fields}), "mappings")

    assert found.mark == "problem"
    assert "log_timestamp is mapped as date, keyword" in found.found
    assert "_rollover" in found.cure


def test_date_detection_is_told_before_the_first_event() -> None:
    found = findings_from(fields={"fields": {}}, simulated={"template": {"mappings": {}}})

    assert "date_detection is on" in problems(found)["mappings"]


# --- streams and events -----------------------------------------------------------------


def test_a_stream_that_should_be_there_is_a_problem_one_that_may_come_a_note() -> None:
    answers = {name: answer(body) for name, body in GOOD.items()}
    answers["streams"] = answer({"data_streams": []})
    facts = ClusterFacts("e", "w", questions(STREAMS), answers, STREAMS)

    idle = list(findings_of_cluster(facts))
    busy = list(findings_of_cluster(replace(facts, active=frozenset({"nginx"}))))

    assert said(idle, "data streams").mark == "note"
    assert (
        problems(busy)["data streams"] == "events came, but there is no data stream logs-nginx-pt"
    )


def test_a_plain_index_of_that_name_is_a_problem() -> None:
    streams = {"data_streams": [], "indices": [{"name": "logs-django-pt"}]}

    assert "plain indices" in problems(findings_from(streams=streams))["data streams"]


def test_documents_ahead_of_now_and_ignored_fields_are_told() -> None:
    found = findings_from(
        newest={
            "aggregations": {
                "newest": {"value_as_string": "2099"},
                "ahead": {"doc_count": 3},
                "ignored": {"doc_count": 2},
            }
        }
    )

    assert "3 documents dated more than 5 minutes in the future" in said(found, "clock").found
    assert "2 documents with fields" in said(found, "ignored fields").found


# --- the cluster itself -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "mark"), [("green", "ok"), ("yellow", "note"), ("red", "problem")]
)
def test_health_is_judged_by_its_colour(status: str, mark: str) -> None:
    assert said(findings_from(health={"status": status}), "cluster").mark == mark


@pytest.mark.parametrize(
    ("used", "watermarks", "mark"),
    [
        ("89", {}, "ok"),
        ("91", {}, "warning"),
        ("96", {}, "problem"),
        ("81", {"high": "80%"}, "warning"),
        ("81", {"flood_stage": "80%"}, "problem"),
        ("91", {"high": "50gb"}, "warning"),
    ],
)
def test_disks_are_judged_by_the_watermarks_in_force(
    used: str, watermarks: dict[str, str], mark: str
) -> None:
    inner = {"cluster": {"routing": {"allocation": {"disk": {"watermark": watermarks}}}}}
    disks = [{"node": "n1", "disk.percent": used}, {"node": "UNASSIGNED"}]

    found = findings_from(disks=disks, watermarks={"defaults": {}, "persistent": inner})

    assert said(found, "disk").mark == mark


@pytest.mark.parametrize(("days", "mark"), [(3.0, "warning"), (300.0, "ok")])
def test_certificates_are_told_in_time(days: float, mark: str) -> None:
    answers = {name: answer(body) for name, body in GOOD.items()}
    facts = ClusterFacts(
        "e", "w", questions(STREAMS), answers, STREAMS, expires_in_days={"https://es": days}
    )

    assert said(list(findings_of_cluster(facts)), "certificate").mark == mark


def test_what_may_not_be_asked_is_told_with_the_privilege_it_needs() -> None:
    found = findings_from(
        templates=answer({}, 403), health=answer({}, 403), simulated=answer({}, 403)
    )

    told = [one.found for one in found if one.subject == "more rights"]
    assert told == [
        "with cluster privilege monitor doctor would also check which template wins, "
        "the cluster's health",
        "with manage_index_templates doctor would also check mappings before the first event",
    ]


# --- asking -------------------------------------------------------------------------------


def test_a_redirect_is_the_problem_and_says_where_to() -> None:
    elsewhere = Answer(301, {}, b"", "http://es answers 301 to https://es:443: write that")
    facts = ClusterFacts("http://es", "pt", questions(STREAMS), {"root": elsewhere}, STREAMS)

    (finding,) = findings_of_cluster(facts)

    assert (finding.mark, finding.subject) == ("problem", "Elasticsearch")
    assert finding.found == elsewhere.failure


KEPT = {
    "lifecycle": {"enabled": True, "data_retention": "30d"},
    "failure_store": {"enabled": True},
}
NEW = {
    "template": {
        "mappings": {"date_detection": False},
        "lifecycle": {"enabled": True, "data_retention": "30d"},
        "data_stream_options": {"failure_store": {"enabled": True}},
    }
}


def kept(**changed: Any) -> Finding:
    row = {"name": "logs-nginx-pt", "template": "pt-logs", **KEPT, **changed}
    return said(findings_from(simulated=NEW, kept={"data_streams": [row]}), "retention")


def test_a_stream_kept_as_the_template_says_is_well() -> None:
    assert (kept().mark, kept().found) == ("ok", "logs-nginx-pt: kept 30d, failure store on")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"lifecycle": None}, "kept for ever, no lifecycle, failure store on"),
        ({"lifecycle": {"enabled": True}}, "kept for ever, failure store on"),
        ({"lifecycle": {"enabled": True, "data_retention": "7d"}}, "kept 7d, failure store on"),
        ({"failure_store": {"enabled": False}}, "kept 30d, failure store off"),
    ],
)
def test_a_stream_kept_otherwise_is_a_warning_with_the_way_to_change_it(
    changed: dict[str, Any], told: str
) -> None:
    found = kept(**changed)

    assert found.mark == "warning"
    assert found.found.startswith(f"logs-nginx-pt: {told}; the template says kept 30d")
    assert "`ptingest setup --only templates`" in found.cure
    assert "at once" in found.cure


def test_streams_of_other_templates_are_not_judged() -> None:
    row = {"name": "logs-x-pt", "template": "other"}

    assert not [
        v
        for v in findings_from(simulated=NEW, kept={"data_streams": [row]})
        if v.subject == "retention"
    ]


# --- several namespaces ---------------------------------------------------------------------


def of_two_namespaces(**changed: object) -> list[Finding]:
    both = streams_of("till", namespaces=("shop", "depot"))
    good = {name: body for name, body in GOOD.items() if name != SIMULATED}
    simulated = {f"simulated {name}": NEW for name in both.examples}
    names = (*both.patterns, *(one.name for one in both.known))
    rights = {"rights": {"index": dict.fromkeys(names, ALL_RIGHTS)}}
    answers = {name: answer(body) for name, body in (good | simulated | rights | changed).items()}
    facts = ClusterFacts(
        "http://es", "w", questions(both), answers, both, active=frozenset({"till"})
    )
    return list(findings_of_cluster(facts))


def test_a_namespace_without_a_template_is_named() -> None:
    some = [template("pt-logs", index_patterns=["logs-*-shop"])]

    found = of_two_namespaces(templates={"index_templates": some})

    assert [(one.mark, one.found) for one in found if one.subject == "template"] == [
        ("ok", "pt-logs wins with priority 501"),
        (
            "problem",
            "pt-logs does not match logs-*-depot: documents wait, then go to the dead letters",
        ),
    ]


def test_a_service_that_writes_to_one_of_its_namespaces_has_lost_nothing() -> None:
    there = of_two_namespaces(streams={"data_streams": [{"name": "logs-till-depot"}]})
    nowhere = of_two_namespaces(streams={"data_streams": [{"name": "logs-other-depot"}]})

    assert said(there, "data streams").mark == "note"
    lost = said(nowhere, "data streams")
    assert lost.mark == "problem"
    assert lost.found.endswith("no data stream logs-till-shop, logs-till-depot")
