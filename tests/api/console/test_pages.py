"""Which pages there are."""

from __future__ import annotations

import re
from pathlib import Path

from ptingest.api.console.pages import Console, ConsoleDependencies, console_dependencies
from ptingest.dead_letters.queue import encode_letter
from ptingest.dead_letters.segments import SUFFIX
from ptingest.model.outcome import DeadLetter
from ptingest.pipeline.compile import compile_profile, packaged_profile_path
from ptingest.pipeline.pipeline import Pipeline
from ptingest.settings.api import ApiSettings
from ptingest.settings.load import load_profile
from ptingest.settings.server import ServerSettings
from ptingest.telemetry.metrics import Metrics
from tests.support.api import View
from tests.support.console import console
from tests.support.letters import EVERYTHING


async def test_the_navigation_names_every_page_that_is_there() -> None:
    async with console() as served:
        page = await served.read("/console/")
        navigation = page.partition("<nav")[2].partition("</nav>")[0]

        places = re.findall(r'href="([^"]+)"[^>]*>([^<]+)<', navigation)
        for path, _ in places:
            assert 'aria-current="page"' in await served.read(path)

    assert [title for _, title in places] == ["Overview", "Explore"]


async def test_the_last_trouble_of_a_sink_is_kept_by_the_samples() -> None:
    view, metrics = View(), Metrics()
    view.shown = {"lanes": {"store": {"trouble": "disk full"}}}
    pages = Console(ApiSettings(), view, metrics, ConsoleDependencies(), None)
    pages.sample()
    assert pages._history.troubles == {}

    metrics.set("ptingest_lane_is_in_trouble", 1, "store")
    pages.sample()

    assert pages._history.troubles["store"].text == "disk full"


def test_what_is_tried_goes_through_the_pipeline_in_force(tmp_path: Path) -> None:
    pipeline = compile_profile(load_profile(packaged_profile_path(), {}))

    dependencies = console_dependencies(
        ServerSettings(data_dir=str(tmp_path)), pipeline=lambda: pipeline
    )

    assert dependencies.dry_run is not None
    assert dependencies.dry_run.services() == pipeline.services


def _never() -> Pipeline:
    raise AssertionError("nothing is tried here")


async def test_the_letters_shown_are_those_of_the_data_dir(tmp_path: Path) -> None:
    dependencies = console_dependencies(ServerSettings(data_dir=str(tmp_path)), pipeline=_never)
    folder = tmp_path / "dead_letters"
    folder.mkdir()
    letter = DeadLetter("not_json", "no", b"x", "django", "peer")
    line = encode_letter(
        letter, letter_id="01JB2QXEZ3T8V5N7K4M9P6R1S0", time="2025-01-02T03:04:05Z"
    )
    (folder / f"0{SUFFIX}").write_bytes(line)

    assert dependencies.letters is not None
    look = await dependencies.letters.look(EVERYTHING)

    assert [row.reason for row in look.rows] == ["not_json"]
