from __future__ import annotations

from typing import Any, cast

import orjson
import pytest

from ptingest.kql.parser import parse
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.sinks.elasticsearch.dialect import OPENSEARCH
from ptingest.tools.setup.plan import (
    PARTS,
    Part,
    Wanted,
    data_view_steps,
    elasticsearch_steps,
    mappings_body,
    role_body,
    saved_objects,
    settings_body,
)
from tests.support.streams import streams_of

MAPPINGS = mappings_body()["template"]["mappings"]


def fields_of(properties: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted name -> type."""
    found: dict[str, str] = {}
    for name, field in properties.items():
        if "properties" in field:
            found |= fields_of(field["properties"], f"{prefix}{name}.")
        else:
            found[prefix + name] = field["type"]
    return found


MAPPED = fields_of(MAPPINGS["properties"])


def leaves(document: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in document.items():
        if isinstance(value, dict):
            found |= leaves(value, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


def test_every_field_of_an_ordinary_document_is_mapped() -> None:
    pipeline = compile_profile(load_profile(packaged_profile_path(), {}))
    event = {
        "@timestamp": "2025-01-02T03:04:06.123Z",
        "group": "pt",
        "service": "django",
        "message": "INFO|apps.parcels.views|2025-01-02T03:04:05.678|x",
        "agent": dict.fromkeys(("id", "ephemeral_id", "name", "type", "version"), "a"),
        "ecs": {"version": "8.0.0"},
        "host": {"name": "h", "hostname": "h", "ip": ["127.0.0.1"], "os": {"platform": "debian"}},
        "input": {"type": "filestream"},
        "log": {"offset": 1, "file": {"path": "/a", "inode": "1", "device_id": "2"}},
    }

    explained = pipeline.explain(orjson.dumps(event), now_ns=0)

    assert explained.document is not None
    assert leaves(explained.document) - MAPPED.keys() == set()


def test_nothing_is_guessed_from_how_a_string_looks() -> None:
    assert MAPPINGS["date_detection"] is False
    assert MAPPINGS["numeric_detection"] is False
    assert {MAPPED[name] for name in ("log_timestamp", "log_ms")} == {"keyword"}
    assert {MAPPED[name] for name in ("message", "log_message")} == {"match_only_text"}


def test_a_long_value_of_any_keyword_is_kept_and_never_refused() -> None:
    (dynamic,) = MAPPINGS["dynamic_templates"]

    fields = MAPPINGS["properties"].items()
    bounds = {
        field.get("ignore_above")
        for name, field in fields
        if field["type"] == "keyword" and name not in ("event.original", "@version")
    }

    assert bounds == {1024}
    assert dynamic["strings_as_keyword"]["mapping"]["ignore_above"] == 1024


def test_no_value_is_in_the_way_of_another_kind_of_value() -> None:
    settings = settings_body(Wanted())["template"]["settings"]["index"]

    # Names whole, so that `host` and `host.name` stand side by side.
    assert MAPPINGS["subobjects"] is False
    assert not any("properties" in field for field in MAPPINGS["properties"].values())
    assert settings["mapping"]["ignore_malformed"] == "true"
    # A data stream's own time may not be malformed, and says so.
    assert MAPPINGS["properties"]["@timestamp"] == {"type": "date", "ignore_malformed": False}


def test_by_default_the_files_are_sent_as_they_lie_there() -> None:
    body = settings_body(Wanted())

    index = body["template"]["settings"]["index"]
    assert (index["number_of_shards"], index["number_of_replicas"]) == ("1", "0")
    assert body["template"]["lifecycle"] == {"enabled": True, "data_retention": "30d"}
    assert body["template"]["data_stream_options"] == {"failure_store": {"enabled": True}}
    assert "mode" not in index


def test_options_change_the_settings_and_nothing_else() -> None:
    wanted = Wanted(retention=None, replicas=2, logsdb=True, failure_store=False)

    template = settings_body(wanted)["template"]

    assert template["settings"]["index"]["number_of_replicas"] == "2"
    assert template["settings"]["index"]["mode"] == "logsdb"
    assert template["lifecycle"] == {"enabled": True}
    assert "data_stream_options" not in template


def test_the_template_wins_over_elastics_own_and_leaves_a_place_for_the_operators() -> None:
    steps = {step.name: step.body for step in elasticsearch_steps(Wanted())}

    template = steps["pt-logs"]
    assert template["index_patterns"] == ["logs-*-pt"]
    assert template["priority"] == 501
    assert template["data_stream"] == {}
    assert template["composed_of"][-1:] == template["ignore_missing_component_templates"]
    assert "template" not in template  # it would win over what an operator writes


def test_parts_of_a_template_come_before_the_template_and_the_role_before_its_user() -> None:
    names = [step.name for step in elasticsearch_steps(Wanted())]

    templates = ["pt@settings", "pt@mappings", "pt-logs"]
    assert names == [*templates, "logstash_writer_pt", "logstash_writer"]


def test_the_lean_role_needs_nothing_of_the_cluster() -> None:
    role = role_body(Wanted())

    assert role["cluster"] == []
    (index,) = role["indices"]
    assert index == {
        "names": ["logs-*-pt"],
        "privileges": ["auto_configure", "create_doc", "read", "monitor"],
    }


def test_an_api_key_may_do_what_the_role_may() -> None:
    (step,) = elasticsearch_steps(Wanted(parts=frozenset({"api-key"})))

    (descriptor,) = step.body["role_descriptors"].values()
    assert descriptor["indices"] == role_body(Wanted())["indices"]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_can_be_had_alone(part: Any) -> None:
    wanted = Wanted(parts=frozenset({part}), streams=streams_of("django"))

    parts = {step.part for step in (*elasticsearch_steps(wanted), *data_view_steps(wanted))}

    assert parts <= {part}


# --- what Kibana gets ---------------------------------------------------------------------


def test_data_views_by_the_api_are_those_of_the_file() -> None:
    (group,) = load_profile(packaged_profile_path(), {}).groups
    wanted = Wanted(parts=frozenset({"data-views"}), streams=streams_of(*group.known_services))

    made = {
        step.body["data_view"]["id"]: {k: v for k, v in step.body["data_view"].items() if k != "id"}
        for step in data_view_steps(wanted)
    }

    assert made == {one["id"]: one["attributes"] for one in saved_objects("data-views", Wanted())}


def test_the_seven_queries_are_saved_and_their_fields_are_mapped() -> None:
    searches = saved_objects("searches", Wanted())

    assert len(searches) == 7
    for one in searches:
        source = orjson.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        parse(source["query"]["query"])
        assert source["query"]["language"] == "kuery"
        assert set(one["attributes"]["columns"]) <= MAPPED.keys()


def test_every_reference_leads_to_something_that_is_made() -> None:
    dashboard = saved_objects("dashboard", Wanted())
    made = {(one["type"], one["id"]) for one in dashboard}
    made |= {("index-pattern", one["id"]) for one in saved_objects("data-views", Wanted())}

    for one in (*dashboard, *saved_objects("searches", Wanted())):
        for reference in one["references"]:
            assert (reference["type"], reference["id"]) in made, one["id"]


def test_panels_of_the_dashboard_name_their_references_as_kibana_does() -> None:
    dashboard = saved_objects("dashboard", Wanted())[-1]
    panels = orjson.loads(dashboard["attributes"]["panelsJSON"])

    names = {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels}

    assert names == {reference["name"] for reference in dashboard["references"]}
    assert all(panel["gridData"]["x"] + panel["gridData"]["w"] <= 48 for panel in panels)


def test_visualisations_count_by_mapped_fields_and_filter_by_readable_queries() -> None:
    for one in saved_objects("dashboard", Wanted())[:-1]:
        state = orjson.loads(one["attributes"]["visState"])
        source = orjson.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        fields = {agg["params"]["field"] for agg in state["aggs"] if "field" in agg["params"]}

        assert fields <= MAPPED.keys()
        assert fields <= {name for name, kind in MAPPED.items() if kind in ("keyword", "date")}
        parse(source["query"]["query"])
        assert source["indexRefName"] == one["references"][0]["name"]


def test_searches_and_views_of_another_profile_name_its_groups_streams_and_tag() -> None:
    wanted = Wanted(
        streams=streams_of("till", namespaces=("shop", "depot")),
        groups=("shop", "my depot"),
        failure_tags=("_unparsed",),
        parts=frozenset({"data-views"}),
    )

    titles = [step.body["data_view"]["title"] for step in data_view_steps(wanted)]
    sources = [
        one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]
        for part in ("searches", "dashboard")
        for one in saved_objects(cast(Part, part), wanted)
    ]
    queries = [orjson.loads(source)["query"]["query"] for source in sources]

    assert titles == ["logs-*-shop,logs-*-depot", "logs-till-shop,logs-till-depot"]
    assert '(group:shop OR group:"my depot") AND stream:aws' in queries
    assert any("tags:_unparsed OR tags:_dateparsefailure" in query for query in queries)
    assert not any("group:pt" in query or "failure_pt" in query for query in queries)
    for query in queries:
        parse(query or "*")


def test_fields_keep_their_index_where_doc_values_are_not_searched() -> None:
    fields = mappings_body(OPENSEARCH)["template"]["mappings"]["properties"]

    bare = [name for name, field in fields.items() if field.get("index") is False]
    assert bare == ["event.original"]
