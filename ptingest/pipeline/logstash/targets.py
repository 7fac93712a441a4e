"""From what an output says of an event to the target of a document.

Target of the room (output, name, action ...) --> DataStream | Index, one object for each name
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ptingest.model import document as model
from ptingest.pipeline.logstash.outputs import KEPT_TARGETS, Output, Target
from ptingest.pipeline.route import illegal_name, is_unresolved, shown
from ptingest.settings.kafka import is_topic

ACTIONS = ("create", "index")
FAILURES_NAME = "_filepath_failures"

ELASTICSEARCH, FILE, STDOUT, KAFKA = "elasticsearch", "file", "stdout", "kafka"


class Illegal(NamedTuple):
    """Why a document cannot be written where an output wants it."""

    reason: str
    detail: str


class Targets:
    """Turns the targets of one program into those of documents."""

    def __init__(self, outputs: Sequence[Output], folder: Path = Path()) -> None:
        """``folder`` is where relative paths of files begin."""
        self._sinks = sink_names(outputs)
        self._paths = {
            number: PathRoot(folder, output.options["path"])
            for number, output in enumerate(outputs)
            if output.options.plugin == FILE
        }
        self._codecs = {
            number: output.options["codec"].name if output.options["codec"] else "rubydebug"
            for number, output in enumerate(outputs)
            if output.options.plugin == STDOUT
        }
        self._kept = _Kept(self._find)
        self.of: Callable[[Target], model.Target | Illegal] = self._kept.__getitem__
        """Gives the target of a document, or why there is none."""

    def _find(self, target: Target) -> model.Target | Illegal:
        has_id = target.document_id is not None
        # Id, routing and text differ from event to event, and are not the target's.
        key = target
        if has_id or target.routing is not None or target.text is not None:
            key = target._replace(document_id="" if has_id else None, routing=None, text=None)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= KEPT_TARGETS:
                self._kept.clear()
            found = self._kept[key] = self._made(target, has_own_ids=has_id)
        return found

    def _made(self, target: Target, *, has_own_ids: bool) -> model.Target | Illegal:
        sink = self._sinks[target.output]
        if sink == FILE:
            return model.Index(self._paths[target.output].of(target.name), output=sink)
        if sink == STDOUT:
            return model.Index(self._codecs[target.output], output=sink)
        if sink == KAFKA:
            if not is_topic(target.name):
                return Illegal("illegal_topic", f"{shown(target.name)} is no name of a topic")
            return model.Index(target.name, "create", output=sink)
        illegal = _illegal(target)
        if illegal is not None:
            return illegal
        pipeline = target.pipeline or ""
        if target.is_data_stream:
            kind, dataset, namespace = target.name.split("-", 2)
            return model.DataStream(kind, dataset, namespace, pipeline, sink)
        if target.action == "index" and has_own_ids:
            return model.Index(target.name, "index", has_own_ids, pipeline, sink)
        # Without an id of the config's an event is only added, and one that came before is
        # known by its key.
        return model.Index(target.name, "create", has_own_ids, pipeline, sink)


class _Kept(dict[Target, "model.Target | Illegal"]):
    """Targets of documents; another one is found when it is asked for."""

    def __init__(self, find: Callable[[Target], model.Target | Illegal]) -> None:
        self._find = find

    def __missing__(self, target: Target) -> model.Target | Illegal:
        return self._find(target)


class PathRoot:
    """The folder that the paths of one output ``file`` stay in, whatever an event says.

    It is the path up to the folder before its first ``%{``. As in Logstash a path that would lead
    out of it becomes the file ``_filepath_failures`` in it.
    """

    def __init__(self, folder: Path, text: str) -> None:
        self._folder = str(folder)
        fixed = text.partition("%{")[0]
        self._root = posixpath.normpath(posixpath.join(self._folder, posixpath.dirname(fixed)))

    def of(self, path: str) -> str:
        """Return the path to write to."""
        found = posixpath.normpath(posixpath.join(self._folder, path))
        root = self._root.rstrip("/") + "/"
        return found if found.startswith(root) else f"{root}{FAILURES_NAME}"


def _illegal(target: Target) -> Illegal | None:
    name = target.name
    if target.action not in ACTIONS:
        detail = f"action {shown(target.action)} for {shown(name)}: create and index are known here"
        return Illegal("unknown_action", detail)
    if is_unresolved(name):
        return Illegal("index_interpolation", f"{shown(name)} still holds a placeholder")
    if not target.is_data_stream and name.startswith("<") and name.endswith(">"):
        return None  # date math, which Elasticsearch resolves
    wrong = illegal_name(name)
    if wrong is None and target.is_data_stream and name.count("-") < 2:
        wrong = "a data stream's name has three parts"
    return None if wrong is None else Illegal("illegal_data_stream", f"{shown(name)}: {wrong}")


def sink_names(outputs: Sequence[Output]) -> tuple[str, ...]:
    """Return the sink of each output.

    Outputs to the same cluster with the same login share one; the first cluster is
    ``elasticsearch``, a further one its output's ``id``, else ``elasticsearch-2`` and so on.
    """
    names: list[str] = []
    clusters: dict[tuple[object, ...], str] = {}
    for output in outputs:
        if output.options.plugin != ELASTICSEARCH:
            names.append(output.options.plugin)
            continue
        cluster = connection_of(output)
        if cluster not in clusters:
            number = len(clusters) + 1
            given = output.options["id"]
            clusters[cluster] = (
                ELASTICSEARCH if number == 1 else given or f"{ELASTICSEARCH}-{number}"
            )
        names.append(clusters[cluster])
    return tuple(names)


CONNECTION = (
    "hosts", "user", "password", "api_key", "cloud_id", "cloud_auth", "path", "proxy", "ssl",
    "ssl_enabled", "cacert", "ca_trusted_fingerprint", "ssl_certificate", "ssl_key",
    "ssl_certificate_authorities", "ssl_certificate_verification", "ssl_verification_mode",
)  # fmt: skip
"""Options of an output to Elasticsearch that say which cluster, and as whom."""


def connection_of(output: Output) -> tuple[object, ...]:
    """Return the values of those options."""
    values = output.options.values
    return tuple(_hashable(values.get(name)) for name in CONNECTION)


def _hashable(value: object) -> object:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
