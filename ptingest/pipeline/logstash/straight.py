"""Statements of a config as one function without a call for each of them.

    if [group] == "pt" { mutate { replace => { "stream" => "app" } } }

becomes

    if (v if type(v := root.get('group')) is not Raw else decoded(root, 'group', v)) == 'pt':
        x3.events_in += 1
        root['stream'] = 'app'

Each statement does what ``wiring`` makes of it, which explaining an event runs in its place;
statements that may add events (``split``, ``clone``) stay there for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from ptingest.pipeline.logstash.choice import Choice
from ptingest.pipeline.logstash.conditions import ConditionError, Test
from ptingest.pipeline.logstash.field_access import writer
from ptingest.pipeline.logstash.operations import Operations, WriteText
from ptingest.pipeline.logstash.options import FilterFunction
from ptingest.pipeline.logstash.outputs import Output
from ptingest.pipeline.logstash.source import Source, plain_path
from ptingest.pipeline.logstash.source_conditions import condition_source, value_source
from ptingest.pipeline.logstash.sprintf import compile_template
from ptingest.pipeline.logstash.tree import Branch, Condition, Plugin, Statement
from ptingest.pipeline.logstash.values import FieldError
from ptingest.pipeline.logstash.wiring import (
    ConditionCounts,
    PluginCounts,
    Routing,
    Step,
    count_error,
)

ADDING = frozenset({"clone", "python", "split"})
"""Filters that may add events, or put others in the place of one."""
DROPPING = frozenset({"csv", "drop"})
"""Filters that may drop an event."""
_UNDECIDED = (ConditionError, FieldError)


class Pieces(Protocol):
    """What was compiled of each statement."""

    def filter_of(self, plugin: Plugin) -> tuple[FilterFunction, PluginCounts]:
        """Return a filter."""
        ...

    def output_of(self, plugin: Plugin) -> tuple[Output, PluginCounts]:
        """Return an output."""
        ...

    def test_of(self, condition: Condition) -> Test:
        """Return what decides a condition."""
        ...

    def kept_choice_of(self, branch: Branch) -> Choice | None:
        """Return what chooses among arms whose answers are kept; None where none are."""
        ...


class Straight(NamedTuple):
    """Makes the functions of one program."""

    pieces: Pieces
    conditions: ConditionCounts

    def can_step(self, statement: Statement) -> bool:
        """Whether a statement adds no events."""
        if isinstance(statement, Plugin):
            return statement.name not in ADDING
        return all(map(self.can_step, (one for _, block in statement.arms for one in block)))

    def step(self, statements: Iterable[Statement]) -> Step:
        """Return the step of statements that add no events."""
        source = Source()
        self._block(source, statements, self._filter, ("event.cancel()", "return ()"))
        source.add("return None")
        return source.function()

    def routing(self, statements: Iterable[Statement]) -> Routing:
        """Return the routing of the output section."""
        source = Source()
        source.add("targets = []")
        self._block(source, statements, self._output, ("number = -1",))
        source.add("return targets")
        return source.function()

    # --- branches ---------------------------------------------------------------------------

    def _block(
        self,
        source: Source,
        statements: Iterable[Statement],
        leaf: Callable[[Source, Plugin], None],
        undecided: Sequence[str],
    ) -> None:
        """Add statements; ``undecided`` are the lines for an event that a condition fails on."""
        found = tuple(statements)
        for statement in found:
            if isinstance(statement, Plugin):
                leaf(source, statement)
            else:
                self._branch(source, statement, leaf, undecided)
        if not found:
            source.add("pass")

    def _branch(
        self,
        source: Source,
        branch: Branch,
        leaf: Callable[[Source, Plugin], None],
        undecided: Sequence[str],
    ) -> None:
        tests, may_raise = self._tests(source, branch)

        def block(at: int) -> None:
            self._block(source, branch.arms[at][1], leaf, undecided)

        if may_raise:
            self._decide(source, tests, undecided)
            has_otherwise = len(branch.arms) > len(tests)
            _numbered(source, range(-has_otherwise, len(tests)), block)
            return
        for at, (condition, _) in enumerate(branch.arms):
            word = "if" if at == 0 else "elif"
            source.add("else:" if condition is None else f"{word} {tests[at]}:")
            source.depth += 1
            block(at)
            source.depth -= 1

    def _tests(self, source: Source, branch: Branch) -> tuple[list[str], bool]:
        """Return the expression of each condition, and whether one may raise."""
        conditions = [one for one, _ in branch.arms if one is not None]
        choice = self.pieces.kept_choice_of(branch)
        if choice is not None:
            number = f"{source.name(choice)}(event)"
            return [number] * len(conditions), True
        found = [condition_source(source, one, self.pieces.test_of) for one in conditions]
        return [text for text, _ in found], any(may_raise for _, may_raise in found)

    def _decide(self, source: Source, tests: Sequence[str], undecided: Sequence[str]) -> None:
        """Add what finds the number of the arm before the arms, whose filters have errors of
        their own."""
        chosen = " else ".join(f"{at} if {test}" for at, test in enumerate(tests, 1)) + " else 0"
        if len(set(tests)) < len(tests):
            (chosen,) = set(tests)
        source.add(
            "try:",
            f"    number = {chosen}",
            f"except {source.name(_UNDECIDED)} as error:",
            f"    {source.name(self.conditions.count)}(error)",
            *(f"    {line}" for line in undecided),
        )

    # --- plugins ----------------------------------------------------------------------------

    def _output(self, source: Source, plugin: Plugin) -> None:
        output, counts = self.pieces.output_of(plugin)
        source.add(
            f"{source.name(counts)}.events_in += 1",
            f"targets.append({source.name(output.route)}(event))",
        )

    def _filter(self, source: Source, plugin: Plugin) -> None:
        function, counts = self.pieces.filter_of(plugin)
        count = source.name(counts)
        source.add(f"{count}.events_in += 1", "failures = event.failures", "try:")
        source.depth += 1
        if isinstance(function, Operations):
            self._operations(source, function)
        else:
            source.add(f"{source.name(function)}(event)")
        source.depth -= 1
        if isinstance(function, Operations):
            source.add(f"except {source.name(FieldError)}:", f"    event.tag({function.tag!r})")
        source.add(
            "except Exception as error:",
            f"    {source.name(count_error)}({count}, event, error)",
            "if event.failures != failures:",
            f"    {count}.failures += 1",
        )
        if plugin.name in DROPPING:
            source.add("if event.is_cancelled:", f"    {count}.dropped += 1", "    return ()")

    def _operations(self, source: Source, function: Operations) -> None:
        for one in function.operations:
            if isinstance(one, WriteText):
                _write(source, one)
            else:
                source.add(f"{source.name(one)}(event)")
        if not function.operations:
            source.add("pass")


def _numbered(source: Source, arms: range, block: Callable[[int], None]) -> None:
    """Add the blocks of arms, the first of which has the number 1 and ``else``, the last, 0."""
    middle = len(arms) // 2
    if middle > 1:  # of many arms a look at the number skips half
        source.add(f"if number <= {arms[middle]}:")
        source.depth += 1
        _numbered(source, arms[:middle], block)
        source.depth -= 1
        source.add("else:")
        source.depth += 1
        _numbered(source, arms[middle:], block)
        source.depth -= 1
        return
    for at in arms:
        source.add(f"{'if' if at == arms[0] else 'elif'} number == {at + 1}:")
        source.depth += 1
        block(at)
        source.depth -= 1


def _write(source: Source, operation: WriteText) -> None:
    path = plain_path(operation.field)
    if path is None or path[0] in ("@timestamp", "tags"):
        source.add(f"{source.name(operation.closure())}(event)")
        return
    value = _text(source, operation.text)
    if len(path) == 1:
        source.add(f"root[{path[0]!r}] = {value}")
        return
    source.add(f"value = {value}")
    otherwise = f"{source.name(writer(operation.field))}(event, value)"
    source.set_below(path, "value", otherwise, adds=False)


def _text(source: Source, text: str) -> str:
    """Return the expression of a text with ``%{...}``."""
    if "%{" not in text:
        return repr(text)
    template = f"{source.name(compile_template(text))}(event)"
    field = _ONE_FIELD.fullmatch(text)
    if field is None or plain_path(field[1]) is None:
        return template
    return f"(w if type(w := {value_source(source, field[1])}) is str else {template})"


_ONE_FIELD = re.compile(r"%\{([^+{}][^{}]*)\}")
"""A text that is one field and nothing else."""
