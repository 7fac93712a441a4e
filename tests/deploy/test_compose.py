"""deploy/compose.yaml, read by Docker Compose's own loader. No engine runs here."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from ptingest.cli.main import COMMANDS
from ptingest.settings.load import load_server
from tests.peers.compose_peer import ComposeRefused, build, load
from tests.support.modules import DEPLOY

FILE = DEPLOY / "compose.yaml"
PASSWORDS = {
    "ELASTIC_PASSWORD": "one",
    "ELASTICSEARCH_PASSWORD": "two",
    "LOGSTASH_WRITER_PASSWORD": "three",
    "API_TOKEN": "four-and-long-enough",
}
ALWAYS = {"elasticsearch", "kibana", "kibana-login", "ptingest", "setup", "setup-kibana"}
KAFKA = {"kafka", "kafka-topic", "receiver", "indexer"}
ONE_SHOT = {"kafka-topic", "kibana-login", "setup", "setup-kibana"}
SERVERS = ("ptingest", "receiver", "indexer")
pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def project() -> Any:
    """Everything, all profiles on."""
    build()
    return load(FILE, "filebeat", "prometheus", "kafka", environ=PASSWORDS)


def published(service: Any) -> set[tuple[str, str]]:
    return {(port.get("host_ip", ""), port["published"]) for port in service.get("ports", [])}


def test_without_profiles_there_are_the_stack_and_its_one_shots() -> None:
    assert set(load(FILE, environ=PASSWORDS)["services"]) == ALWAYS


@pytest.mark.parametrize(
    ("profile", "more"),
    [
        ("filebeat", {"filebeat"}),
        ("prometheus", {"prometheus", "grafana"}),
        ("kafka", KAFKA),
    ],
)
def test_a_profile_adds_its_services(profile: str, more: set[str]) -> None:
    assert set(load(FILE, profile, environ=PASSWORDS)["services"]) == ALWAYS | more


@pytest.mark.parametrize("missing", PASSWORDS)
@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_a_missing_password_is_an_error_that_names_it(missing: str, value: str | None) -> None:
    environ = {name: text for name, text in PASSWORDS.items() if name != missing}
    if value is not None:
        environ[missing] = value

    with pytest.raises(ComposeRefused, match=f"required variable {missing} is missing"):
        load(FILE, environ=environ)


def test_no_password_stands_in_a_file() -> None:
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()

    secrets = [line for line in lines if re.match("[A-Z_]+(PASSWORD|TOKEN)=", line)]
    assert len(secrets) == 5
    assert all(line.endswith("=") for line in secrets)


@pytest.mark.parametrize("version", ["8.19.0", "9.1.0"])
def test_the_stack_has_one_version_set_in_one_place(version: str) -> None:
    environ = {**PASSWORDS, "STACK_VERSION": version}
    services = load(FILE, "filebeat", environ=environ)["services"]

    images = {name: services[name]["image"] for name in ("elasticsearch", "kibana", "filebeat")}
    assert images == {
        "elasticsearch": f"elasticsearch:{version}",
        "kibana": f"kibana:{version}",
        "filebeat": f"elastic/filebeat:{version}",
    }


def test_every_image_is_pinned_as_the_example_says(project: Any) -> None:
    example = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    known = dict(line.split("=") for line in example if "_VERSION=" in line and line[0] != "#")

    tags = {service["image"].rpartition(":")[2] for service in project["services"].values()}
    assert tags == set(known.values())


def test_only_ports_of_beats_are_open_to_others(project: Any) -> None:
    ports = set[tuple[str, str]]().union(*(published(one) for one in project["services"].values()))

    assert ports == {
        ("", "5044"),
        ("", "5045"),
        *(("127.0.0.1", port) for port in ("9200", "5601", "9600", "9090", "3000")),
    }


def test_all_are_on_the_described_network(project: Any) -> None:
    network = project["networks"]["elk-net"]

    assert (network["name"], network["driver"]) == ("elk-net", "bridge")
    assert network["ipam"]["config"] == [{"subnet": "172.19.1.0/24"}]
    assert all(list(one["networks"]) == ["elk-net"] for one in project["services"].values())


def test_what_stays_up_has_a_health_check_and_comes_back(project: Any) -> None:
    for name, service in project["services"].items():
        if name in ONE_SHOT:
            assert service["restart"] == "on-failure:5"
        else:
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"]


def test_everything_has_a_memory_limit(project: Any) -> None:
    assert [name for name, one in project["services"].items() if "mem_limit" not in one] == []


def test_the_order_is_by_health(project: Any) -> None:
    needs = {
        name: {other: how["condition"] for other, how in one.get("depends_on", {}).items()}
        for name, one in project["services"].items()
    }

    healthy, done = "service_healthy", "service_completed_successfully"
    assert needs["ptingest"] == {"elasticsearch": healthy, "setup": done}
    assert needs["kibana"] == {"elasticsearch": healthy, "kibana-login": done}
    assert needs["setup-kibana"] == {"kibana": healthy, "setup": done}
    assert needs["filebeat"] == {"ptingest": healthy}
    assert needs["kafka-topic"] == {"kafka": healthy}
    assert needs["receiver"] == {"kafka-topic": done}, "not Elasticsearch, which may be away"
    assert needs["indexer"] == {"kafka-topic": done, "setup": done}


def test_ptingest_is_read_only_and_without_privileges(project: Any) -> None:
    for name in (*SERVERS, "setup", "setup-kibana"):
        service = project["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["pids_limit"] == 256


def test_its_commands_exist(project: Any) -> None:
    for name in (*SERVERS, "setup", "setup-kibana"):
        assert project["services"][name]["command"][0] in COMMANDS
    for name in SERVERS:
        test = project["services"][name]["healthcheck"]["test"]
        assert test[:3] == ["CMD", "ptingest", "probe"]


def test_every_mounted_file_is_there(project: Any) -> None:
    mounts = [m for one in project["services"].values() for m in one.get("volumes", [])]
    files = [m["source"] for m in mounts if m["type"] == "bind" and m["source"] != "/var/log/pt"]

    assert files
    assert [path for path in files if not (DEPLOY / path).exists()] == []


def test_data_is_in_named_volumes(project: Any) -> None:
    named = {
        mount["target"]
        for one in project["services"].values()
        for mount in one.get("volumes", [])
        if mount["type"] == "volume"
    }

    assert {"/usr/share/elasticsearch/data", "/var/lib/ptingest"} <= named


@pytest.mark.parametrize("service", ["ptingest", "setup", "setup-kibana"])
def test_config_and_profile_are_files_beside_the_others(project: Any, service: str) -> None:
    binds = {
        mount["target"]: mount["source"]
        for mount in project["services"][service]["volumes"]
        if mount["type"] == "bind"
    }

    assert binds.keys() == {"/etc/ptingest/ptingest.yaml", "/etc/ptingest/pt.yaml"}
    assert (DEPLOY / binds["/etc/ptingest/ptingest.yaml"]).samefile(DEPLOY / "ptingest.yaml")


@pytest.mark.parametrize("role", ["receiver", "indexer"])
def test_a_role_has_config_and_data_of_its_own(project: Any, role: str) -> None:
    sources = {mount["target"]: mount["source"] for mount in project["services"][role]["volumes"]}

    config = DEPLOY / sources["/etc/ptingest/ptingest.yaml"]
    assert config.samefile(DEPLOY / "kafka" / f"{role}.yaml")
    assert sources["/var/lib/ptingest"] == f"{role}-data", "a folder of data has one server"


def test_the_roles_share_the_topic_that_is_made(project: Any) -> None:
    receiver, indexer = (
        load_server(DEPLOY / "kafka" / f"{role}.yaml", PASSWORDS) for role in SERVERS[1:]
    )
    broker, made = project["services"]["kafka"], project["services"]["kafka-topic"]

    assert receiver.buffer is not None
    assert receiver.buffer == indexer.buffer
    assert f"--topic={receiver.buffer.kafka.topic}" in made["command"]
    (address,) = receiver.buffer.kafka.brokers
    assert broker["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{address}"
    assert made["entrypoint"][-1] == address
    assert (receiver.role, indexer.role) == ("receive", "index")
    assert receiver.beats.listen.endswith(":5044")
    assert indexer.sinks.elasticsearch is not None
    assert indexer.sinks.elasticsearch.username == "logstash_writer"
    assert not receiver.api.is_exposed
    assert not indexer.api.is_exposed


def test_the_receiver_has_no_password_of_a_sink(project: Any) -> None:
    assert set(project["services"]["receiver"]["environment"]) == {"API_TOKEN"}


def test_the_console_is_open_with_a_token() -> None:
    settings = load_server(DEPLOY / "ptingest.yaml", PASSWORDS)

    assert settings.api.token is not None
    assert not settings.api.is_exposed


def test_prometheus_gets_the_token_where_it_reads_it(project: Any) -> None:
    scrape = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    (job,) = scrape["scrape_configs"]
    service = project["services"]["prometheus"]

    assert f"> {job['authorization']['credentials_file']};" in service["command"][0]
    assert service["environment"]["API_TOKEN"] == PASSWORDS["API_TOKEN"]


def test_prometheus_finds_receivers_and_indexers_where_they_run(project: Any) -> None:
    scrape = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    (found,) = scrape["scrape_configs"][0]["dns_sd_configs"]

    assert found["names"] == list(SERVERS[1:])
    for name in found["names"]:
        settings = load_server(DEPLOY / "kafka" / f"{name}.yaml", PASSWORDS)
        assert settings.api.listen == f"0.0.0.0:{found['port']}"
        assert project["services"][name]["profiles"] == ["kafka"]


def test_the_servers_config_can_be_used() -> None:
    settings = load_server(DEPLOY / "ptingest.yaml", PASSWORDS)

    assert settings.sinks.elasticsearch is not None
    assert settings.sinks.elasticsearch.username == "logstash_writer"
    assert settings.sinks.store is None


def test_a_stop_outlasts_the_drain(project: Any) -> None:
    settings = load_server(DEPLOY / "ptingest.yaml", PASSWORDS)

    roles = [load_server(DEPLOY / "kafka" / f"{role}.yaml", PASSWORDS) for role in SERVERS[1:]]

    for name, one in zip(SERVERS, [settings, *roles], strict=True):
        assert project["services"][name]["stop_grace_period"] == "30s"
        assert one.drain_seconds < 30


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            "elasticsearch.yml",
            {
                "cluster.name": "elk-cluster",
                "node.name": "node-1",
                "discovery.type": "single-node",
                "xpack.security.enabled": True,
                "network.host": "0.0.0.0",
            },
        ),
        (
            "kibana.yml",
            {
                "server.host": "0.0.0.0",
                "elasticsearch.hosts": ["http://elasticsearch:9200"],
                "elasticsearch.username": "kibana_system",
                "elasticsearch.password": "${ELASTICSEARCH_PASSWORD}",
                "xpack.reporting.kibanaServer.hostname": "localhost",
            },
        ),
    ],
)
def test_a_config_says_what_was_described_and_why(file: str, expected: dict[str, object]) -> None:
    text = (DEPLOY / file).read_text(encoding="utf-8")

    assert yaml.safe_load(text) == expected
    lines = text.splitlines()
    bare = [lines[at] for at in range(1, len(lines)) if lines[at][:1] not in ("#", "")
            and not lines[at - 1].startswith("#")]  # fmt: skip
    assert bare == [], "each line has its comment above it"
