"""Whether an error of one bulk item is about the document, its data stream, or a node.

Pure.
"""

from __future__ import annotations

from ptingest.sinks.elasticsearch.answer import Error

_MAPPING_ERRORS = frozenset(
    {"document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception"}
)
NO_OBJECT = "Malformed content, must start with an object"
"""The reason of a ``document_parsing_exception``, from 8.19.21 and 9.5 on."""
_NODE_WORDS = (
    "i_o_exception", "io_exception", "file", "translog", "engine", "shard", "closed", "corrupt",
    "memory", "node", "cluster", "master", "transport", "rejected", "circuit", "timeout",
    "unavailable", "recover", "interrupted", "no_space",
)  # fmt: skip
"""Parts of the type of an error that comes from a node, not from the document. Every other
error with status 500 is thrown by what reads the document: its ingest pipeline."""


def stream_trouble(status: int, error: Error) -> tuple[str, str] | None:
    """Return label and cure where a data stream, not the document, is at fault."""
    reason = error.reason or ""
    if status in (401, 403):
        if error.type == "cluster_block_exception":
            return "write_block", "remove the write block from the index"
        cure = "give the writer's role the right to write to it: `ptingest setup --only role`"
        return "forbidden", cure
    if error.type == "index_closed_exception":
        return "index_closed", "open the index, or roll the data stream over"
    is_template_missing = status == 400 and "index template" in reason and "data stream" in reason
    if is_template_missing or (status == 404 and "requires a data stream" in reason):
        return "template_missing", "no data stream template matches: run `ptingest setup`"
    if error.type == "illegal_state_exception" and "conflicts with index" in reason:
        return "not_found", "a plain index has its name: reindex it under another and delete it"
    if status == 404:
        return "not_found", "look at the data stream and its template"
    if status == 400 and error.type == "validation_exception" and "this action would add" in reason:
        return "shard_limit", "delete old indices or raise cluster.max_shards_per_node"
    # Not the document's fault either: default_pipeline names a pipeline that is not there.
    if status == 400 and reason.startswith("pipeline with id ["):
        return "pipeline_missing", "create the ingest pipeline, or take it out of the template"
    return None


def refusal_label(status: int, error: Error) -> str | None:
    """Return a label where Elasticsearch will never take this document."""
    if _is_no_object(status, error):
        return "not_an_object"
    if not 400 <= status < 500 or status in (409, 429):
        return None
    if error.type in _MAPPING_ERRORS:
        return "mapping"
    if error.type == "invalid_index_name_exception":
        return "illegal_data_stream"
    if status == 413:
        return "too_large"
    return "refused"


def asks_to_come_back(status: int, error: Error) -> bool:
    """Whether an item was not taken now for a reason of Elasticsearch's own."""
    if status == 500:
        return any(word in error.type for word in _NODE_WORDS)
    return status in (408, 409, 425, 429) or 502 <= status <= 504


def failing_label(status: int, data_stream: str) -> tuple[str, str]:
    """Return label and cure for a document that Elasticsearch fails on."""
    if status == 500:
        return "ingest_pipeline", (
            f"as a rule an ingest pipeline fails on this document: look at the pipelines that "
            f"{data_stream} runs (index.default_pipeline, index.final_pipeline), then requeue"
        )
    return "not_understood", (
        f"status {status} is not a known bulk item status (data stream {data_stream})"
    )


def _is_no_object(status: int, error: Error) -> bool:
    """Whether the body is not a JSON object; a retry is useless.

    Elasticsearch up to 8.19.0 says 500, OpenSearch 400 with that as the cause.
    """
    cause = "" if error.caused_by is None else error.caused_by.type
    if "not_x_content_exception" in (error.type, cause):
        return status in (400, 500)
    return status == 400 and NO_OBJECT in (error.reason or "")
