"""A ``logstash.conf`` as a pipeline: payloads in, documents of its outputs out.

    payload -> decode -> input -> filters -> outputs -> encode -> Document, one a target

An event may leave the filters several times (split, clone) and go to several targets: these
documents share the payload and the receipt, so its window is acked when all are safe. A payload
has one fate all the same: where one of its documents cannot have a target, all of it becomes one
dead letter, which can be requeued without storing the others twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Raw

from ptingest.errors import ConfigInvalid, ConfigProblem
from ptingest.model.document import DataStream, Document
from ptingest.model.outcome import DeadLetter, DropReason, Processed
from ptingest.model.receipt import Receipt
from ptingest.pipeline.decode import TOO_DEEP, Decoded, Unreadable
from ptingest.pipeline.fast.cache import remember
from ptingest.pipeline.fast.events import ABSENT
from ptingest.pipeline.identity import part_key
from ptingest.pipeline.labels import LearnedLabels
from ptingest.pipeline.logstash.as_profile import profile_of
from ptingest.pipeline.logstash.builders import Builder, builder_of
from ptingest.pipeline.logstash.compile import Outcome, Program, Result, compile_config
from ptingest.pipeline.logstash.encode import EventEncoder, encode_value
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.inputs import Inputs, inputs_of
from ptingest.pipeline.logstash.keys import EventKeys
from ptingest.pipeline.logstash.members import value_of
from ptingest.pipeline.logstash.options import RefusedConfig
from ptingest.pipeline.logstash.parse import join_configs, parse
from ptingest.pipeline.logstash.targets import Illegal, Targets, sink_names
from ptingest.pipeline.logstash.values import Value
from ptingest.pipeline.pipeline import OTHER, ExplainedEvent, Explanation, Passage, PluginTally
from ptingest.pipeline.profile_pipeline import ProfilePipeline
from ptingest.settings.logstash import LogstashSettings
from ptingest.settings.profile import ProfileSettings

LONGEST_NAME = 1024
"""Characters of a target's name that a letter shows; a legal one has at most 255."""
LARGEST_TOTAL = 256 * 1024 * 1024
"""Bytes of all documents of one event. ``split`` may make 100,000 of a text of 256 KiB, each with
all other fields, and the whole text in ``event.original``: more than any machine holds."""
ASKED_FIRST = 16
"""Payloads after which the others of a chunk are no longer asked whether anything may be done with
them, where it was so of these: running the program tells as well."""
TOO_COSTLY = Illegal(
    "event_too_costly",
    f"its filters make documents of more than {LARGEST_TOTAL // 1024**2} MiB of it",
)
_NOT_ASKED: str | None = "not asked"
"""In place of an event's key, which some documents do not need."""
FAILURES = {
    "_grokparsefailure": "grok_failure",
    "_dateparsefailure": "date_failure",
    "_mutate_error": "mutate_failure",
}
"""Beginnings of tags, and the notes that count them; a tag of any other name is counted as
``filter_failure``."""
_LONGEST_BEGINNING = max(map(len, FAILURES))


class _Chunk(msgspec.Struct, gc=False):
    """What the payloads of one call share."""

    receipt: Receipt
    peer: str
    now_ns: int
    done: Processed


class LogstashPipeline:
    """Implements ``Pipeline`` for a ``logstash.conf``."""

    def __init__(
        self,
        settings: LogstashSettings,
        program: Program,
        inputs: Inputs,
        builder: Builder,
        *,
        meaning: ProfileSettings | None = None,
    ) -> None:
        """``meaning`` is a profile that means the same: it is run, since it is much faster."""
        self.profile = settings
        self.program = program
        self._explainer: Program | None = None
        self.inputs = inputs
        self._input = builder
        self._targets = Targets(program.outputs, Path(settings.folder))
        self.outputs = sink_names(program.outputs)
        self._is_spread = len(set(self.outputs)) > 1
        self._labels = LearnedLabels()
        self.fast = None if meaning is None else ProfilePipeline(meaning, self._labels)
        """Runs the events, where a profile means the same."""
        self._sent_labels = _SentLabels(self._labels)
        self._event_keys, self._encoder = EventKeys(), EventEncoder()
        self._is_wanted = program.is_wanted if builder.keeps_members else None

    @property
    def reads_kafka(self) -> bool:
        """Whether the config has an input ``kafka``."""
        return self.inputs.kafka is not None

    @property
    def plugins(self) -> Sequence[PluginTally]:
        """The filters, in the order written; nothing on the fast path, whose stages do all."""
        if self.fast is not None:
            return ()
        return [
            PluginTally(one.id, one.name, one.events_in, one.events_out, one.failures)
            for one in self.program.plugins
            if one.kind == "filter"
        ]

    @property
    def services(self) -> Sequence[str]:
        """Services seen so far: the config names none."""
        return self._labels.services

    def event_of(self, body: bytes) -> bytes | None:
        """Return the event that a document was made of; None: filters cannot be undone."""
        return None if self.fast is None else self.fast.event_of(body)

    def label_of(self, service: str) -> str:
        """Return the metric label of a service."""
        return self._labels.label_of(service)

    def is_for(self, group: str | None) -> bool:
        """Whether events of this group can become documents: any may, where filters decide."""
        return self.fast is None or self.fast.is_for(group)

    def own_stream(self, group: str, service: str) -> DataStream | None:
        """Return the data stream of a service's events; None where any event may go anywhere."""
        return None if self.fast is None else self.fast.own_stream(group, service)

    def process(
        self, payloads: Sequence[bytes], *, receipt: Receipt, peer: str, now_ns: int
    ) -> Processed:
        """Decide the fate of each payload; as ``Pipeline.process``."""
        if self.fast is not None:
            return self.fast.process(payloads, receipt=receipt, peer=peer, now_ns=now_ns)
        done = Processed(is_spread=self._is_spread)
        chunk = _Chunk(receipt, peer, now_ns, done)
        received, documents = done.received, done.documents
        decode, is_wanted = self._input.decode, self._is_wanted
        unwanted: dict[str, int] = {}
        for number, payload in enumerate(payloads):
            if number == ASKED_FIRST and not unwanted:
                is_wanted = None
            sent, label = decode(payload), OTHER
            fate: list[Document] | Unreadable | Illegal | DropReason
            try:
                if isinstance(sent, Unreadable):
                    fate = sent
                elif is_wanted is not None and not is_wanted(sent, now_ns):
                    label = self._sent_labels[b"" + sent.event.get("service", ABSENT)]
                    unwanted[label] = unwanted.get(label, 0) + 1
                    continue
                else:
                    label, fate = self._fate(sent, payload, chunk)
            except RecursionError:
                fate = TOO_DEEP
            received[label] = received.get(label, 0) + 1
            if isinstance(fate, list):
                documents += fate
                if len(fate) != 1:
                    done.is_spread = True
            elif isinstance(fate, DropReason):
                done.dropped[label, fate] = done.dropped.get((label, fate), 0) + 1
            else:
                done.dead_letters.append(_letter(fate, payload, label, peer, self._key(sent)))
        _count_unwanted(done, unwanted)
        return done

    def _fate(
        self, sent: Decoded, payload: bytes, chunk: _Chunk
    ) -> tuple[str, list[Document] | Unreadable | Illegal | DropReason]:
        """Return the label of an event, and what becomes of it."""
        events = self._input.events_of(sent, chunk.peer, chunk.now_ns)
        if isinstance(events, Unreadable):
            return OTHER, events
        service = events[0].root.get("service") if events else None
        if type(service) is Raw:
            label = self._sent_labels[b"" + service]
        else:
            label = self._labels.label_of(_service_name(service))
        for mark in sent.marks:
            _count(chunk.done, label, mark)
        program = self.program
        errors = program.conditions.errors
        results = program.outcomes(events)
        for event, _ in results:
            if event.failures:
                _count_failures(chunk.done, label, event)
        made = self._documents(results, sent, payload, label, chunk)
        if not made:
            return label, _drop_reason(results, is_undecided=program.conditions.errors > errors)
        return label, made

    def _documents(
        self,
        outcomes: Sequence[Outcome],
        sent: Decoded,
        payload: bytes,
        label: str,
        chunk: _Chunk,
    ) -> list[Document] | Illegal:
        """Return the documents of an event: their keys are the config's ids, else the event's
        key, numbered."""
        made: list[Document] = []
        total, target_of, event_key = 0, self._targets.of, _NOT_ASKED
        encode = self._encoder.encode
        for event, targets in outcomes:
            body = b""
            for target in targets:
                found = target_of(target)
                if isinstance(found, Illegal):
                    return found
                body = body or encode(event)
                text, key = target.text, target.document_id
                encoded = None if text is None else text.encode("utf-8", "replace")
                total += len(body) if encoded is None else len(body) + len(encoded)
                if total > LARGEST_TOTAL:
                    return TOO_COSTLY
                if key is None:
                    if event_key is _NOT_ASKED:
                        event_key = self._event_keys.key_of(sent.event)
                    key = part_key(event_key, len(made)) if made and event_key else event_key
                made.append(
                    Document(
                        found, body, key, chunk.receipt, payload, label, chunk.peer,
                        target.routing, encoded,
                    )
                )  # fmt: skip
        return made

    # --- keys and letters -------------------------------------------------------------------

    def _key(self, sent: Decoded | Unreadable) -> str | None:
        """Return the key of an event; None where nothing identifies it."""
        if isinstance(sent, Unreadable):
            return None
        return self._event_keys.key_of(sent.event)

    # --- for people ---------------------------------------------------------------------------

    def explain(self, payload: bytes, *, now_ns: int) -> Explanation:
        """Run one payload and keep every decision."""
        sent = self._input.decode(payload)
        if isinstance(sent, Unreadable):
            return _dead(sent)
        try:
            return self._explained(sent, now_ns)
        except RecursionError:
            return _dead(TOO_DEEP)

    def _program_for_people(self) -> Program:
        """A program of its own: explaining counts nothing, and may happen in another thread."""
        if self._explainer is None:
            self._explainer = compile_config(
                self.program.config,
                has_ecs=self.profile.ecs_compatibility != "disabled",
                folder=Path(self.profile.folder),
            )
        return self._explainer

    def _explained(self, sent: Decoded, now_ns: int) -> Explanation:
        events = self._input.events_of(sent, "", now_ns)
        if isinstance(events, Unreadable):
            return _dead(events)
        program = self._program_for_people()
        errors = program.conditions.errors
        explained = [program.explain(event) for event in events]
        results = [result for one in explained for result in one.results]
        is_undecided = program.conditions.errors > errors
        chunk = _Chunk(Receipt(lambda _: None), "", now_ns, Processed())
        made = self._documents([(r.event, r.targets) for r in results], sent, b"", OTHER, chunk)
        told = () if made is TOO_COSTLY else tuple(map(self._told, results))
        names = list(dict.fromkeys(name for one in told for name in one.targets))
        first = told[0] if told else None
        outcome, reason, detail = "indexed", None, ""
        if isinstance(made, Illegal):
            outcome, reason, detail = "dead_letter", made.reason, made.detail
        elif not made:
            dropped = _drop_reason(results, is_undecided=is_undecided)
            outcome, reason = "dropped", str(dropped)
            detail = program.conditions.last if is_undecided else ""
        return Explanation(
            outcome=outcome,  # type: ignore[arg-type]
            reason=reason,
            detail=detail,
            data_stream=",".join(names) or None,
            document=None if first is None else json.loads(first.body),
            body=None if first is None else first.body,
            key=made[0].key if isinstance(made, list) and made else None,
            pattern=None,
            rule=None,
            notes=sent.marks + tuple(_failures(results)),
            events=told,
            passages=tuple(
                Passage(str(passage.place), passage.text, passage.outcome)
                for one in explained
                for passage in one.passages
            ),
        )

    def _told(self, result: Result) -> ExplainedEvent:
        names = tuple(target.name for target in result.targets)
        metadata = encode_value(result.event.metadata)
        return ExplainedEvent(self._encoder.encode(result.event), metadata, names)


def compile_logstash(
    settings: LogstashSettings, *, is_bare: bool = False, is_general: bool = False
) -> LogstashPipeline:
    """Compile the files of a config.

    Args:
        settings: the files, and how they are read.
        is_bare: payloads are events as they are, whatever the inputs say.
        is_general: run the general engine also where a profile means the same.

    Raises:
        ConfigInvalid: it cannot be run, with file and line.
    """
    has_ecs = settings.ecs_compatibility != "disabled"
    try:
        config = join_configs(
            parse(one.text, settings.variables, file=one.name, has_escapes=settings.support_escapes)
            for one in settings.files
        )
        inputs = Inputs() if is_bare else inputs_of(config, has_ecs=has_ecs)
        program = compile_config(config, has_ecs=has_ecs, folder=Path(settings.folder))
    except RefusedConfig as error:
        raise ConfigInvalid(tuple(map(invalid, error.all))) from None
    is_general = is_general or is_bare or not has_ecs
    return LogstashPipeline(
        settings,
        program,
        inputs,
        builder_of(inputs, is_bare=is_bare, has_ecs=has_ecs),
        meaning=None if is_general else profile_of(config),
    )


def invalid(error: RefusedConfig) -> ConfigProblem:
    """Return the problem of a config that cannot be run."""
    place = error.place
    return ConfigProblem(
        file=f"{place.file}:{place.line}:{place.column}",
        path="",
        seen=error.sentence,
        cure="nothing is run until it is changed",
    )


class _SentLabels(dict[bytes, str]):
    """Labels by the ``service`` that was sent; no bytes where none was."""

    def __init__(self, labels: LearnedLabels) -> None:
        self._labels = labels

    def __missing__(self, sent: bytes) -> str:
        label = self._labels.label_of(_service_name(value_of(sent)) if sent else None)
        remember(self, sent, label)
        return label


def _service_name(service: Value) -> Value:
    return service.get("name") if isinstance(service, dict) else service


def _letter(
    fate: Unreadable | Illegal, payload: bytes, label: str, peer: str, key: str | None
) -> DeadLetter:
    return DeadLetter(
        reason=fate.reason, detail=fate.detail, payload=payload, service=label, peer=peer, key=key
    )


def _dead(why: Unreadable) -> Explanation:
    return Explanation(
        outcome="dead_letter", reason=why.reason, detail=why.detail, data_stream=None,
        document=None, body=None, key=None, pattern=None, rule=None, notes=(),
    )  # fmt: skip


def _drop_reason(results: Sequence[object], *, is_undecided: bool) -> DropReason:
    if is_undecided:
        return DropReason.CONDITION_ERROR
    return DropReason.NO_OUTPUT if results else DropReason.FILTER


def _count_unwanted(done: Processed, unwanted: Mapping[str, int]) -> None:
    for label, count in unwanted.items():
        done.received[label] = done.received.get(label, 0) + count
        place = (label, DropReason.NO_OUTPUT)
        done.dropped[place] = done.dropped.get(place, 0) + count


def _count(done: Processed, label: str, what: str) -> None:
    done.tallies[label, what] = done.tallies.get((label, what), 0) + 1


def _count_failures(done: Processed, label: str, event: Event) -> None:
    for what in _notes_of(event):
        _count(done, label, what)


def _failures(results: Sequence[Result]) -> list[str]:
    found = [
        what for result in results if result.event.failures for what in _notes_of(result.event)
    ]
    return list(dict.fromkeys(found))


def _notes_of(event: Event) -> Sequence[str]:
    tags = event.read("tags")
    found: set[str] = set()
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, str) and tag[:1] == "_":
            found.update(_notes_of_beginning(tag[:_LONGEST_BEGINNING]))
    return sorted(found) or ("filter_failure",)


@lru_cache(maxsize=256)
def _notes_of_beginning(tag: str) -> tuple[str, ...]:
    return tuple(what for start, what in FAILURES.items() if tag.startswith(start))
