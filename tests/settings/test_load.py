"""A config file to settings."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.settings.load import load_profile, load_server
from ptingest.settings.server import ServerSettings

ROOT = Path(__file__).parents[2]


def write(folder: Path, text: str) -> Path:
    path = folder / "ptingest.yaml"
    path.write_text(text)
    return path


def test_hosts_may_come_as_one_text_from_a_variable(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text('sinks: {elasticsearch: {hosts: "${ES_HOSTS}"}}')

    settings = load_server(config, {"ES_HOSTS": "http://a:1,http://b:2"})

    assert settings.sinks.elasticsearch is not None
    assert settings.sinks.elasticsearch.hosts == ("http://a:1", "http://b:2")


def test_without_a_file_every_setting_has_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    settings = load_server(None, {})

    assert settings == ServerSettings(data_dir=str(tmp_path / "data"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}\n"])
def test_an_empty_file_says_the_same_as_none(tmp_path: Path, text: str) -> None:
    settings = load_server(write(tmp_path, text), {})

    assert settings == ServerSettings(data_dir=str(tmp_path / "data"))


def test_relative_paths_count_from_the_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    write(
        folder,
        "data_dir: ../var\nprofile: my.yaml\n"
        "sinks: {elasticsearch: {hosts: ['https://x'], ca_file: ca.pem}}\n"
        "buffer: {kafka: {brokers: 'kafka:9093', tls: {ca_file: kafka.pem}}}\n",
    )
    monkeypatch.chdir(tmp_path)

    settings = load_server(Path("etc/ptingest.yaml"), {})

    assert settings.sinks.elasticsearch is not None
    assert settings.data_dir == str(folder / "../var")
    assert settings.profile == str(folder / "my.yaml")
    assert settings.sinks.elasticsearch.ca_file == str(folder / "ca.pem")
    assert settings.buffer is not None
    assert settings.buffer.kafka.tls is not None
    assert settings.buffer.kafka.tls.ca_file == str(folder / "kafka.pem")


def test_absolute_paths_stay(tmp_path: Path) -> None:
    settings = load_server(write(tmp_path, "data_dir: /srv/ptingest\n"), {})

    assert settings.data_dir == "/srv/ptingest"


def test_variables_become_numbers_sizes_and_booleans(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "beats: {limits: {total_bytes: '${T}', pairs: '${P:2}'}}\n"
        "sinks: {elasticsearch: {hosts: ['http://${H:es}:9200'], compress: '${C}'}}\n",
    )

    settings = load_server(path, {"T": "1GiB", "C": "false"})

    assert settings.beats.limits.pairs == 2
    assert settings.beats.limits.total_bytes == 1 << 30
    assert settings.sinks.elasticsearch is not None
    assert settings.sinks.elasticsearch.hosts == ("http://es:9200",)
    assert settings.sinks.elasticsearch.compress is False


def test_a_secret_file_beside_the_config_is_read_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("geheim\n")
    path = write(
        tmp_path,
        "sinks: {elasticsearch: {hosts: ['http://x'], username: u, password: '${file:pw}'}}",
    )

    settings = load_server(path, {})

    assert settings.sinks.elasticsearch is not None
    assert settings.sinks.elasticsearch.password is not None
    assert settings.sinks.elasticsearch.password.get_secret_value() == "geheim"
    assert "geheim" not in repr(settings)


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "log: {level: ${NOPE}}\nworkers: true\ndrain_seconds: 0\nworkers: 2\nfoo: *x\n".replace(
            "{level: ${NOPE}}", '{level: "${NOPE}"}'
        ),
    )

    with pytest.raises(ConfigInvalid) as caught:
        load_server(path, {})

    said = [(problem.line, problem.path) for problem in caught.value.problems]
    assert said == [
        (1, "log.level"),
        (2, "workers"),
        (3, "drain_seconds"),
        (4, "workers"),
        (5, "foo"),
        (5, "foo"),
    ]
    assert all(problem.file == str(path) for problem in caught.value.problems)


def test_the_cause_with_its_values_does_not_travel_along(tmp_path: Path) -> None:
    path = write(tmp_path, "sinks: {elasticsearch: {password: '${PW}'}}")

    with pytest.raises(ConfigInvalid) as caught:
        load_server(path, {"PW": "geheim123"})

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("text", ["- a\n", "just text\n", "5\n"])
def test_a_file_without_keys_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigInvalid, match="does not hold keys and values"):
        load_server(write(tmp_path, text), {})


def test_a_missing_file_is_an_invalid_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"nope\.yaml: cannot be read: No such file"):
        load_server(tmp_path / "nope.yaml", {})


def test_the_shipped_config_loads_and_says_what_an_empty_one_says(tmp_path: Path) -> None:
    shipped = shutil.copy(ROOT / "config" / "ptingest.yaml", tmp_path)

    settings = load_server(Path(shipped), {})

    assert settings == ServerSettings(data_dir=str(tmp_path / "data"))


def test_the_shipped_profile_loads() -> None:
    profile = load_profile(ROOT / "config" / "pt.yaml", {})

    assert [group.group for group in profile.groups] == ["pt"]


def test_a_broken_profile_is_told_like_a_broken_config(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("parsing: loose\ngroups: []\n")

    with pytest.raises(ConfigInvalid) as caught:
        load_profile(path, {})

    assert f"{path}:1: parsing is 'loose', must be parity or strict" in str(caught.value)
    assert [problem.path for problem in caught.value.problems] == ["parsing", "groups"]
