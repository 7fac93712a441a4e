"""deploy/kubernetes against Kubernetes' schemas. No cluster runs here."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ptingest.settings.load import load_server
from tests.peers.pypi_peer import install
from tests.support.modules import DEPLOY

FOLDER = DEPLOY / "kubernetes"
OWN_KINDS = {"kustomization.yaml", "podmonitor.yaml"}
"""Kinds of others; Kubernetes has no schema for them."""
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name not in OWN_KINDS)


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


def test_the_kustomization_names_files_that_exist() -> None:
    (kustomization,) = read("kustomization.yaml")

    assert [one for one in kustomization["resources"] if not (FOLDER / one).exists()] == []
    assert "secret.yaml" not in kustomization["resources"]


@pytest.mark.parametrize("file", ["statefulset.yaml", "deployment.yaml"])
def test_pods_are_without_privileges_and_probed(file: str) -> None:
    (workload,) = read(file)
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


@pytest.mark.parametrize("file", ["statefulset.yaml", "deployment.yaml"])
def test_the_password_is_a_file_and_never_in_the_environment(file: str) -> None:
    (workload,) = read(file)
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
