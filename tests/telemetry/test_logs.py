"""Logs on standard error."""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterator
from datetime import datetime

import orjson
import pytest

from ptingest.settings.log import LogSettings
from ptingest.telemetry.logs import Repeated, RepeatHandler, Repeats, setup_logs
from tests.support.waiting import PATIENCE_SECONDS

LOGGER = "ptingest.sources.beats.server"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger with its previous handlers; ours are removed again."""
    logger = logging.getLogger()
    level, ours = logger.level, logging.getLogger("ptingest").level
    yield logger
    for handler in list(logger.handlers):
        if isinstance(handler, RepeatHandler):
            logger.removeHandler(handler)
            handler.close()
    logger.setLevel(level)
    logging.getLogger("ptingest").setLevel(ours)


class TestRepeats:
    """The decision whether to show a record, with time as an argument."""

    def test_the_first_few_of_a_kind_are_shown_and_the_rest_counted(self) -> None:
        repeats = Repeats(allowed=2, window_seconds=60)

        shown = [repeats.shows("a", 30, "x %s", now) for now in (0.0, 1.0, 2.0, 3.0)]

        assert shown == [True, True, False, False]
        assert repeats.ended(59.0) == []
        assert repeats.ended(60.0) == [Repeated("a", 30, "x %s", 2)]

    def test_after_its_window_a_kind_is_shown_again(self) -> None:
        repeats = Repeats(allowed=1, window_seconds=60)
        repeats.shows("a", 30, "x", 0.0)
        repeats.ended(60.0)

        assert repeats.shows("a", 30, "x", 60.0)

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(("b", 30, "x"), id="another logger"),
            pytest.param(("a", 40, "x"), id="another level"),
            pytest.param(("a", 30, "y"), id="another template"),
        ],
    )
    def test_kinds_do_not_hide_each_other(self, other: tuple[str, int, str]) -> None:
        repeats = Repeats(allowed=1)
        repeats.shows("a", 30, "x", 0.0)

        assert repeats.shows(*other, 0.0)

    def test_a_quiet_kind_ends_without_a_word(self) -> None:
        repeats = Repeats(allowed=2, window_seconds=60)
        repeats.shows("a", 30, "x", 0.0)

        assert repeats.ended(100.0) == []

    def test_memory_is_bounded_by_forgetting_the_oldest_kind(self) -> None:
        repeats = Repeats(allowed=1, kinds=10)
        ended = []
        for number in range(100):
            ended += repeats.ended(0.0)
            repeats.shows("a", 30, f"template {number}", 0.0)
            repeats.shows("a", 30, f"template {number}", 0.0)

        assert len(ended) == 90
        assert ended[0] == Repeated("a", 30, "template 0", 1)


def records(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


class TestSetup:
    """`setup_logs`, through logging itself."""

    def test_a_console_line_has_time_level_short_name_and_message(self, root: object) -> None:
        stream = io.StringIO()
        setup_logs(LogSettings(), stream)

        logging.getLogger(LOGGER).warning("closing %s", "192.0.2.7:1")

        (line,) = records(stream)
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z warning sources\.beats\.server: "
            r"closing 192\.0\.2\.7:1",
            line,
        )

    def test_a_json_line_has_ecs_names(self, root: object) -> None:
        stream = io.StringIO()
        setup_logs(LogSettings(format="json"), stream)

        logging.getLogger(LOGGER).info("hello")

        fields = orjson.loads(stream.getvalue())
        assert fields["log.level"] == "info"
        assert fields["log.logger"] == LOGGER
        assert fields["message"] == "hello"
        assert datetime.fromisoformat(fields["@timestamp"]).tzinfo is not None

    @pytest.mark.parametrize("form", ["console", "json"])
    def test_a_traceback_belongs_to_its_record(self, root: object, form: str) -> None:
        stream = io.StringIO()
        setup_logs(LogSettings.model_validate({"format": form}), stream)

        try:
            raise ValueError("boom")
        except ValueError:
            logging.getLogger(LOGGER).exception("it broke")

        lines = records(stream)
        assert "it broke" in lines[0]
        if form == "json":
            (line,) = lines
            fields = orjson.loads(line)
            assert fields["error.type"] == "ValueError"
            assert fields["error.message"] == "boom"
            assert "Traceback" in fields["error.stack_trace"]
        else:
            assert all(line.startswith("    ") for line in lines[1:])
            assert lines[-1].endswith("ValueError: boom")

    def test_text_from_a_peer_cannot_forge_a_line(self, root: object) -> None:
        stream = io.StringIO()
        setup_logs(LogSettings(), stream)
        forged = "x\n2026-01-01T00:00:00.000Z error lane: all is lost\x1b[2J\r"

        logging.getLogger(LOGGER).warning("peer said %s", forged)

        first, second = stream.getvalue().split("\n")[:2]
        assert first.endswith("peer said x")
        assert second == "    2026-01-01T00:00:00.000Z error lane: all is lost\\x1b[2J\\x0d"

    def test_bytes_of_a_file_name_do_not_break_a_json_line(self, root: object) -> None:
        stream = io.StringIO()
        setup_logs(LogSettings(format="json"), stream)

        logging.getLogger(LOGGER).warning("cannot read %s", "a\udcff")

        assert orjson.loads(stream.getvalue())["message"] == "cannot read a\\udcff"

    @pytest.mark.parametrize(
        ("level", "shown"),
        [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)],
    )
    def test_the_level_is_ours_alone(self, root: object, level: str, shown: int) -> None:
        stream = io.StringIO()
        setup_logs(LogSettings.model_validate({"level": level}), stream)
        ours, theirs = logging.getLogger(LOGGER), logging.getLogger("another.library")

        for logger in (ours, theirs):
            for at in (logging.DEBUG, logging.INFO):
                logger.log(at, "quiet")
        ours.warning("look soon")
        ours.error("look now")
        theirs.warning("theirs")

        lines = records(stream)
        assert len([line for line in lines if "theirs" not in line]) == shown
        assert any("another.library: theirs" in line for line in lines)

    def test_repeats_are_counted_and_told_when_logging_ends(self, root: object) -> None:
        stream = io.StringIO()
        handler = setup_logs(LogSettings(), stream)

        for number in range(42):
            logging.getLogger(LOGGER).warning("Beat %d broke the format", number)
        handler.close()

        lines = records(stream)
        assert len(lines) == 6
        assert lines[0].endswith("Beat 0 broke the format")
        assert "warning sources.beats.server: … and 37 more like it in 60 s" in lines[5]
        assert lines[5].endswith(", the last: Beat 41 broke the format")

    def test_a_second_setup_replaces_the_first(self, root: logging.Logger) -> None:
        first, second = io.StringIO(), io.StringIO()
        setup_logs(LogSettings(), first)
        setup_logs(LogSettings(level="error"), second)

        logging.getLogger(LOGGER).warning("not shown")
        logging.getLogger(LOGGER).error("shown")

        assert records(first) == []
        assert len(records(second)) == 1
        assert len([h for h in root.handlers if isinstance(h, RepeatHandler)]) == 1


def test_the_count_is_told_at_the_windows_end_though_nothing_more_is_logged() -> None:
    told = threading.Event()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            if "more like it" in text:
                told.set()
            return super().write(text)

    stream = Stream()
    handler = RepeatHandler(stream, Repeats(allowed=1, window_seconds=0.05), window_seconds=0.05)
    record = logging.LogRecord("a", 30, "", 0, "again", None, None)

    handler.handle(record)
    handler.handle(record)

    assert told.wait(PATIENCE_SECONDS)
    handler.close()
    assert records(stream) == ["again", "… and 1 more like it in 0.05 s, the last: again"]


def test_a_closed_handler_leaves_no_thread_behind() -> None:
    handler = RepeatHandler(io.StringIO(), Repeats(allowed=1))
    record = logging.LogRecord("a", 30, "", 0, "again", None, None)
    before = threading.active_count()
    handler.handle(record)
    handler.handle(record)
    timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]

    handler.close()

    for timer in timers:
        timer.join(PATIENCE_SECONDS)
    assert len(timers) == 1
    assert threading.active_count() == before


@pytest.mark.parametrize("process", [None, "worker 2"])
def test_of_several_processes_each_says_which_it_is(
    process: str | None, root: logging.Logger
) -> None:
    for form, named in (
        ("console", "[worker 2] sources.beats.server: x"),
        ("json", "ptingest worker 2"),
    ):
        stream = io.StringIO()
        setup_logs(LogSettings.model_validate({"format": form}), stream, process=process)
        logging.getLogger(LOGGER).warning("x")

        assert (named in stream.getvalue()) is (process is not None)
        assert "sources.beats" in stream.getvalue()


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_is_reworded_is_the_message_with_its_arguments(
    root: logging.Logger, form: str
) -> None:
    stream = io.StringIO()
    setup_logs(LogSettings.model_validate({"format": form}), stream, reword=str.upper)

    logging.getLogger(LOGGER).warning("run %s", "this")

    assert "RUN THIS" in stream.getvalue()
