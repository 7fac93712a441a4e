"""The whole path in this process, without its two sockets: window bytes in, bulk bodies out.

Everything between is the server's own, built by `assembly`: frames, receipts, budget,
pipeline, lane, dead letters (in a temporary folder), books. The sink at the end makes the bulk
body that Elasticsearch would get, and reads the answer it would give after it created every
document. Nothing listens, nothing is sent.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from isal import isal_zlib

from ptingest.errors import BenchFailed
from ptingest.lumberjack.connection import ServerConnection
from ptingest.lumberjack.window import Limits
from ptingest.model.contracts import Clock
from ptingest.model.document import Document
from ptingest.model.finding import Finding
from ptingest.model.origin import Origin
from ptingest.model.outcome import WriteResult
from ptingest.model.receipt import Receipt
from ptingest.server.assembly import Parts, build
from ptingest.settings.api import ApiSettings
from ptingest.settings.profile import ProfileSettings
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import ClusterSettings, ElasticsearchSettings
from ptingest.sinks.elasticsearch.answer import Answer
from ptingest.sinks.elasticsearch.bulk import bulk_pieces, read_answer
from ptingest.sinks.elasticsearch.client import GZIP_LEVEL, GZIP_WBITS
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH

READ_BYTES = 64 << 10
"""Bytes that one read of a socket returns."""


class NullElasticsearch:
    """Implements ``Sink``: bulk bodies are made, compressed and forgotten."""

    name = "elasticsearch"

    def __init__(self, *, keyed: bool, compress: bool) -> None:
        self._keyed = keyed
        self._compress = compress
        self._answers: dict[int, Answer] = {}
        self.documents = 0
        self.sent_bytes = 0
        """Of all bulk bodies, compressed as they would be sent."""

    async def write(
        self,
        documents: Sequence[Document],
        doubtful: frozenset[Document],  # noqa: ARG002 - nothing is ever doubtful here
    ) -> WriteResult:
        """Make the request and read the answer, without an await."""
        pieces = bulk_pieces(documents, keyed=self._keyed)
        if self._compress:
            self.sent_bytes += gzip_bytes(pieces)
        else:
            self.sent_bytes += sum(map(len, pieces))
        self.documents += len(documents)
        return read_answer(documents, self._answer(len(documents)), keyed=self._keyed).result

    async def check(self) -> Sequence[Finding]:
        """No check is needed."""
        return ()

    async def close(self) -> None:
        """Nothing is open."""

    def _answer(self, count: int) -> Answer:
        """Return a cached answer of Elasticsearch; making it is not part of our cost."""
        if count not in self._answers:
            self._answers[count] = all_created(count)
        return self._answers[count]


def all_created(count: int) -> Answer:
    """Elasticsearch's answer where it created ``count`` documents."""
    items = b",".join([b'{"create":{"status":201}}'] * count)
    body = b'{"errors":false,"items":[' + items + b"]}"
    return Answer(200, {ELASTICSEARCH.product_header: ELASTICSEARCH.product}, body)


def gzip_bytes(pieces: Iterable[bytes]) -> int:
    """Compress a body that comes in pieces, as the client does; return what is left of it."""
    compressor = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, GZIP_WBITS)
    return sum(map(len, map(compressor.compress, pieces))) + len(compressor.flush())


class InProcessRun:
    """The parts of a server, running; ``carry`` takes windows through them to the sink."""

    def __init__(
        self, parts: Parts, sink: NullElasticsearch, lanes: Sequence[asyncio.Future[None]]
    ) -> None:
        self.parts = parts
        self.sink = sink
        self._lanes = lanes
        limits = parts.settings.beats.limits
        self._limits = Limits(
            window_events=limits.window_events,
            frame_bytes=limits.frame_bytes,
            window_bytes=limits.window_bytes,
            pairs=limits.pairs,
        )
        self._origin = Origin("127.0.0.1:1")

    async def carry(self, wires: Sequence[bytes]) -> None:
        """Take the bytes of whole windows, as one connection brings them; return when every
        event of them is safe.

        Raises:
            BenchFailed: a window would not have been acked.
            ProtocolError: the bytes are not windows.
        """
        carrying = asyncio.ensure_future(self._carry(wires))
        await asyncio.wait((carrying, *self._lanes), return_when=asyncio.FIRST_COMPLETED)
        if not carrying.done():
            carrying.cancel()
            for lane in self._lanes:
                if lane.done():
                    lane.result()  # raises what ended it
        await carrying

    async def _carry(self, wires: Sequence[bytes]) -> None:
        connection = ServerConnection(self._limits)
        windows: list[asyncio.Future[str | None]] = []
        for wire in wires:
            for start in range(0, len(wire), READ_BYTES):
                connection.receive_data(wire[start : start + READ_BYTES])
            windows.append(await self._admit_window(connection))
        for reason in await asyncio.gather(*windows):
            if reason is not None:
                raise BenchFailed(why=f"a window would not have been acked: {reason}")

    async def _admit_window(self, connection: ServerConnection) -> asyncio.Future[str | None]:
        closed: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        receipt = Receipt(lambda receipt: closed.set_result(receipt.failed))
        is_last = False
        while not is_last:
            window = connection.next_window()
            if window is None:
                raise BenchFailed(why="a window is not whole")
            await self.parts.flow.admit(window.payloads, receipt, self._origin)
            is_last = window.is_last
        receipt.seal()
        return closed


def lane_of(settings: ServerSettings) -> ClusterSettings:
    """Return the settings of the sink: those of the configured cluster, else defaults."""
    sinks = settings.sinks
    found = sinks.elasticsearch or sinks.opensearch
    return found or ElasticsearchSettings(hosts=("http://nowhere:9200",))


@asynccontextmanager
async def open_run(
    settings: ServerSettings, profile: ProfileSettings, *, clock: Clock
) -> AsyncIterator[InProcessRun]:
    """Build the parts of a server for ``settings``, run its lane, and clean up afterwards.

    Neither the data_dir nor any host, port or certificate of the settings is touched.
    """
    end = lane_of(settings)
    sink = NullElasticsearch(keyed=end.ids == "keyed", compress=end.compress)
    with tempfile.TemporaryDirectory(prefix="ptingest-bench-") as folder:
        inside = settings.model_copy(
            update={
                "data_dir": str(Path(folder)),
                "beats": settings.beats.model_copy(update={"tls": None}),
                "api": ApiSettings(),
            }
        )
        parts = build(inside, profile, clock=clock, replaced=[(sink, end)])
        await parts.dead_letters.open()
        lanes = [asyncio.ensure_future(lane.run()) for lane in parts.lanes]
        try:
            yield InProcessRun(parts, sink, lanes)
        finally:
            for lane in parts.lanes:
                await lane.close()
            await asyncio.gather(*lanes, return_exceptions=True)
            await parts.processing.large.close()
            await parts.dead_letters.close()
