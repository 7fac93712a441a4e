from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from ptingest.tools.shipper.file_reader import RecordReader
from ptingest.tools.shipper.shipper import EventMaker, SendRate, Shipper, ShipperSettings
from tests.support.serving import MemorySink, Server, serving
from tests.support.waiting import PATIENCE_SECONDS, until


def shipper_settings(tmp_path: Path, port: int, *files: Path, **more: object) -> ShipperSettings:
    values = {
        "host": "127.0.0.1",
        "port": port,
        "group": "pt",
        "files": {path: path.stem for path in files},
        "registry": tmp_path / "registry.json",
        "patience_seconds": PATIENCE_SECONDS,
        **more,
    }
    return ShipperSettings(**values)  # type: ignore[arg-type]


def log_file(tmp_path: Path, lines: int, name: str = "django.log") -> Path:
    path = tmp_path / name
    path.write_text("".join(f"INFO|root|2025-01-02T03:04:05Z|n{n}\n" for n in range(lines)))
    return path


async def ship(tmp_path: Path, server: Server, *files: Path, **more: object) -> Shipper:
    shipper = Shipper(shipper_settings(tmp_path, server.port, *files, **more))
    await shipper.run()
    return shipper


@pytest.mark.parametrize("pipelining", [0, 2])
@pytest.mark.parametrize("compression", [0, 3])
async def test_every_record_arrives_and_is_acked(
    pipelining: int, compression: int, tmp_path: Path
) -> None:
    files = [log_file(tmp_path, 250), log_file(tmp_path, 30, "celery.log")]
    async with serving(tmp_path) as server:
        shipper = await ship(
            tmp_path, server, *files, window=40, pipelining=pipelining, compression=compression
        )

        services = [one.service for one in server.sink.documents]

    assert shipper.progress.acked == 280
    assert shipper.progress.is_all_acked
    assert (services.count("django"), services.count("celery")) == (250, 30)


async def test_a_second_run_ships_only_what_is_new(tmp_path: Path) -> None:
    path = log_file(tmp_path, 10)
    async with serving(tmp_path) as server:
        await ship(tmp_path, server, path)
        with path.open("a") as file:
            file.write("INFO|root|2025-01-02T03:04:05Z|new\n")

        second = await ship(tmp_path, server, path)
        third = await ship(tmp_path, server, path)

        assert second.progress.acked == 1
        assert third.progress.read == 0
        assert server.sink.messages[-1].endswith("|new")


async def test_shipping_again_is_recognised_by_its_keys(tmp_path: Path) -> None:
    path = log_file(tmp_path, 10)
    async with serving(tmp_path) as server:
        await ship(tmp_path, server, path)
        again = await ship(tmp_path, server, path, again=True)

        assert again.progress.acked == 10
        assert len(server.sink.documents) == 10


async def test_windows_not_acked_before_a_restart_are_sent_again(tmp_path: Path) -> None:
    path = log_file(tmp_path, 60)
    sink = MemorySink()
    sink.open.clear()
    async with serving(tmp_path, sink=sink) as server:
        shipping = asyncio.ensure_future(ship(tmp_path, server, path, window=20))
        await sink.asked.wait()
        for connection in list(server.worker.parts.source._connections):
            connection.transport.abort()
        sink.open.set()

        shipper = await shipping

    assert shipper.progress.connections == 2
    assert shipper.progress.resent > 0
    assert shipper.progress.acked == 60
    assert len(sink.documents) == 60


def large_lines(tmp_path: Path, lines: int, size: int) -> Path:
    path = tmp_path / "large.log"
    path.write_text(
        "".join(f"INFO|root|2025-01-02T03:04:05Z|n{n}" + "x" * size + "\n" for n in range(lines))
    )
    return path


async def test_windows_are_cut_by_bytes_as_well(tmp_path: Path) -> None:
    path = large_lines(tmp_path, 24, 1 << 20)
    async with serving(tmp_path, limits={"window_bytes": "16MiB"}) as server:
        shipper = await ship(tmp_path, server, path)

        assert shipper.progress.acked == len(server.sink.documents) == 24
        assert shipper.progress.connections == 1


async def test_what_copytruncate_leaves_gets_through(tmp_path: Path) -> None:
    path = tmp_path / "large.log"
    path.write_bytes(b"\0" * (12 << 20) + b"\nINFO|root|2025-01-02T03:04:05Z|x\n")
    async with serving(tmp_path) as server:
        shipper = await ship(tmp_path, server, path)

        # A NUL is six bytes as JSON: 12 MiB of them are five events of less than
        # beats.limits.event_bytes, which are documents and no dead letters.
        assert shipper.progress.acked == shipper.progress.read == 6
        assert len(server.sink.documents) == 6
        assert shipper.progress.connections == 1


@pytest.mark.parametrize(
    "limits",
    [{"window_events": 10}, {"window_bytes": "20KiB"}],
    ids=["a limit of events", "a limit of bytes"],
)
async def test_windows_a_server_closes_on_come_again_smaller(
    limits: dict[str, object], tmp_path: Path
) -> None:
    path = large_lines(tmp_path, 100, 1000)
    async with serving(tmp_path, limits=limits) as server:
        shipper = await ship(tmp_path, server, path, window=64, patience_seconds=15.0)

        numbers = [text.rpartition("|")[2].strip("x") for text in server.sink.messages]

    assert shipper.progress.failure is None
    assert shipper.progress.acked == 100
    assert sorted(numbers) == sorted(f"n{n}" for n in range(100))
    assert shipper.progress.connections > 1


async def test_giving_up_says_how_large_the_window_was_and_names_the_option(
    tmp_path: Path,
) -> None:
    path = large_lines(tmp_path, 9, 30_000)
    async with serving(tmp_path, limits={"window_bytes": "20KiB"}) as server:
        hopeless = await ship(tmp_path, server, path, patience_seconds=0.0)
        alone = await ship(tmp_path, server, path, window=1, patience_seconds=0.0)

    assert hopeless.progress.acked == 0
    assert "a smaller --window may get through" in str(hopeless.progress.failure)
    assert "holds 1 events" in str(alone.progress.failure)
    assert "beats.limits.window_bytes" in str(alone.progress.failure)


async def test_following_ships_lines_as_they_come_and_after_a_rotation(tmp_path: Path) -> None:
    path = log_file(tmp_path, 1)
    async with serving(tmp_path) as server:
        following = asyncio.ensure_future(ship(tmp_path, server, path, follow=True))
        with path.open("a") as file:
            file.write("INFO|root|2025-01-02T03:04:05Z|second\n")
        await server.until("ptingest_flow_received_events_total", 1, "django")
        # The second still waits for lines that may belong to it when its file goes away.
        path.rename(tmp_path / "django.log.1")
        path.write_text("another file\n")
        await server.until("ptingest_flow_received_events_total", 3, "django")
        await until(lambda: len(server.sink.documents) == 3)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

        assert [text.rpartition("|")[2] for text in server.sink.messages] == [
            "n0",
            "second",
            "another file",
        ]


async def test_nobody_there_is_told_at_once(tmp_path: Path) -> None:
    shipper = Shipper(shipper_settings(tmp_path, 1, log_file(tmp_path, 1)))

    await shipper.run()

    assert shipper.progress.failure is not None
    assert "no server answers at 127.0.0.1:1" in shipper.progress.failure


async def test_a_rate_makes_windows_small() -> None:
    assert SendRate(None).most_events is None
    assert SendRate(100).most_events == 20
    assert SendRate(0.5).most_events == 1


def test_an_event_looks_as_filestream_sends_it(tmp_path: Path) -> None:
    path = tmp_path / "django.log"
    path.write_bytes(b"INFO|a\nmore \xff\n")
    reader = RecordReader(path)
    (record,) = reader.read(to_the_end=True)

    event = orjson.loads(EventMaker("pt", "agent-1").make(record, reader, "django"))
    reader.close()

    assert event["message"] == "INFO|a\nmore \ufffd"
    assert event["log"]["offset"] == 0
    assert event["log"]["file"]["path"] == str(path)
    assert event["log"]["flags"] == ["multiline"]
    assert event["agent"]["id"] == "agent-1"
    assert (event["group"], event["service"]) == ("pt", "django")
    assert list(event)[:2] == ["@timestamp", "@metadata"]
