from __future__ import annotations

import re

import pytest

from ptingest.pipeline.compile import packaged_profile_path
from ptingest.settings.load import load_profile
from ptingest.tools.setup.assets import asset_path, read_json, read_lines
from tests.support.modules import ROOT

FILES = sorted(
    path.relative_to(ROOT / "deploy").as_posix()
    for folder in ("elasticsearch", "kibana")
    for path in (ROOT / "deploy" / folder).iterdir()
)


def test_a_source_tree_reads_what_people_send_by_hand() -> None:
    assert asset_path("kibana/searches.ndjson") == ROOT / "deploy" / "kibana" / "searches.ndjson"


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json")])
def test_files_for_elasticsearch_are_plain_json(name: str) -> None:
    assert read_json(name)
    assert "//" not in (ROOT / "deploy" / name).read_text()


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".ndjson")])
def test_files_for_kibana_are_an_object_a_line(name: str) -> None:
    for one in read_lines(name):
        assert {"type", "id", "attributes", "references"} <= one.keys()


def test_no_file_holds_a_password() -> None:
    for name in FILES:
        assert not re.search("passw", (ROOT / "deploy" / name).read_text(), re.IGNORECASE), name


def test_there_is_a_data_view_for_each_service_of_the_shipped_profile() -> None:
    (group,) = load_profile(packaged_profile_path(), {}).groups

    titles = {one["attributes"]["title"] for one in read_lines("kibana/data-views.ndjson")}

    assert titles == {"logs-*-pt", *(f"logs-{service}-pt" for service in group.known_services)}
