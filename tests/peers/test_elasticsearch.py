"""The sink against a real Elasticsearch: what the table in ``bulk.py`` rests on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec
import orjson
import pytest

from ptingest.model.document import DataStream, Document, Index
from ptingest.model.outcome import WriteResult
from ptingest.server.event_loop.fair_share import FairShare
from ptingest.sinks.elasticsearch.client import ElasticsearchClient
from ptingest.sinks.elasticsearch.sink import ElasticsearchSink
from ptingest.sinks.elasticsearch.unsynced import (
    Place,
    ShardState,
    read_shards,
    shards_targets,
)
from ptingest.telemetry.metrics import Metrics
from tests.peers.elasticsearch_peer import (
    USUAL,
    Node,
    Release,
    install_template,
    settings_for,
    start_elasticsearch,
)
from tests.support.documents import StillClock, document
from tests.support.streams import streams_of
from tests.support.waiting import until_told

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

_streams = itertools.count(1)


@pytest.fixture
def stream() -> DataStream:
    """A data stream that no other test writes to."""
    return DataStream("logs", f"peer{next(_streams)}", "pt")


@asynccontextmanager
async def sink_for(
    node: Node, metrics: Metrics | None = None, /, **settings: object
) -> AsyncIterator[ElasticsearchSink]:
    sink = ElasticsearchSink(
        settings_for(node, **settings),
        clock=StillClock(),
        metrics=metrics or Metrics(),
        checkpoint=FairShare(),
        streams=streams_of("django"),
    )
    try:
        yield sink
    finally:
        await sink.close()


async def write(
    sink: ElasticsearchSink, *documents: Document, doubtful: Sequence[Document] = ()
) -> WriteResult:
    return await sink.write(documents, frozenset(doubtful))


def unsettled(result: WriteResult) -> list[object]:
    return [*result.busy, *result.doubtful, *result.refused, *result.stream_busy]


def labels(result: WriteResult) -> list[str]:
    return [refusal.reason for refusal in (*result.refused, *result.stream_busy)]


@pytest.mark.every_release
async def test_documents_land_in_the_data_stream_under_their_keys(
    elasticsearch: Node, stream: DataStream
) -> None:
    documents = [document(number=n, key=f"key-{n}", stream=stream) for n in range(3)]

    async with sink_for(elasticsearch) as sink:
        result = await write(sink, *documents)

    hits = elasticsearch.documents(stream.name)
    assert not unsettled(result)
    assert sorted(hit["_id"] for hit in hits) == ["key-0", "key-1", "key-2"]
    assert all(hit["_index"].startswith(f".ds-{stream.name}-") for hit in hits)
    assert [hit["_source"] for hit in sorted(hits, key=lambda hit: hit["_id"])] == [
        orjson.loads(document.body) for document in documents
    ]


@pytest.mark.every_release
async def test_later_batches_are_judged_by_one_comparison_of_bytes(
    elasticsearch: Node, stream: DataStream
) -> None:
    async with sink_for(elasticsearch) as sink:
        await write(sink, document(number=0, key="a", stream=stream))

        second = await write(sink, document(number=1, key="b", stream=stream))

    # Only the fast path leaves the empty tuples of the default; it held to the byte.
    assert second == WriteResult(said="HTTP 200")
    assert len(elasticsearch.documents(stream.name)) == 2


@pytest.mark.every_release
async def test_a_resent_document_is_recognised_and_its_new_neighbour_stored(
    elasticsearch: Node, stream: DataStream
) -> None:
    old, new = (document(number=n, key=f"key-{n}", stream=stream) for n in range(2))

    async with sink_for(elasticsearch) as sink:
        await write(sink, old)
        result = await write(sink, old, new)

    assert result.already_stored == [old]
    assert len(elasticsearch.documents(stream.name)) == 2


@pytest.mark.every_release
async def test_a_resent_document_is_safe_when_its_shard_has_synced_it(
    elasticsearch: Node, stream: DataStream
) -> None:
    twice = document(number=1, key="k", stream=stream)
    async with sink_for(elasticsearch) as sink:
        await write(sink, document(number=0, key="first", stream=stream))
        # From now on a write is answered before it is on a disk.
        settings = {"index.translog.durability": "async"}
        elasticsearch.must("PUT", f"/{stream.name}/_settings", settings)
        await write(sink, twice)

        before = await write(sink, twice)
        elasticsearch.must("POST", f"/{stream.name}/_flush")
        after = await write(sink, twice)

    assert (before.unsynced, before.already_stored) == ([twice], [])
    assert (after.unsynced, after.already_stored) == ([], [twice])


@pytest.mark.every_release
async def test_shards_are_known_although_other_indices_are_gone_or_closed(
    elasticsearch: Node,
) -> None:
    names = ["state-größe%41{[x]}+&=;@!", "state-closed", "state-gone"]
    for name in names[:2]:
        elasticsearch.must("PUT", f"/{quote(name, safe='')}")
    elasticsearch.must("POST", "/state-closed/_close")
    client = ElasticsearchClient(settings_for(elasticsearch))

    (target,) = shards_targets(names)
    answer = await client.request("GET", target)
    await client.close()

    assert read_shards(answer)[Place(names[0], "0")] == ShardState(-1, -1)


@pytest.mark.every_release
async def test_a_resent_document_with_a_routing_is_looked_up_in_its_shard(
    elasticsearch: Node,
) -> None:
    settings = {"number_of_shards": 3, "number_of_replicas": 0, "translog.durability": "async"}
    mappings = {"_routing": {"required": True}}
    elasticsearch.must("PUT", "/routed", {"settings": settings, "mappings": mappings})
    routed = msgspec.structs.replace(
        document(key="k"), target=Index("routed", action="create"), routing="shop-7"
    )
    async with sink_for(elasticsearch) as sink:
        results = [await write(sink, routed) for _ in range(3)]
        elasticsearch.must("POST", "/routed/_flush")
        results.append(await write(sink, routed))

    assert [one.unsynced for one in results] == [(), [routed], [routed], []]
    assert results[-1].already_stored == [routed]
    assert [hit["_routing"] for hit in elasticsearch.documents("routed")] == ["shop-7"]


async def test_without_ids_a_resent_document_is_doubled(
    elasticsearch: Node, stream: DataStream
) -> None:
    twice = document(number=1, key="ignored", stream=stream)

    async with sink_for(elasticsearch, ids="none") as sink:
        await write(sink, twice)
        result = await write(sink, twice)

    assert not result.already_stored
    assert len(elasticsearch.documents(stream.name)) == 2


@pytest.mark.every_release
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"@timestamp":"2026-11-23T10:00:00Z","number":"no"}', id="mapping conflict"),
        pytest.param(b'{"number":1}', id="no timestamp"),
        pytest.param(b'{"@timestamp":"2026-11-23T10:00:00Z","a":"\xff"}', id="bad UTF-8"),
        pytest.param(b'{"@timestamp":"2026-11-23T10:00:00Z","a":1,"a":2}', id="duplicate key"),
        pytest.param(b'{"@timestamp":"2026-11-23T10:00:00Z","a":', id="broken JSON"),
    ],
)
async def test_a_document_elasticsearch_cannot_parse_is_refused_and_its_neighbours_stored(
    elasticsearch: Node, stream: DataStream, body: bytes
) -> None:
    good = [document(number=n, key=f"key-{n}", stream=stream) for n in range(2)]
    bad = document(body=body, key="bad", stream=stream)

    async with sink_for(elasticsearch) as sink:
        result = await write(sink, good[0], bad, good[1])

    assert [(refusal.document, refusal.reason) for refusal in result.refused] == [(bad, "mapping")]
    assert elasticsearch.release.parsing_error in result.refused[0].detail
    assert len(elasticsearch.documents(stream.name)) == 2


@pytest.mark.every_release
async def test_an_array_instead_of_an_object_is_refused_although_some_releases_answer_500(
    elasticsearch: Node, stream: DataStream
) -> None:
    async with sink_for(elasticsearch) as sink:
        result = await write(sink, document(body=b"[1,2]", key="array", stream=stream))

    assert labels(result) == ["not_an_object"]


@pytest.mark.every_release
async def test_a_stream_without_a_template_waits_and_no_plain_index_appears(
    elasticsearch: Node, stream: DataStream
) -> None:
    homeless = document(number=1, key="a", stream=DataStream("metrics", stream.dataset, "else"))
    housed = document(number=2, key="b", stream=stream)

    async with sink_for(elasticsearch) as sink:
        result = await write(sink, homeless, housed)

    assert [refusal.document for refusal in result.stream_busy] == [homeless]
    assert labels(result) == ["template_missing"]
    assert "ptingest setup" in result.stream_busy[0].detail
    assert elasticsearch.request("GET", f"/{homeless.target.name}/_count")[0] == 404
    assert len(elasticsearch.documents(stream.name)) == 1


async def test_a_name_with_capitals_is_refused(elasticsearch: Node) -> None:
    shouted = document(number=1, key="a", stream=DataStream("logs", "Django", "pt"))

    async with sink_for(elasticsearch) as sink:
        result = await write(sink, shouted)

    assert labels(result) == ["refused"]
    assert "must be lowercase" in result.refused[0].detail


async def test_an_id_no_server_takes_makes_the_whole_request_unreadable(
    elasticsearch: Node, stream: DataStream
) -> None:
    documents = [document(number=n, key=f"key-{n}", stream=stream) for n in range(6)]
    endless = document(number=9, key="x" * 600, stream=stream)

    async with sink_for(elasticsearch) as sink:
        whole = await write(sink, *documents[:4], endless, *documents[4:])
        good = await write(sink, *documents)

    assert whole.unreadable
    assert len(whole.busy) == 7
    assert "too long" in whole.busy_because
    assert not unsettled(good)
    assert len(elasticsearch.documents(stream.name)) == 6


POISON = b'{"@timestamp":"2026-11-23T10:00:00Z","message":"POISON"}'


def with_pipeline(node: Node, stream: DataStream, *processors: dict[str, object]) -> None:
    """Let this stream run an ingest pipeline of its own, without a failure store."""
    node.must("PUT", f"/_ingest/pipeline/{stream.dataset}", {"processors": list(processors)})
    template = {
        "index_patterns": [stream.name],
        "priority": 700,
        "data_stream": {},
        "template": {"settings": {"index.default_pipeline": stream.dataset}},
    }
    node.must("PUT", f"/_index_template/{stream.dataset}", template)


@pytest.mark.needs("processors")
@pytest.mark.parametrize(
    "processor",
    [
        pytest.param({"fail": {}}, id="a fail processor"),
        pytest.param({"npe": {}}, id="a processor that breaks"),
    ],
)
async def test_what_an_ingest_pipeline_fails_on_is_failing_and_its_neighbours_are_stored(
    elasticsearch: Node, stream: DataStream, processor: dict[str, object]
) -> None:
    with_pipeline(elasticsearch, stream, processor)
    good = document(number=1, key="good", stream=stream)
    bad = document(body=POISON, key="bad", stream=stream)

    async with sink_for(elasticsearch) as sink:
        result = await write(sink, good, bad)

    assert [(r.document, r.reason) for r in result.failing] == [(bad, "ingest_pipeline")]
    assert "500" in result.failing[0].detail
    assert not unsettled(result)
    assert len(elasticsearch.documents(stream.name)) == 1


@pytest.mark.needs("processors")
@pytest.mark.parametrize("names", [("nowhere",), ("itself",)], ids=["missing", "a cycle"])
async def test_a_pipeline_that_names_no_other_or_itself_fails_every_document(
    elasticsearch: Node, stream: DataStream, names: tuple[str]
) -> None:
    name = stream.dataset if names == ("itself",) else "nowhere"
    with_pipeline(elasticsearch, stream, {"pipeline": {"name": name}})

    async with sink_for(elasticsearch) as sink:
        result = await write(sink, document(number=1, key="a", stream=stream))

    assert [r.reason for r in result.failing] == ["ingest_pipeline"]


@pytest.mark.needs("processors")
async def test_what_an_ingest_pipeline_drops_is_dropped(
    elasticsearch: Node, stream: DataStream
) -> None:
    with_pipeline(elasticsearch, stream, {"drop": {}})
    good = document(number=1, key="good", stream=stream)
    bad = document(body=POISON, key="bad", stream=stream)

    async with sink_for(elasticsearch) as sink:
        result = await write(sink, good, bad)

    assert result.dropped == [bad]
    assert len(elasticsearch.documents(stream.name)) == 1


@pytest.mark.needs("closing")
async def test_a_closed_write_index_is_the_streams_trouble(
    elasticsearch: Node, stream: DataStream
) -> None:
    async with sink_for(elasticsearch) as sink:
        await write(sink, document(number=1, key="a", stream=stream))
        (hit,) = elasticsearch.documents(stream.name)
        elasticsearch.must("POST", f"/{hit['_index']}/_close")
        closed = await write(sink, document(number=2, key="b", stream=stream))
        elasticsearch.must("POST", f"/{hit['_index']}/_open")

        async def stored() -> bool:
            return not unsettled(await write(sink, document(number=2, key="b", stream=stream)))

        # Its shard takes a moment to start; what else the node holds is nobody's business here.
        opened = await until_told(stored)

    assert labels(closed) == ["index_closed"]
    assert "open the index" in closed.stream_busy[0].detail
    assert opened


@pytest.mark.needs("failure_store")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b',"x":{"a":1,"a":2}}', id="a name twice in one object"),
        pytest.param(b',"n":' + b"1" * 1001 + b"}", id="a number of 1,001 digits"),
        pytest.param(b',"x":' + b"[" * 1001 + b"]" * 1001 + b"}", id="1,001 levels"),
        pytest.param(b',"a":"\xff"}', id="bytes that are not UTF-8"),
    ],
)
async def test_with_a_failure_store_what_cannot_be_read_is_never_answered_by_8_19(
    elasticsearch: Node, stream: DataStream, body: bytes
) -> None:
    template = {
        "index_patterns": [stream.name],
        "priority": 701,
        "data_stream": {},
        "template": {"data_stream_options": {"failure_store": {"enabled": True}}},
    }
    elasticsearch.must("PUT", f"/_index_template/{stream.dataset}", template)
    bad = document(body=b'{"@timestamp":"2026-11-23T10:00:00Z"' + body, stream=stream)

    async with sink_for(elasticsearch, request_seconds=2) as sink:
        await write(sink, document(number=1, key="a", stream=stream))
        silent = await write(sink, bad)
        others = await write(sink, document(number=2, key="b", stream=stream))

    if elasticsearch.release == USUAL:
        assert silent.doubtful == (bad,)
        assert "no answer" in (silent.trouble or "")
    else:
        assert labels(silent) == ["mapping"]
    assert not unsettled(others)


@pytest.mark.needs("failure_store")
async def test_what_the_failure_store_took_is_counted_apart(
    elasticsearch: Node, stream: DataStream
) -> None:
    install_template(elasticsearch, failure_store=True)
    good = document(number=1, key="good", stream=stream)
    bad = document(body=b'{"@timestamp":"2026-11-23T10:00:00Z","number":"no"}', stream=stream)
    try:
        async with sink_for(elasticsearch) as sink:
            first = await write(sink, good, bad)
            resent = await write(sink, good)
    finally:
        install_template(elasticsearch)

    assert first.failure_stored == [bad]
    assert not first.refused
    assert resent.already_stored == [good]


@pytest.fixture
def block(elasticsearch: Node, stream: DataStream) -> Iterator[Callable[[str], None]]:
    """Sets a block on the stream's indices; taken off afterwards."""
    blocked: list[str] = []

    def switch(name: str) -> None:
        blocked.append(name)
        elasticsearch.must("PUT", f"/{stream.name}/_settings", {f"index.blocks.{name}": True})

    yield switch
    for name in blocked:
        elasticsearch.must("PUT", f"/{stream.name}/_settings", {f"index.blocks.{name}": None})


async def test_a_write_block_is_the_streams_trouble(
    elasticsearch: Node, stream: DataStream, block: Callable[[str], None]
) -> None:
    async with sink_for(elasticsearch) as sink:
        await write(sink, document(number=0, key="a", stream=stream))
        block("write")
        result = await write(sink, document(number=1, key="b", stream=stream))

    assert labels(result) == ["write_block"]
    assert "index write (api)" in result.stream_busy[0].detail


async def test_the_flood_stage_is_busy_and_loud(
    elasticsearch: Node, stream: DataStream, block: Callable[[str], None]
) -> None:
    late = document(number=1, key="b", stream=stream)

    async with sink_for(elasticsearch) as sink:
        await write(sink, document(number=0, key="a", stream=stream))
        block("read_only_allow_delete")
        result = await write(sink, late)

    assert result.busy == [late]
    assert result.trouble is not None
    assert "flood-stage" in result.trouble


async def test_the_shard_limit_is_the_streams_trouble_though_it_answers_400(
    elasticsearch: Node, stream: DataStream
) -> None:
    def limit(shards: int | None) -> None:
        settings = {"persistent": {"cluster.max_shards_per_node": shards}}
        elasticsearch.must("PUT", "/_cluster/settings", settings)

    limit(1)
    try:
        async with sink_for(elasticsearch) as sink:
            result = await write(sink, document(number=1, key="a", stream=stream))
    finally:
        limit(None)

    assert labels(result) == ["shard_limit"]
    assert "cluster.max_shards_per_node" in result.stream_busy[0].detail


@pytest.mark.every_release
async def test_after_a_rollover_a_lost_answer_is_asked_for_and_not_doubled(
    elasticsearch: Node, stream: DataStream
) -> None:
    lost, new = (document(number=n, key=f"key-{n}", stream=stream) for n in range(2))
    metrics = Metrics()

    async with (
        CuttingProxy(elasticsearch.port) as proxy,
        sink_for(elasticsearch, metrics, hosts=(proxy.url,)) as sink,
    ):
        await write(sink, document(number=9, key="first", stream=stream))
        proxy.is_mute = True
        doubt = await write(sink, lost)
        proxy.is_mute = False
        elasticsearch.must("POST", f"/{stream.name}/_rollover")
        result = await write(sink, lost, new, doubtful=[lost])

    assert doubt.doubtful == (lost,)
    assert result.already_stored == [lost]
    ids = sorted(hit["_id"] for hit in elasticsearch.documents(stream.name))
    assert ids == ["first", "key-0", "key-1"]
    assert metrics.value("ptingest_elasticsearch_asked_documents_total", "found") == 1


@pytest.mark.every_release
async def test_check_finds_all_well_on_a_prepared_node(elasticsearch: Node) -> None:
    async with sink_for(elasticsearch) as sink:
        findings = await sink.check()

    assert [finding.subject for finding in findings if not finding.is_ok] == []
    assert findings[0].found == f"{elasticsearch.release.title} {elasticsearch.release.version}"


# --- with users and privileges ----------------------------------------------------------


@pytest.fixture
def writer(secured_elasticsearch: Node) -> Callable[..., dict[str, str]]:
    """Makes a user with these privileges on ``logs-*-pt`` and returns its login."""

    def make(*privileges: str) -> dict[str, str]:
        node, name = secured_elasticsearch, f"writer{next(_streams)}"
        role = {"indices": [{"names": ["logs-*-pt"], "privileges": list(privileges)}]}
        node.must("PUT", f"/_security/role/{name}", role)
        user = {"password": "writer-password", "roles": [name]}
        node.must("PUT", f"/_security/user/{name}", user)
        return {"username": name, "password": "writer-password"}

    return make


@pytest.mark.parametrize("useful", [(), ("monitor",)])
async def test_create_doc_and_auto_configure_are_all_the_writer_needs(
    secured_elasticsearch: Node,
    stream: DataStream,
    writer: Callable[..., dict[str, str]],
    useful: tuple[str, ...],
) -> None:
    login = writer("create_doc", "auto_configure", *useful)
    known = document(number=1, key="a", stream=stream)
    new_field = document(
        body=b'{"@timestamp":"2026-11-23T10:00:00Z","new":{"field":1}}', key="b", stream=stream
    )

    async with sink_for(secured_elasticsearch, **login) as sink:
        first = await write(sink, known)
        second = await write(sink, known, new_field)

    assert not unsettled(first)
    # Without `monitor` it would be asked about again, a second later.
    assert (second.already_stored if useful else second.unsynced) == [known]
    assert len(secured_elasticsearch.documents(stream.name)) == 2


async def test_an_api_key_serves_as_well(secured_elasticsearch: Node, stream: DataStream) -> None:
    made = secured_elasticsearch.must("POST", "/_security/api_key", {"name": "peer"})

    for api_key in (made["encoded"], f"{made['id']}:{made['api_key']}"):
        async with sink_for(secured_elasticsearch, api_key=api_key) as sink:
            await write(sink, document(number=1, key=api_key[:20], stream=stream))

    assert len(secured_elasticsearch.documents(stream.name)) == 2


async def test_without_auto_configure_the_trouble_names_the_privilege(
    secured_elasticsearch: Node, stream: DataStream, writer: Callable[..., dict[str, str]]
) -> None:
    login = writer("create_doc")

    async with sink_for(secured_elasticsearch, **login) as sink:
        result = await write(sink, document(number=1, key="a", stream=stream))
        findings = await sink.check()

    assert labels(result) == ["forbidden"]
    assert "auto_configure" in result.stream_busy[0].detail
    assert [f.found for f in findings if not f.is_ok] == ["lacks auto_configure on logs-*-pt"]


async def test_a_wrong_password_is_everybodys_trouble_and_says_what_to_look_at(
    secured_elasticsearch: Node, stream: DataStream
) -> None:
    late = document(number=1, key="a", stream=stream)

    async with sink_for(
        secured_elasticsearch, username="logstash_writer_pt", password="wrong"
    ) as sink:
        result = await write(sink, late)
        findings = await sink.check()

    assert list(result.busy) == [late]
    assert result.trouble is not None
    assert "401" in result.trouble
    assert "role name" in result.trouble
    assert [f.subject for f in findings if not f.is_ok] == ["login"]


async def test_a_body_over_the_servers_limit_asks_for_smaller_batches(
    secured_elasticsearch: Node, stream: DataStream, writer: Callable[..., dict[str, str]]
) -> None:
    login = writer("create_doc", "auto_configure")
    text = b"x" * 400_000
    documents = [
        document(
            body=b'{"@timestamp":"2026-11-23T10:00:00Z","message":"%b"}' % text,
            key=f"key-{n}",
            stream=stream,
        )
        for n in range(4)
    ]

    async with sink_for(secured_elasticsearch, **login) as sink:
        whole = await write(sink, *documents)
        halves = [await write(sink, *documents[:2]), await write(sink, *documents[2:])]

    assert whole.too_large
    assert list(whole.busy) == documents
    assert not any(half.busy or half.too_large for half in halves)


async def test_without_read_a_doubt_after_a_rollover_is_counted(
    secured_elasticsearch: Node, stream: DataStream, writer: Callable[..., dict[str, str]]
) -> None:
    login = writer("create_doc", "auto_configure")
    lost = document(number=1, key="lost", stream=stream)
    metrics = Metrics()

    async with (
        CuttingProxy(secured_elasticsearch.port) as proxy,
        sink_for(secured_elasticsearch, metrics, hosts=(proxy.url,), **login) as sink,
    ):
        await write(sink, document(number=9, key="first", stream=stream))
        proxy.is_mute = True
        await write(sink, lost)
        proxy.is_mute = False
        secured_elasticsearch.must("POST", f"/{stream.name}/_rollover")
        result = await write(sink, lost, doubtful=[lost])

    assert not result.doubtful
    assert metrics.value("ptingest_elasticsearch_possible_double_documents_total") == 1


@pytest.mark.timeout(300)
async def test_what_was_stored_survives_kill_9_and_is_recognised_after_the_restart(
    release: Release, tmp_path: Path, stream: DataStream
) -> None:
    stored, new = (document(number=n, key=f"key-{n}", stream=stream) for n in range(2))
    node = start_elasticsearch(tmp_path, release)
    try:
        install_template(node)
        async with sink_for(node) as sink:
            await write(sink, stored)
            node.kill()
            down = await write(sink, stored, new)

            node = start_elasticsearch(tmp_path, release, port=node.port)
            node.wait_until_green()
            result = await write(sink, stored, new, doubtful=[stored, new])
    finally:
        node.kill()

    assert down.doubtful == (stored, new)
    assert down.trouble is not None
    assert result.already_stored == [stored]
    assert not unsettled(result)


class CuttingProxy:
    """Passes bytes to a port; while mute, requests go through and answers get lost."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.is_mute = False
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> CuttingProxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._pass_on(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        forward = asyncio.ensure_future(_copy(reader, there_writer))
        try:
            while data := await there_reader.read(65536):
                if self.is_mute:
                    break  # the answer has come, so the documents are stored
                writer.write(data)
                await writer.drain()
        finally:
            forward.cancel()
            for end in (writer, there_writer):
                end.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
