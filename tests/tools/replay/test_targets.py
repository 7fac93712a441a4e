"""A replay writes to a place of its own, and says where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from ptingest.errors import ReplayRefused
from ptingest.pipeline.compile import packaged_profile_path
from ptingest.settings.load import load_profile, load_rules
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.tools.replay.targets import apart, in_namespace, source_of

PROFILE = load_profile(packaged_profile_path(), {})
KAFKA = {"brokers": "kafka.example:9092", "topics": ["parcels"], "client_id": "source"}
BUFFER = {"kafka": {"brokers": "kafka.example:9092", "topic": "buffer", "client_id": "buffer"}}
ELASTICSEARCH = {"elasticsearch": {"hosts": "http://es.example:9200"}}


@pytest.mark.parametrize(
    ("given", "asked", "client", "topics"),
    [
        ({"buffer": BUFFER}, (), "buffer", ("buffer",)),
        ({"kafka": KAFKA}, (), "source", ("parcels",)),
        ({"kafka": KAFKA, "buffer": BUFFER}, (), "source", ("parcels",)),
        ({"kafka": KAFKA, "buffer": BUFFER}, ("buffer",), "buffer", ("buffer",)),
        ({"kafka": KAFKA}, ("letters",), "source", ("letters",)),
    ],
)
def test_topics_are_those_asked_for_else_those_of_the_config(
    given: dict[str, object], asked: tuple[str, ...], client: str, topics: tuple[str, ...]
) -> None:
    found = source_of(ServerSettings.model_validate(given), asked)

    assert (found.client_id, found.topics) == (client, topics)


def test_without_kafka_there_is_nothing_to_read_again() -> None:
    with pytest.raises(ReplayRefused, match=r"neither buffer\.kafka nor kafka"):
        source_of(ServerSettings(), ())


def test_a_topic_that_cannot_be_is_refused() -> None:
    with pytest.raises(ReplayRefused, match=r"--topic: .* cannot be followed from '\(\?!a\)'"):
        source_of(ServerSettings.model_validate({"kafka": KAFKA}), ("^(?!a)",))


def test_every_group_writes_to_the_namespace() -> None:
    changed = in_namespace(PROFILE, "pt_replay")

    assert isinstance(changed, ProfileSettings)
    assert {group.data_stream.namespace for group in changed.groups} == {"pt_replay"}
    assert in_namespace(changed, "pt") == PROFILE


@pytest.mark.parametrize("name", ["PT", "pt-replay", "", "a b"])
def test_an_illegal_namespace_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="namespace"):
        in_namespace(PROFILE, name)


def test_the_outputs_of_a_logstash_conf_have_no_namespace_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text('output { elasticsearch { index => "x" } }')
    profile = load_rules(tmp_path / "a.conf", {})

    with pytest.raises(ReplayRefused, match="--store or --compare"):
        in_namespace(profile, "pt_replay")


def test_dead_letters_and_store_are_apart_from_the_servers(tmp_path: Path) -> None:
    settings = ServerSettings.model_validate(
        {"sinks": {"store": {}, "ndjson": {}, **ELASTICSEARCH}, "workers": 1, "role": "both"}
    )

    into_cluster = apart(settings, tmp_path, into_store=False)
    into_store = apart(settings, tmp_path, into_store=True)

    assert into_cluster.data_dir == into_store.data_dir == str(tmp_path)
    assert list(into_cluster.sinks.by_name()) == ["elasticsearch"]
    assert list(into_store.sinks.by_name()) == ["store"]


def test_without_elasticsearch_there_is_no_namespace_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(ReplayRefused, match="--store or --compare"):
        apart(ServerSettings(), tmp_path, into_store=False)
