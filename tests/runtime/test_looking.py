"""The console's seams are connected."""

from __future__ import annotations

from pathlib import Path

from ptingest.dead_letters.queue import encode_letter
from ptingest.dead_letters.segments import SUFFIX
from ptingest.model.outcome import DeadLetter
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.pipeline import Pipeline
from ptingest.runtime.looking import console_seams
from ptingest.settings.load import load_profile
from ptingest.settings.server import ServerSettings


def test_what_is_tried_goes_through_the_pipeline_in_force(tmp_path: Path) -> None:
    pipeline = compile_profile(load_profile(packaged_profile_path(), {}))

    seams = console_seams(ServerSettings(data_dir=str(tmp_path)), pipeline=lambda: pipeline)

    assert seams.trial is not None
    assert seams.trial.services() == pipeline.services


def _never() -> Pipeline:
    raise AssertionError("nothing is tried here")


async def test_the_letters_shown_are_those_of_the_data_dir(tmp_path: Path) -> None:
    seams = console_seams(ServerSettings(data_dir=str(tmp_path)), pipeline=_never)
    folder = tmp_path / "dead_letters"
    folder.mkdir()
    letter = DeadLetter("not_json", "no", b"x", "django", "peer")
    line = encode_letter(
        letter, letter_id="01JB2QXEZ3T8V5N7K4M9P6R1S0", time="2025-01-02T03:04:05Z"
    )
    (folder / f"0{SUFFIX}").write_bytes(line)

    assert seams.shelf is not None
    look = await seams.shelf.look(reason="", data_stream="")

    assert [row.reason for row in look.rows] == ["not_json"]
