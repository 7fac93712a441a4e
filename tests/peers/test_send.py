"""Our client, `ptingest send`, against the server half of go-lumber."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import corpus
from benchmarks.processes import free_port, wait_listening
from tests.peers import camel_peer, golumber_peer
from tests.peers.tools import require_tool

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def golumber() -> None:
    require_tool("go")
    golumber_peer.build()


@pytest.mark.timeout(120)  # the first one builds the peer
@pytest.mark.parametrize("compression", ["0", "3", "9"], ids="compression {}".format)
def test_go_lumber_takes_every_record_of_every_file_in_order(
    golumber: None, tmp_path: Path, compression: str
) -> None:
    written = corpus.write_logs(tmp_path / "logs", {"django": 300, "nginx": 200, "react": 10}, 3)
    received = tmp_path / "received.ndjson"
    command = [str(golumber_peer.BINARY), "-serve", "-events", "-addr", "127.0.0.1:0"]

    with (
        received.open("wb") as events,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=events) as server,
    ):
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["listening"]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ptingest.cli.main", "send"),
                *map(str, sorted((tmp_path / "logs").iterdir())),
                *("--to", address, "--registry", str(tmp_path / "registry.json")),
                *("--compression", compression, "--window", "64"),
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        server.send_signal(signal.SIGINT)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("510 events acked")
    events_of: dict[str, list[str]] = {}
    for line in received.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        events_of.setdefault(event["service"], []).append(event["message"])
    texts = {service: [record.text for record in all_] for service, all_ in written.items()}
    assert events_of == texts


@pytest.mark.timeout(180)  # the first one builds the peer
def test_camel_takes_every_record_in_order(tmp_path: Path) -> None:
    written = corpus.write_logs(tmp_path, {"django": 300}, 3)["django"]
    received, port = tmp_path / "received.txt", free_port()

    with camel_peer.camel_server(port, received) as server:
        wait_listening(server, port, 60.0)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "ptingest.cli.main", "send", str(tmp_path / "django.log")),
                *("--to", f"127.0.0.1:{port}", "--registry", str(tmp_path / "registry.json")),
                *("--window", "64", "--pipelining", "0"),
            ],
            check=False,
            capture_output=True,
            text=True,
        )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("300 events acked")
    ready, *messages, ending = received.read_text(encoding="utf-8").splitlines()
    assert (ready, ending) == ("READY", "EVENTS 300")
    assert messages == [record.text.replace("\n", "\\n") for record in written]
