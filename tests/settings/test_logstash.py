"""A logstash.conf is read as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from ptingest.errors import ConfigInvalid
from ptingest.settings.load import load_rules
from ptingest.settings.logstash import LogstashSettings, load_logstash
from ptingest.settings.transfer import pack_profile, unpack_profile


def test_the_files_of_a_folder_come_in_order_of_name(tmp_path: Path) -> None:
    for name in ("20-filter.conf", "10-input.conf", "notes.txt"):
        (tmp_path / name).write_text(f"# {name}")

    rules = load_rules(tmp_path, {})

    assert isinstance(rules, LogstashSettings)
    assert [one.text for one in rules.files] == ["# 10-input.conf", "# 20-filter.conf"]
    assert rules.folder == str(tmp_path)


def test_only_variables_that_the_text_names_are_taken(tmp_path: Path) -> None:
    config = tmp_path / "a.conf"
    config.write_text('filter { mutate { add_field => { "a" => "${HOME_A} ${MISSING:x}" } } }')

    rules = load_logstash(config, {"HOME_A": "here", "PATH": "/bin"})

    assert rules.variables == {"HOME_A": "here"}


def test_passwords_are_not_shown_and_another_process_gets_them(tmp_path: Path) -> None:
    config = tmp_path / "a.conf"
    config.write_text('output { elasticsearch { password => "hush" user => "${WHO}" } }')

    rules = load_logstash(config, {"WHO": "secretive"})

    assert "hush" not in repr(rules)
    assert "secretive" not in repr(rules)
    assert unpack_profile(pack_profile(rules)) == rules


@pytest.mark.parametrize(
    ("content", "seen"),
    [(None, "cannot be read: No such file"), (b"a\n\xff", "a.conf:2: is not UTF-8")],
)
def test_what_cannot_be_read_is_said_with_its_file(
    tmp_path: Path, content: bytes | None, seen: str
) -> None:
    config = tmp_path / "a.conf"
    if content is not None:
        config.write_bytes(content)

    with pytest.raises(ConfigInvalid) as error:
        load_logstash(config, {})

    assert seen in str(error.value)


def test_a_folder_without_a_config_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"the folder has no \*.conf"):
        load_logstash(tmp_path, {})
