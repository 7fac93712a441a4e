from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import orjson
import pytest

from ptingest.server.assembly import NamesStreams, build
from ptingest.server.process.clock import SystemClock
from ptingest.server.reload import compile_config, needing_restart, put_in_force
from ptingest.settings.profile import DataStreamSettings
from ptingest.settings.server import ServerSettings
from tests.fakes.beat import Beat
from tests.support.profile import shipped_profile
from tests.support.raw_peer import J, W, event, peer_of
from tests.support.reloading import reloader_of, write_config
from tests.support.serving import serving
from tests.support.settings import server_settings


async def test_a_new_stream_is_in_force_after_a_reload_and_connections_stay(
    tmp_path: Path,
) -> None:
    line = event("INFO|flower.command|2025-01-02T03:04:05Z|x")
    async with serving(tmp_path) as server, peer_of(server) as peer:
        config = write_config(tmp_path, server)
        await peer.send(W(1) + J(1, line))
        await peer.acks(1)
        profile = tmp_path / "pt.yaml"
        text = profile.read_text()
        rule = "        - {match: [flower.*], set: {stream: flower}}\n"
        assert "      rules:\n" in text
        profile.write_text(text.replace("      rules:\n", f"      rules:\n{rule}", 1))

        assert await reloader_of(server, config).reload() is True

        await peer.send(W(1) + J(2, line))
        await peer.acks(1)
        streams = [orjson.loads(one.body)["stream"] for one in server.sink.documents]
    assert streams == ["unknown", "flower"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("c.yaml", "beats: {lissen: x}\n", "beats.lissen"),
        ("c.yaml", "beats: [", "c.yaml"),
        ("pt.yaml", "groups: 1\n", "groups"),
    ],
    ids=["an unknown key", "no YAML", "a broken profile"],
)
async def test_a_bad_file_changes_nothing_and_says_why(
    name: str, text: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as server:
        config = write_config(tmp_path, server)
        reloader = reloader_of(server, config)
        before = server.worker.parts.processing.pipeline
        (tmp_path / name).write_text(text)

        assert await reloader.reload() is False

        assert server.worker.parts.processing.pipeline is before
        assert said in str(reloader.status()["last_error"])
        assert server.metric("ptingest_worker_config_is_current") == 0
        assert server.metric("ptingest_worker_reloads_total", "refused") == 1
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert said in errors[0]


async def test_a_sink_asks_for_rights_on_the_data_streams_of_the_profile_in_force(
    tmp_path: Path,
) -> None:
    settings = server_settings(tmp_path, sinks={"elasticsearch": {"hosts": ["http://127.0.0.1:9"]}})
    parts = build(settings, shipped_profile(), clock=SystemClock())
    (group,) = shipped_profile().groups
    shop = group.model_copy(update={"data_stream": DataStreamSettings(namespace="shop")})
    fresh = shipped_profile().model_copy(update={"groups": (group, shop)})

    put_in_force(parts, compile_config(settings, fresh))

    (sink,) = parts.sinks
    assert isinstance(sink, NamesStreams)
    assert sink.streams.patterns == ("logs-*-pt", "logs-*-shop")
    await sink.close()


async def test_a_pattern_that_misses_its_sample_is_not_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        config = write_config(tmp_path, server)
        profile = tmp_path / "pt.yaml"
        text = profile.read_text()
        assert "log_level: INFO" in text
        profile.write_text(text.replace("log_level: INFO", "log_level: OTHER", 1))

        assert await reloader_of(server, config).reload() is False


async def test_limits_change_for_open_connections(tmp_path: Path) -> None:
    async with serving(tmp_path) as server, peer_of(server) as peer:
        await peer.send(W(1) + J(1))
        await peer.acks(1)
        config = write_config(
            tmp_path,
            server,
            "beats: {listen: '127.0.0.1:0', limits: {idle_seconds: 0.2, total_bytes: 4MiB}}\n",
        )

        assert await reloader_of(server, config).reload() is True

        assert server.worker.parts.budget.limit == 2 << 20
        server.worker.parts.metrics.refresh()
        assert server.metric("ptingest_budget_limit_bytes") == 2 << 20
        assert await peer.rest() == []


def test_what_needs_a_restart_is_named() -> None:
    old = ServerSettings()
    new = ServerSettings.model_validate(
        {"data_dir": "elsewhere", "beats": {"listen": "0.0.0.0:1"}, "drain_seconds": 3}
    )

    assert needing_restart(old, new) == ["data_dir", "beats.listen"]
    assert needing_restart(old, old) == []


@pytest.mark.timeout(120)  # 100 reloads, beside whatever else the machine does
async def test_a_hundred_reloads_under_load_lose_nothing_and_close_nothing(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as server:
        reloader = reloader_of(server, write_config(tmp_path, server))
        beats = [Beat(server.port) for _ in range(3)]
        stop = asyncio.Event()

        async def ship(beat: Beat, number: int) -> int:
            sent = 0
            while not stop.is_set():
                window = [
                    event(agent={"id": f"b{number}"}, log={"offset": sent + n}) for n in range(50)
                ]
                await beat.deliver([window])
                sent += 50
            return sent

        shipping = asyncio.gather(*[ship(beat, n) for n, beat in enumerate(beats)])
        for _ in range(100):
            assert await reloader.reload()
        stop.set()
        sent = sum(await shipping)

        assert [beat.errors for beat in beats] == [[], [], []]
        assert len(server.sink.documents) == sent
        assert server.metric("ptingest_beats_failed_windows_total", "not_safe") == 0
