"""What goes into one bulk request, and what its answer means, item by item.

Documents go in through ``bulk_pieces`` and come out as the bytes of one ``_bulk`` body;
an ``Answer`` (or the lack of one) goes into ``read_answer`` and comes out as a
``WriteResult``. No socket, no clock, no settings: a table in, a table out. Nothing here
retries; the lane does.

    answer --- not 200 --------------------> one outcome for the whole request
           --- 200, all created -----------> one comparison of bytes, no object per item
           --- 200, anything else ---------> one outcome for each item, by status and type
           --- 200, not an item for each --> doubtful, every document

Doubtful is not busy: an attempt without one well-formed item for each document may have
stored some of them. Only a request that never left, 413, and the cluster's own 401, 403,
429 and 503, say that nothing was stored.

An item that is neither stored nor refused for good comes back as busy or failing: whatever
its status, the lane ends it when others are taken for long enough and it is not.

Source: what real nodes answer (``tests/peers/test_elasticsearch.py`` asks them
again); the order of bulk items is the order of actions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import msgspec

from ptingest.model.document import DataStream, Document, Index, Target
from ptingest.model.outcome import Refusal, WriteResult
from ptingest.sinks.elasticsearch.answer import (
    UNREADABLE,
    Answer,
    Error,
    cure_of_something_else,
    error_answer_of,
    excerpt,
    retry_after_seconds,
    something_else,
)
from ptingest.sinks.elasticsearch.dialect import ELASTICSEARCH, Dialect
from ptingest.sinks.elasticsearch.item_errors import (
    asks_to_come_back,
    failing_label,
    refusal_label,
    stream_trouble,
)
from ptingest.sinks.elasticsearch.unsynced import Place, place_of_conflict

PIECE_BYTES = 1 << 20
"""What a large document is cut into, and the size from which a document is large."""


def pieces_of_large_document(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Cut what would be joined: action line in some parts, body, newline.

    So a body of a hundred MiB is not copied. The first piece is a large one: from its size the
    client decides whether to compress.
    """
    *head, body, newline = parts
    yield b"".join((*head, body[:PIECE_BYTES]))
    for start in range(PIECE_BYTES, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]
    yield newline


DETAIL_CHARACTERS = 2000
"""Longest error text kept for one document; an immense term quotes itself."""
PIECE_DOCUMENTS = 256
"""Documents in one piece of a body; some hundred KiB fit into a core's cache."""

_TARGET = attrgetter("target")
_quoted = msgspec.json.Encoder().encode


class BulkOutcome(NamedTuple):
    """What became of one request."""

    result: WriteResult
    write_indices: Mapping[str, str] = {}
    """Target's name -> the backing index that took (or already had) a document."""
    there: Mapping[Document, Place] = {}
    """Where each of ``result.already_stored`` is."""


# --- the request ------------------------------------------------------------------------


def bulk_target(
    *,
    shard_seconds: float,
    with_index: bool,
    only_data_streams: bool = True,
    dialect: Dialect = ELASTICSEARCH,
) -> str:
    """Return path and query of a bulk request.

    ``with_index`` also asks for each item's backing index, which triples the answer.
    ``require_data_stream`` keeps Elasticsearch from making a plain index where the
    template is missing; with other targets among them the actions say it.
    """
    wanted = "errors,items.*.status,items.*.error,items.*.failure_store"
    if with_index:
        wanted += ",items.*._index"
    milliseconds = max(1, round(shard_seconds * 1000))
    is_required = only_data_streams and dialect.requires_data_streams
    required = "require_data_stream=true&" if is_required else ""
    if not only_data_streams:
        # A document that was overwritten and one that was dropped both answer 200.
        wanted += ",items.*.result"
    return f"/_bulk?{required}timeout={milliseconds}ms&filter_path={wanted}"


def targets_of(documents: Sequence[Document]) -> list[Target]:
    """Return the targets that documents go to, in order of appearance."""
    # There is one object for each name, so compare by identity first: hashing some strings
    # costs more than everything else that is done here for a document.
    distinct = {id(target): target for target in map(_TARGET, documents)}
    return list(dict.fromkeys(distinct.values()))


def is_data_stream(target: Target) -> bool:
    """Whether Elasticsearch must have a data stream of this name."""
    return isinstance(target, DataStream)


def bulk_pieces(
    documents: Sequence[Document],
    *,
    keyed: bool,
    only_data_streams: bool = True,
    dialect: Dialect = ELASTICSEARCH,
) -> Iterator[bytes]:
    """Frame documents as the actions of their targets, in order; bodies are taken as they are.

    A document with a key goes under it when ``keyed``, or when its ids come from the config;
    every other one gets its id from the cluster. The body comes in pieces: a compressor that
    takes each at once finds it in the cache, and no body of several MiB is built, which would
    need new memory each time.
    """
    heads: dict[Target, _Heads] = {}
    current: Target | None = None
    says_data_stream = dialect.requires_data_streams and not only_data_streams
    bare = opened = b""
    has_ids = keyed
    for start in range(0, len(documents), PIECE_DOCUMENTS):
        parts: list[bytes] = []
        for document in documents[start : start + PIECE_DOCUMENTS]:
            target = document.target
            if target is not current:
                current = target
                found = heads.get(target)
                if found is None:
                    found = heads[target] = _action_heads(target, keyed, says_data_stream)
                bare, opened, has_ids = found
            key = document.key
            if document.routing is not None:
                parts += (_routed(bare, document, has_ids), document.body, b"\n")
            elif key is None or not has_ids:
                parts += (bare, document.body, b"\n")
            else:
                parts += (opened, _quoted(key), b"}}\n", document.body, b"\n")
        if len(documents) == 1 and len(documents[0].body) > PIECE_BYTES:
            yield from pieces_of_large_document(parts)
        else:
            yield b"".join(parts)


class _Heads(NamedTuple):
    """The action lines of one target."""

    bare: bytes
    """Whole, without an id."""
    opened: bytes
    """Open for an id."""
    has_ids: bool
    """Whether keys are sent."""


def _action_heads(target: Target, keyed: bool, says_data_stream: bool) -> _Heads:
    has_own_ids = isinstance(target, Index) and target.has_own_ids
    action = b"create" if isinstance(target, DataStream) else target.action.encode()
    opened = b'{"%b":{"_index":%b' % (action, _quoted(target.name))
    if target.pipeline:
        opened += b',"pipeline":' + _quoted(target.pipeline)
    if isinstance(target, DataStream) and says_data_stream:
        opened += b',"require_data_stream":true'
    return _Heads(opened + b"}}\n", opened + b',"_id":', keyed or has_own_ids)


def _routed(bare: bytes, document: Document, has_ids: bool) -> bytes:
    """Return the action line of a document with a routing of its own."""
    opened = bare[: -len(b"}}\n")] + b',"routing":' + _quoted(document.routing)
    if document.key is not None and has_ids:
        opened += b',"_id":' + _quoted(document.key)
    return opened + b"}}\n"


# --- the answer -------------------------------------------------------------------------


class _Outcome(msgspec.Struct, gc=False):
    status: int
    result: str = ""
    index: str = msgspec.field(name="_index", default="")
    failure_store: str = ""
    error: msgspec.Raw = msgspec.Raw(b"")


class _Item(msgspec.Struct, gc=False):
    create: _Outcome | None = None
    index: _Outcome | None = None


class _Items(msgspec.Struct):
    items: list[_Item]


_read_items = msgspec.json.Decoder(_Items).decode
_read_error = msgspec.json.Decoder(Error).decode

_ALL_CREATED_HEAD = b'{"errors":false,"items":['
_CREATED = b'{"create":{"status":201}}'


def read_answer(documents: Sequence[Document], answer: Answer, *, keyed: bool) -> BulkOutcome:
    """Return the outcome of one attempt; every document appears exactly once in the result.

    ``keyed`` as it was given to ``bulk_pieces``: only then a 409 means "written before".
    """
    if answer.status != 200:
        return _request_outcome(documents, answer)
    if answer.is_from_cluster and _are_all_created(answer.body, len(documents)):
        return BulkOutcome(WriteResult())
    try:
        items = _read_items(answer.body).items
    except UNREADABLE as error:
        return BulkOutcome(_doubtful(documents, _unreadable(answer, str(error))))
    if len(items) != len(documents):
        seen = f"answers {len(items)} items to {len(documents)} documents"
        return BulkOutcome(_doubtful(documents, _unreadable(answer, seen)))
    if any(item.create is None and item.index is None for item in items):
        seen = "answers items that are neither create nor index"
        return BulkOutcome(_doubtful(documents, _unreadable(answer, seen)))
    if not answer.is_from_cluster:
        return BulkOutcome(WriteResult(busy=documents, trouble=_something_else(answer)))
    return _ItemSorter(answer.dialect, keyed=keyed).sort(documents, items)


def _are_all_created(body: bytes, count: int) -> bool:
    """Whether the answer is, to the byte, ``count`` times 201 and nothing more."""
    if len(body) != len(_ALL_CREATED_HEAD) + count * (len(_CREATED) + 1) + 1:
        return False
    return body == _ALL_CREATED_HEAD + (_CREATED + b",") * (count - 1) + _CREATED + b"]}"


# --- one outcome for each item ----------------------------------------------------------


class _ItemSorter:
    """Sorts the items of one answer; lives for that answer only."""

    def __init__(self, dialect: Dialect, *, keyed: bool) -> None:
        self._dialect = dialect
        self._keyed = keyed
        self._there: dict[Document, Place] = {}
        self._failure_stored: list[Document] = []
        self._dropped: list[Document] = []
        self._failing: list[Refusal] = []
        self._busy_because = ""
        self._refused: list[Refusal] = []
        self._busy: list[Document] = []
        self._stream_busy: list[Refusal] = []
        self._trouble: str | None = None
        self._indices: dict[int, tuple[Target, str]] = {}

    def sort(self, documents: Sequence[Document], items: Sequence[_Item]) -> BulkOutcome:
        for document, item in zip(documents, items, strict=True):
            outcome = item.create or item.index
            assert outcome is not None
            if outcome.status == 201:
                self._created(document, outcome)
            elif outcome.status == 200 and outcome.result != "updated":
                # An action that wrote a new document says 201. This is the result ``noop``: an
                # ingest pipeline dropped the document.
                self._dropped.append(document)
            elif outcome.status == 200:
                self._created(document, outcome)
            elif outcome.status == 409 and self._is_keyed(document):
                self._there[document] = place_of_conflict(outcome.error)
                self._saw_index(document, outcome)
            else:
                self._failed(document, outcome)
        result = WriteResult(
            already_stored=list(self._there),
            failure_stored=self._failure_stored,
            dropped=self._dropped,
            refused=self._refused,
            busy=self._busy,
            stream_busy=self._stream_busy,
            failing=self._failing,
            busy_because=self._busy_because,
            trouble=self._trouble,
        )
        named = {target.name: index for target, index in self._indices.values()}
        indices = {name: index for name, index in named.items() if index != name}
        return BulkOutcome(result, indices, self._there)

    def _is_keyed(self, document: Document) -> bool:
        target = document.target
        has_ids = self._keyed or (isinstance(target, Index) and target.has_own_ids)
        return has_ids and document.key is not None

    def _created(self, document: Document, outcome: _Outcome) -> None:
        # A document that the failure store took answers 201 like any other.
        if outcome.failure_store == "used":
            self._failure_stored.append(document)
        else:
            self._saw_index(document, outcome)

    def _saw_index(self, document: Document, outcome: _Outcome) -> None:
        if outcome.index:
            # By identity, as in targets_of: a name is made of three parts each time.
            target = document.target
            self._indices[id(target)] = (target, outcome.index)

    def _failed(self, document: Document, outcome: _Outcome) -> None:
        error = _error_of(outcome.error)
        trouble = stream_trouble(outcome.status, error)
        if trouble is not None:
            reason, cure = trouble
            name = document.target.name
            detail = f"{name}: {self._seen(outcome.status, error)}; {cure}"
            self._stream_busy.append(Refusal(document, reason, detail[:DETAIL_CHARACTERS]))
        elif (label := refusal_label(outcome.status, error)) is not None:
            self._refused.append(Refusal(document, label, _text(outcome.error, outcome.status)))
        elif asks_to_come_back(outcome.status, error):
            self._busy.append(document)
            self._note_busy(document, outcome.status, error)
        else:
            reason, cure = failing_label(outcome.status, document.target.name)
            detail = f"{self._seen(outcome.status, error)}; {cure}"
            self._failing.append(Refusal(document, reason, detail[:DETAIL_CHARACTERS]))

    def _seen(self, status: int, error: Error) -> str:
        return _seen(self._dialect, status, error)

    def _note_busy(self, document: Document, status: int, error: Error) -> None:
        """Keep the reason, and a cure where waiting alone may not help."""
        name = document.target.name
        self._busy_because = self._seen(status, error)
        if error.type == "cluster_block_exception":
            self._trouble = (
                f"{name}: {self._busy_because}; {_WAITS}: free disk space on the data nodes, or "
                "raise the flood-stage watermark"
            )
        elif status >= 500:
            self._trouble = (
                f"{name}: {self._busy_because}; {_WAITS}: if it lasts, look at the shards of "
                f"{name} (GET _cluster/allocation/explain)"
            )


def _error_of(raw: msgspec.Raw) -> Error:
    try:
        return _read_error(raw)
    except UNREADABLE:
        return Error()


def _text(raw: msgspec.Raw, status: int) -> str:
    text = bytes(raw).decode("utf-8", "replace") or f"status {status} without an error"
    return text[:DETAIL_CHARACTERS]


# --- one outcome for the whole request --------------------------------------------------

_WAITS = "documents wait and are tried again"
_BODY_FAULTS = frozenset(
    {
        "action_request_validation_exception",
        "json_e_o_f_exception",
        "json_parse_exception",
        "parse_exception",
        "x_content_e_o_f_exception",
        "x_content_parse_exception",
    }
)


def _something_else(answer: Answer) -> str:
    return f"{something_else(answer)}; {_WAITS}: {cure_of_something_else(answer)}"


def _request_outcome(documents: Sequence[Document], answer: Answer) -> BulkOutcome:
    status = answer.status
    if status is None:
        trouble = f"{answer.failure}; {_WAITS}"
        if answer.never_sent:
            return BulkOutcome(WriteResult(busy=documents, trouble=trouble))
        return BulkOutcome(_doubtful(documents, trouble))
    if status == 413:
        # It has neither body nor product header; a proxy's means the same.
        return BulkOutcome(WriteResult(busy=documents, too_large=True))
    if answer.is_redirect:
        # Whoever redirects a request has not carried it out, and we follow no redirect.
        trouble = f"{answer.failure or status}; {_WAITS}"
        return BulkOutcome(WriteResult(busy=documents, trouble=trouble))
    if not answer.is_from_cluster:
        dialect = answer.dialect
        who = f"something that is not {dialect.title}{_at(answer)}"
        seen = f"{status} from {who}: {excerpt(answer.body)}"
        cure = f"look at what stands between (proxy, load balancer), and at {dialect.place}.hosts"
        return BulkOutcome(
            _doubtful(documents, f"{seen}; {_WAITS}: {cure}", retry_after_seconds(answer))
        )
    error = error_answer_of(answer.body)
    said = _seen(answer.dialect, status, error, _at(answer))
    if status in (401, 403, 429, 503):
        return BulkOutcome(
            WriteResult(
                busy=documents,
                busy_because=said,
                retry_after_seconds=retry_after_seconds(answer),
                trouble=_busy_trouble(answer.dialect, status, said),
            )
        )
    if status == 400 and _is_body_fault(error):
        return BulkOutcome(WriteResult(busy=documents, unreadable=True, busy_because=said))
    trouble = f"{said}; {_WAITS}{_request_cure(answer.dialect, status, error)}"
    return BulkOutcome(_doubtful(documents, trouble, retry_after_seconds(answer)))


def _doubtful(
    documents: Sequence[Document], trouble: str, retry_after: float | None = None
) -> WriteResult:
    return WriteResult(doubtful=documents, trouble=trouble, retry_after_seconds=retry_after)


def _is_body_fault(error: Error) -> bool:
    reason = (error.reason or "").lower()
    return error.type in _BODY_FAULTS or (
        error.type == "illegal_argument_exception"
        and ("action/metadata line" in reason or "bulk request must be terminated" in reason)
    )


def _busy_trouble(dialect: Dialect, status: int, said: str) -> str | None:
    """Return what the operator must do; None where the cluster only asks for time."""
    if status == 401:
        secrets = "username, password or api_key" if dialect.api_keys else "username or password"
        return (
            f"{said}; {_WAITS}: correct {dialect.place}.{secrets}. Is this a role name? The user "
            "is logstash_writer, its role logstash_writer_pt"
        )
    if status == 403:
        return (
            f"{said}; {_WAITS}: give the writer's role {dialect.needed_text} on the data streams: "
            "`ptingest setup --only role`"
        )
    if status == 503:
        return f"{said}; {_WAITS}: if it lasts, look at the cluster's health"
    return None


def _request_cure(dialect: Dialect, status: int, error: Error) -> str:
    title, oldest = dialect.title, dialect.oldest_text
    if status == 400 and "require_data_stream" in (error.reason or ""):
        return f": this {title} is older than {oldest}, which first knew it; upgrade it"
    if error.type == "media_type_header_exception":
        return f": this {title} is older than 8.0; upgrade it to {oldest} or newer"
    if status == 406:
        return f": this {title} does not speak version 8 of the API; versions 8 and 9 do"
    return ""


def _unreadable(answer: Answer, why: str) -> str:
    title = answer.dialect.title
    who = title if answer.is_from_cluster else f"something else than {title}"
    return f"{who} answers 200 with {excerpt(answer.body)} ({why}); {_WAITS}"


def _at(answer: Answer) -> str:
    """Name the host where there are several."""
    return answer.host and f" at {answer.host}"


def _seen(dialect: Dialect, status: int, error: Error, at: str = "") -> str:
    said = f"{error.type}: {error.reason}" if error.type else (error.reason or "no reason given")
    return f"{dialect.title}{at} answers {status} {said[:DETAIL_CHARACTERS]}"
