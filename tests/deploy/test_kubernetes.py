"""deploy/kubernetes against Kubernetes' schemas. No cluster runs here."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ptingest.settings.load import load_server
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import METRICS
from tests.peers.pypi_peer import install
from tests.support.modules import DEPLOY

FOLDER = DEPLOY / "kubernetes"
OWN_KINDS = {"kustomization.yaml", "podmonitor.yaml"}
"""Kinds of others; Kubernetes has no schema for them."""
FILES = sorted(path for path in FOLDER.rglob("*.yaml") if path.name not in OWN_KINDS)
ROLES = ("receiver", "indexer")


def read(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))


@pytest.mark.peer
@pytest.mark.timeout(120)
@pytest.mark.parametrize("version", ["1.31", "1.34"])
def test_every_manifest_fits_its_schema(version: str) -> None:
    command = [install() / "kubernetes-validate", "--kubernetes-version", version, "--strict"]

    done = subprocess.run([*command, *FILES], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" passed ") >= len(FILES)


@pytest.mark.peer
@pytest.mark.timeout(120)
def test_the_schemas_would_object(tmp_path: Path) -> None:
    text = (FOLDER / "statefulset.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("terminationGracePeriodSeconds", "gracePeriod"))
    command = [install() / "kubernetes-validate", "--kubernetes-version", "1.34", "--strict"]

    done = subprocess.run([*command, wrong], capture_output=True, text=True, check=False)

    assert done.returncode != 0


def test_all_that_is_needed_is_there() -> None:
    kinds = {document["kind"] for path in FOLDER.glob("*.yaml") for document in read(path.name)}

    assert kinds == {
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Kustomization", "NetworkPolicy",
        "PodMonitor", "PodDisruptionBudget", "Secret", "Service", "StatefulSet",
    }  # fmt: skip


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "kafka"], ids=["direct", "kafka"])
def test_the_kustomization_names_files_that_exist(folder: Path) -> None:
    (kustomization,) = read(str(folder / "kustomization.yaml"))

    assert [one for one in kustomization["resources"] if not (folder / one).exists()] == []
    assert "secret.yaml" not in kustomization["resources"]


@pytest.mark.parametrize(
    "file", ["statefulset.yaml", "deployment.yaml", "kafka/receiver.yaml", "kafka/indexer.yaml"]
)
def test_pods_are_without_privileges_and_probed(file: str) -> None:
    workload = read(file)[0]
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    paths = [container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")]
    assert paths == ["/livez", "/readyz"]
    assert "memory" in container["resources"]["limits"]
    assert pod["automountServiceAccountToken"] is False


def test_the_config_in_the_map_can_be_used(tmp_path: Path) -> None:
    (config_map,) = read("configmap.yaml")
    file = tmp_path / "ptingest.yaml"
    file.write_text(config_map["data"]["ptingest.yaml"])

    (secret,) = read("secret.yaml")
    mounted = tmp_path / "secrets"
    mounted.mkdir()
    for name, value in secret["stringData"].items():
        (mounted / name).write_text(value)
    text = file.read_text()
    file.write_text(text.replace("/run/secrets/ptingest", str(mounted)))

    settings = load_server(file, {})

    sink = settings.sinks.elasticsearch
    assert sink is not None
    assert sink.password is not None
    assert sink.password.get_secret_value() == secret["stringData"]["writer_password"]

    (workload,) = read("statefulset.yaml")
    pod = workload["spec"]["template"]["spec"]
    ports = {one["name"]: one["containerPort"] for one in pod["containers"][0]["ports"]}
    assert settings.beats.listen == f"0.0.0.0:{ports['beats']}"
    assert settings.api.listen == f"0.0.0.0:{ports['api']}"
    assert settings.drain_seconds < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("file", ["statefulset.yaml", "deployment.yaml", "kafka/indexer.yaml"])
def test_the_password_is_a_file_and_never_in_the_environment(file: str) -> None:
    workload = read(file)[0]
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert not {"env", "envFrom"} & container.keys()
    mounts = {one["name"]: one for one in container["volumeMounts"]}
    assert mounts["secret"]["mountPath"] == "/run/secrets/ptingest"
    assert mounts["secret"]["readOnly"] is True
    (volume,) = [one for one in pod["volumes"] if one["name"] == "secret"]
    assert volume["secret"] == {"secretName": "ptingest", "defaultMode": 0o440}


def test_only_beats_and_prometheus_are_let_in() -> None:
    (policy,) = read("networkpolicy.yaml")
    (workload,) = read("statefulset.yaml")
    ports = {one["name"] for one in workload["spec"]["template"]["spec"]["containers"][0]["ports"]}

    rules = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["spec"]["ingress"]}

    assert policy["spec"]["podSelector"] == workload["spec"]["selector"]
    assert rules.keys() == ports
    assert rules["beats"] is None
    assert [list(one) for one in rules["api"]] == [["namespaceSelector"]]


def test_the_pod_monitor_scrapes_our_port_under_the_name_the_alerts_know() -> None:
    (monitor,) = read("podmonitor.yaml")
    (kustomization,) = read("kustomization.yaml")

    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == "api"
    label = monitor["spec"]["jobLabel"]
    assert kustomization["labels"][0]["pairs"][label] == "ptingest"


# --- with Kafka between -----------------------------------------------------------------


def role_settings(role: str, tmp_path: Path) -> ServerSettings:
    """What the server of a role would run with, its Secret mounted below ``tmp_path``."""
    maps = {one["metadata"]["name"]: one for one in read("kafka/configmap.yaml")}
    text = maps[f"ptingest-{role}"]["data"]["ptingest.yaml"]
    (tmp_path / "writer_password").write_text("secret")
    file = tmp_path / "ptingest.yaml"
    file.write_text(text.replace("/run/secrets/ptingest", str(tmp_path)))
    return load_server(file, {})


@pytest.mark.parametrize("role", ROLES)
def test_the_config_of_a_role_fits_its_pods(role: str, tmp_path: Path) -> None:
    settings = role_settings(role, tmp_path)
    workload = read(f"kafka/{role}.yaml")[0]
    pod = workload["spec"]["template"]["spec"]
    ports = {one["name"]: one["containerPort"] for one in pod["containers"][0]["ports"]}
    (config,) = [one["configMap"] for one in pod["volumes"] if one["name"] == "config"]

    assert config == {"name": f"ptingest-{role}"}
    assert settings.api.listen == f"0.0.0.0:{ports.pop('api')}"
    expected = {"beats": settings.beats.listen} if settings.has_beats_port else {}
    assert {name: f"0.0.0.0:{port}" for name, port in ports.items()} == expected
    assert settings.drain_seconds < pod["terminationGracePeriodSeconds"]


def test_receivers_write_what_indexers_read(tmp_path: Path) -> None:
    receiver, indexer = (role_settings(role, tmp_path) for role in ROLES)

    assert (receiver.role, indexer.role) == ("receive", "index")
    assert receiver.buffer is not None
    assert receiver.buffer == indexer.buffer
    assert indexer.sinks.elasticsearch is not None


def test_receivers_have_no_secret_and_indexers_keep_their_dead_letters() -> None:
    receiver, indexer = (read(f"kafka/{role}.yaml")[0] for role in ROLES)
    pod = receiver["spec"]["template"]["spec"]

    assert (receiver["kind"], indexer["kind"]) == ("Deployment", "StatefulSet")
    assert [one["name"] for one in pod["volumes"]] == ["config", "data"]
    assert [one["metadata"]["name"] for one in indexer["spec"]["volumeClaimTemplates"]] == ["data"]


def test_each_selector_chooses_the_pods_of_one_role() -> None:
    labels = {
        role: read(f"kafka/{role}.yaml")[0]["spec"]["template"]["metadata"]["labels"]
        for role in ROLES
    }
    documents = [one for path in (FOLDER / "kafka").glob("*.yaml") for one in read(str(path))]
    chosen = {
        (one["kind"], one["metadata"]["name"]): [
            role for role in ROLES if selector_of(one).items() <= labels[role].items()
        ]
        for one in documents
        if selector_of(one)
    }

    assert chosen == {
        ("Deployment", "ptingest-receiver"): ["receiver"],
        ("Service", "ptingest"): ["receiver"],
        ("StatefulSet", "ptingest-indexer"): ["indexer"],
        ("Service", "ptingest-indexers"): ["indexer"],
        ("NetworkPolicy", "ptingest"): ["receiver", "indexer"],
        ("NetworkPolicy", "ptingest-receiver"): ["receiver"],
        ("PodDisruptionBudget", "ptingest-receiver"): ["receiver"],
        ("PodDisruptionBudget", "ptingest-indexer"): ["indexer"],
    }


def selector_of(document: Any) -> dict[str, str]:
    spec = document.get("spec", {})
    found = spec.get("selector") or spec.get("podSelector") or {}
    labels: dict[str, str] = found.get("matchLabels", found)
    return labels


def test_lag_scales_indexers_by_a_metric_that_exists() -> None:
    (scaler,) = read("kafka/hpa-lag.yaml")
    (metric,) = [one["external"]["metric"]["name"] for one in scaler["spec"]["metrics"]]
    indexer = read("kafka/indexer.yaml")[0]

    assert metric in {row.name for row in METRICS}
    assert scaler["spec"]["scaleTargetRef"] == {
        "apiVersion": indexer["apiVersion"],
        "kind": indexer["kind"],
        "name": indexer["metadata"]["name"],
    }
