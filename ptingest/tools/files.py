"""Files for operators that travel with the program: config, unit, Filebeat, Prometheus, Grafana.

They are in the package once it is installed, else in the source tree.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import NamedTuple

from ptingest.pipeline.compile import packaged_profile_path
from ptingest.settings.packaged_patterns import packaged_patterns_path


class ShippedFile(NamedTuple):
    """One file, where it is in the source tree, and what it is for."""

    name: str
    source: str
    purpose: str


FILES = (
    ShippedFile("ptingest.yaml", "config/ptingest.yaml", "config: every setting, its default"),
    ShippedFile("pt.yaml", "config/pt.yaml", "profile: patterns, categories, data streams"),
    ShippedFile("patterns.yaml", "config/patterns.yaml", "patterns to switch on: nginx, React"),
    ShippedFile("ptingest.service", "deploy/ptingest.service", "unit for systemd"),
    ShippedFile("filebeat.yml", "deploy/filebeat/filebeat.yml", "Filebeat that ships to it"),
    ShippedFile("filebeat-tls.yml", "deploy/filebeat/filebeat-tls.yml", "the same over TLS"),
    ShippedFile("rules.yml", "deploy/prometheus/rules.yml", "recording rules of Prometheus"),
    ShippedFile("alerts.yml", "deploy/prometheus/alerts.yml", "alerts of Prometheus"),
    ShippedFile("grafana.json", "deploy/grafana/ptingest.json", "board of Grafana"),
    ShippedFile("django_settings.py", "deploy/logging/django_settings.py", "logging of Django"),
    ShippedFile("celery_app.py", "deploy/logging/celery_app.py", "logging of Celery"),
    ShippedFile("flower_app.py", "deploy/logging/flower_app.py", "logging of Flower"),
    ShippedFile("gunicorn.conf.py", "deploy/logging/gunicorn.conf.py", "logging of gunicorn"),
)

PROGRAM_IN_UNIT = "/opt/ptingest/bin/ptingest"


def find_file(name: str) -> ShippedFile | None:
    """Return the file of this name; None: there is none."""
    return next((one for one in FILES if one.name == name), None)


def read_file(file: ShippedFile, *, program: Path | None = None) -> str:
    """Return the file's text; a unit starts ``program``, where it is given."""
    text = _path(file).read_text(encoding="utf-8")
    if file.name.endswith(".service") and program is not None:
        text = text.replace(f"ExecStart={PROGRAM_IN_UNIT}", f"ExecStart={program}")
    return text


def _path(file: ShippedFile) -> Path:
    if file.name == "pt.yaml":
        return packaged_profile_path()  # where the server reads it
    if file.name == "patterns.yaml":
        return packaged_patterns_path()
    installed = Path(str(resources.files("ptingest.tools"))) / "shipped" / file.name
    return installed if installed.exists() else Path(__file__).parents[2] / file.source
