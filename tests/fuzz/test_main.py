"""The command around the fuzzer: what it replays, what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import last_words, summary, written_seeds, written_tokens
from tests.fuzz.targets import TARGETS
from tests.support.modules import ROOT

LOG = """#2\tINITED cov: 12 ft: 13
#9\tNEW    cov: 34 ft: 40

 === Uncaught Python exception: ===
AssertionError: bytes were lost
==77== ERROR: libFuzzer: fuzz target exited
stat::number_of_executed_units: 1234
"""


@pytest.mark.timeout(30)
def test_an_input_is_replayed_without_the_fuzzer(tmp_path: Path) -> None:
    kept = tmp_path / "crash-1"
    kept.write_bytes(b"\0GET / HTTP/1.1\r\n")

    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--replay", "decoder", str(kept)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "decoder" in done.stdout


def test_what_libfuzzer_says_is_told_in_a_line() -> None:
    assert summary(LOG) == "1234 inputs, 34 branches covered"
    assert last_words(LOG)[0] == "AssertionError: bytes were lost"


def test_seeds_and_words_are_written_as_libfuzzer_reads_them(tmp_path: Path) -> None:
    target = TARGETS["proxy"]

    seeds = {path.read_bytes() for path in written_seeds(target, tmp_path).iterdir()}
    words = written_tokens(target, tmp_path).read_text().splitlines()

    assert seeds == set(target.seeds())
    assert words[0] == r'"\x50\x52\x4f\x58\x59\x20"'


def test_the_page_of_fuzzing_names_every_target() -> None:
    page = (ROOT / "docs" / "development" / "fuzzing.md").read_text(encoding="utf-8")

    assert [name for name in TARGETS if f"`{name}`" not in page] == []
