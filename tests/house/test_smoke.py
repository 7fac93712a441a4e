"""Source distribution and wheel, installed where nothing of ours is but what they declare."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from urllib.request import urlopen

import pytest

from ptingest.tools.files import FILES, PROGRAM_IN_UNIT
from tests.support.installed import build, call, contents, install, running, wheel_of_sdist
from tests.support.modules import PACKAGE, ROOT

LINE = b"INFO|apps.parcels.views|2025-01-02T03:04:05Z|hello\n"

IMPORT_ALL = """
import importlib, pkgutil, ptingest
for module in pkgutil.walk_packages(ptingest.__path__, "ptingest."):
    importlib.import_module(module.name)
from ptingest.kql.parser import parse
parse("service: django")  # reads the packaged grammar
print(ptingest.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def of_sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of_sdist(tmp_path_factory.mktemp("of-sdist"))


@pytest.fixture(scope="module")
def bin_folder(of_sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the installed `ptingest` lies."""
    return install(of_sdist, tmp_path_factory.mktemp("installed") / "home")


def test_a_wheel_of_the_source_distribution_is_the_wheel_of_the_checkout(
    wheel: Path, of_sdist: Path
) -> None:
    assert contents(of_sdist) == contents(wheel)


def test_the_wheel_holds_what_the_package_needs_and_no_tests(wheel: Path) -> None:
    names = contents(wheel).keys()
    packaged = contents(wheel)["ptingest/pipeline/pt.yaml"]

    sources = {
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert sources - names == set()
    assert packaged == (ROOT / "config" / "pt.yaml").read_bytes()
    assert sent_by_setup(wheel) == sent_by_hand()
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def sent_by_setup(wheel: Path) -> dict[str, bytes]:
    """What `ptingest setup` sends once installed."""
    opening = "ptingest/tools/setup/assets/"
    files = contents(wheel).items()
    return {name.removeprefix(opening): body for name, body in files if name.startswith(opening)}


def sent_by_hand() -> dict[str, bytes]:
    """What people find in deploy/."""
    return {
        path.relative_to(ROOT / "deploy").as_posix(): path.read_bytes()
        for folder in ("elasticsearch", "opensearch", "kibana")
        for path in (ROOT / "deploy" / folder).iterdir()
    }


@pytest.mark.timeout(30)
def test_every_module_can_be_imported_without_dev_dependencies(
    bin_folder: Path, tmp_path: Path
) -> None:
    said = call(bin_folder / "python", "-c", IMPORT_ALL, folder=tmp_path)

    assert str(bin_folder.parent) in said


def test_the_installed_command_knows_its_version(bin_folder: Path, tmp_path: Path) -> None:
    said = call(bin_folder / "ptingest", "--version", folder=tmp_path)

    assert said.startswith("ptingest ")
    assert f'version = "{said.split()[1]}"' in (ROOT / "pyproject.toml").read_text()


def test_the_installed_command_checks_its_packaged_profile(
    bin_folder: Path, tmp_path: Path
) -> None:
    said = call(bin_folder / "ptingest", "check", folder=tmp_path)

    assert "The config is valid." in said


def test_the_installed_command_knows_what_to_send(bin_folder: Path, tmp_path: Path) -> None:
    command = (bin_folder / "ptingest", "setup", "--dry-run", "--kibana", "http://127.0.0.1:9")

    said = call(*command, folder=tmp_path)

    assert "PUT /_index_template/pt-logs" in said
    assert "[PT] Overview" in said


def test_the_installed_command_tries_a_line(bin_folder: Path, tmp_path: Path) -> None:
    command = (bin_folder / "ptingest", "try", "--service", "django", "--json")

    said = call(*command, folder=tmp_path, given=LINE)

    assert said.startswith('{"outcome":"indexed","reason":null,"data_stream":"logs-django-pt",')


def test_the_installed_command_has_every_file_for_operators(
    bin_folder: Path, tmp_path: Path
) -> None:
    call(bin_folder / "ptingest", "files", "--to", tmp_path, folder=tmp_path)

    for file in FILES:
        text = (tmp_path / file.name).read_text(encoding="utf-8")
        here = (ROOT / file.source).read_text(encoding="utf-8")
        assert text == here.replace(PROGRAM_IN_UNIT, str(bin_folder / "ptingest"))


@pytest.mark.timeout(60)
def test_the_installed_command_is_server_beat_console_and_search(
    bin_folder: Path, tmp_path: Path
) -> None:
    log = tmp_path / "django.log"
    log.write_bytes(LINE * 3)

    with running(bin_folder, tmp_path) as server:
        sent = call(*(bin_folder / "ptingest", "send", log, "--to", server.beats), folder=tmp_path)
        found = call(
            *(bin_folder / "ptingest", "search", "service:django", "--json"),
            *("--config", server.config), folder=tmp_path,
        )  # fmt: skip
        with urlopen(f"{server.url}/console/explore?q=hello", timeout=30) as answer:
            page = answer.read().decode()
        with urlopen(f"{server.url}/console/static/console.css", timeout=30) as answer:
            style = answer.read()
        server.process.send_signal(signal.SIGTERM)
        left = server.process.wait(30)

    assert "3 events acked" in sent
    assert [json.loads(line)["log_message"] for line in found.splitlines()] == ["hello"] * 3
    assert page.count("<mark>hello</mark>") >= 3
    assert style
    assert left == 0
