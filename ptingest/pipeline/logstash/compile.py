"""From a parsed config to a program: what takes an event through filters and outputs.

Running uses straight-line functions (``straight``), explaining an event the closures of ``wiring``.

Nothing is looked up per event that the config alone decides. A step is a filter or a branch; it
returns the events that go on beside the one that it was given (split, clone).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ptingest.pipeline.logstash.attributes import check_attributes
from ptingest.pipeline.logstash.beats_input import INPUTS_OWN
from ptingest.pipeline.logstash.choice import Arm, Choice, compile_choice, keeps_answers
from ptingest.pipeline.logstash.conditions import (
    Test,
    compile_condition,
    deciding_field,
)
from ptingest.pipeline.logstash.decoration import compile_decoration
from ptingest.pipeline.logstash.event import Event
from ptingest.pipeline.logstash.explain import Passage, Tracer
from ptingest.pipeline.logstash.options import (
    FilterFunction,
    FilterSetup,
    RefusedConfig,
    refuse_all,
)
from ptingest.pipeline.logstash.outputs import Output, Target, compile_output
from ptingest.pipeline.logstash.plugins import COMMON_OPTIONS, filter_module
from ptingest.pipeline.logstash.straight import Straight
from ptingest.pipeline.logstash.tree import Branch, Condition, Config, Place, Plugin, Statement
from ptingest.pipeline.logstash.wanted import Wanted, compile_wanted
from ptingest.pipeline.logstash.wiring import (
    ConditionCounts,
    PluginCounts,
    Routing,
    Step,
    all_routes,
    branch,
    branch_routes,
    filter_step,
    output_route,
    sequence,
)


class Result(NamedTuple):
    """An event that left the filters, and where it goes."""

    event: Event
    targets: Sequence[Target]


Outcome = tuple[Event, Sequence[Target]]
"""The same as a plain tuple, which is made at a tenth of the cost."""


class Explanation(NamedTuple):
    """What became of an event, and how."""

    results: list[Result]
    passages: list[Passage]


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled config."""

    config: Config
    outputs: tuple[Output, ...]
    plugins: tuple[PluginCounts, ...]
    """Filters and outputs in the order written."""
    conditions: ConditionCounts
    is_wanted: Wanted | None
    """Tells whether any filter or output may do anything with an event; None where only running
    the program tells."""
    _filters: Step
    _routes: Routing
    _trace: Callable[[list[Passage]], tuple[Step, Routing]]

    def run(self, event: Event) -> list[Result]:
        """Take an event through the filters; an empty list is a dropped event."""
        return [Result(*one) for one in self.outcomes([event])]

    def outcomes(self, events: Sequence[Event]) -> list[Outcome]:
        """Take events through the filters; for one that is dropped there is nothing."""
        found: list[Outcome] = []
        for event in events:
            others = self._filters(event)
            if others is None:
                found.append((event, self._routes(event)))
            else:
                found += _outcomes(event, others, self._routes)
        return found

    def explain(self, event: Event) -> Explanation:
        """Do what ``run`` does, and note every condition and filter on the way."""
        passages: list[Passage] = []
        filters, routes = self._trace(passages)
        results = [Result(*one) for one in _outcomes(event, filters(event) or (), routes)]
        return Explanation(results, passages)


def _outcomes(event: Event, others: Sequence[Event], routes: Routing) -> list[Outcome]:
    return [(one, routes(one)) for one in (event, *others) if not one.is_cancelled]


def compile_config(config: Config, *, has_ecs: bool = True, folder: Path = Path()) -> Program:
    """Compile a config.

    Args:
        config: the parsed files.
        has_ecs: ``pipeline.ecs_compatibility`` is v1 or v8.
        folder: where relative paths in options begin.

    Raises:
        RefusedConfig: something cannot be used; ``all`` has everything, each with its place.
    """
    return _Compiler(has_ecs, folder).program(config)


def _nodes(statements: Iterable[Statement]) -> Iterator[Plugin | Condition]:
    """Yield plugins and conditions in the order written."""
    for statement in statements:
        if isinstance(statement, Plugin):
            yield statement
            continue
        for condition, block in statement.arms:
            if condition is not None:
                yield condition
            yield from _nodes(block)


class _Compiled(NamedTuple):
    """A filter that was built; shared by running and explaining, since some keep state."""

    function: FilterFunction
    counts: PluginCounts


class _Compiler:
    """Builds filters once, and wires them as often as they are needed."""

    def __init__(self, has_ecs: bool, folder: Path) -> None:
        self._has_ecs, self._folder = has_ecs, folder
        self._filters: dict[int, _Compiled] = {}
        self._outputs: dict[int, tuple[Output, PluginCounts]] = {}
        self._tests: dict[int, Test] = {}
        self._counts: list[PluginCounts] = []
        self._ids: dict[str, Place] = {}
        self._conditions = ConditionCounts()
        self._problems: list[RefusedConfig] = []

    def program(self, config: Config) -> Program:
        self._build_all(config.filters, "filter")
        self._build_all(config.outputs, "output")
        refuse_all(self._problems)
        outputs = tuple(output for output, _ in self._outputs.values())

        def trace(passages: list[Passage]) -> tuple[Step, Routing]:
            tracer = Tracer(passages)
            return self._steps(config.filters, tracer), self._routes(config.outputs, tracer)

        return Program(
            config, outputs, tuple(self._counts), self._conditions,
            compile_wanted(config, INPUTS_OWN),
            *self._run(config), trace,
        )  # fmt: skip

    def _build_all(self, statements: Iterable[Statement], kind: str) -> None:
        """Build; what is wrong is kept, so that all of it can be told at once."""
        for node in _nodes(statements):
            try:
                if not isinstance(node, Plugin):
                    self._tests[id(node)] = compile_condition(node)
                elif kind == "filter":
                    self._build_filter(node)
                else:
                    self._build_output(node)
            except RefusedConfig as problem:
                self._problems.append(problem)

    def _build_output(self, plugin: Plugin) -> None:
        output = compile_output(plugin, len(self._outputs), has_ecs=self._has_ecs)
        counts = self._count("output", plugin, output.options["id"])
        self._outputs[id(plugin)] = (output, counts)

    def _build_filter(self, plugin: Plugin) -> None:
        module = filter_module(plugin)
        options = check_attributes(plugin, (*COMMON_OPTIONS, *module.OPTIONS))
        has_ecs = options["ecs_compatibility"] or ("v8" if self._has_ecs else "disabled")
        counts = self._count("filter", plugin, options["id"])
        setup = FilterSetup(
            options, compile_decoration(options), has_ecs != "disabled", self._folder,
            counts.report,
        )  # fmt: skip
        self._filters[id(plugin)] = _Compiled(module.build(setup), counts)

    def _count(self, kind: str, plugin: Plugin, given: str | None) -> PluginCounts:
        place = plugin.place
        plugin_id = given or f"{plugin.name}@{Path(place.file).name}:{place.line}:{place.column}"
        if plugin_id in self._ids:
            raise RefusedConfig(
                place, f"the id {plugin_id!r} stands at {self._ids[plugin_id]} already"
            )
        self._ids[plugin_id] = place
        counts = PluginCounts(kind, plugin, plugin_id)
        self._counts.append(counts)
        return counts

    # --- running: straight-line functions where they can be made ------------------------------

    def filter_of(self, plugin: Plugin) -> tuple[FilterFunction, PluginCounts]:
        """As ``Pieces.filter_of``."""
        return self._filters[id(plugin)]

    def output_of(self, plugin: Plugin) -> tuple[Output, PluginCounts]:
        """As ``Pieces.output_of``."""
        return self._outputs[id(plugin)]

    def test_of(self, condition: Condition) -> Test:
        """As ``Pieces.test_of``."""
        found = self._tests.get(id(condition))
        return compile_condition(condition) if found is None else found

    def kept_choice_of(self, branch: Branch) -> Choice | None:
        """As ``Pieces.kept_choice_of``."""
        arms = [self._arm(one, None) for one, _ in branch.arms if one is not None]
        return compile_choice(arms) if keeps_answers(arms) else None

    def _run(self, config: Config) -> tuple[Step, Routing]:
        straight = Straight(self, self._conditions)
        steps: list[Step] = []
        try:
            for is_straight, several in groupby(config.filters, straight.can_step):
                if is_straight:
                    steps.append(straight.step(several))
                else:
                    steps += [self._step(one, None) for one in several]
            return sequence(steps), straight.routing(config.outputs)
        except (SyntaxError, RecursionError, MemoryError):  # more levels than Python takes
            return self._steps(config.filters, None), self._routes(config.outputs, None)

    # --- explaining, and whatever adds events: closures ---------------------------------------

    def _steps(self, statements: Iterable[Statement], tracer: Tracer | None) -> Step:
        return sequence([self._step(statement, tracer) for statement in statements])

    def _step(self, statement: Statement, tracer: Tracer | None) -> Step:
        if isinstance(statement, Branch):
            blocks = [self._steps(block, tracer) for _, block in statement.arms]
            otherwise = blocks.pop() if statement.arms[-1][0] is None else None
            return branch(self._choice(statement, tracer), blocks, otherwise, self._conditions)
        function, counts = self._filters[id(statement)]
        step = filter_step(function, counts)
        return step if tracer is None else tracer.step(step, statement)

    def _choice(self, statement: Branch, tracer: Tracer | None) -> Choice:
        return compile_choice(
            [self._arm(one, tracer) for one, _ in statement.arms if one is not None]
        )

    def _arm(self, condition: Condition, tracer: Tracer | None) -> Arm:
        test = self._tests[id(condition)]
        if tracer is None:
            return Arm(test, deciding_field(condition))
        # Every condition on the way is to be noted, so nothing is kept.
        return Arm(tracer.test(test, condition), None)

    def _routes(self, statements: Iterable[Statement], tracer: Tracer | None) -> Routing:
        return all_routes([self._route(statement, tracer) for statement in statements])

    def _route(self, statement: Statement, tracer: Tracer | None) -> Routing:
        if isinstance(statement, Branch):
            blocks = [self._routes(block, tracer) for _, block in statement.arms]
            otherwise = blocks.pop() if statement.arms[-1][0] is None else None
            choice = self._choice(statement, tracer)
            return branch_routes(choice, blocks, otherwise, self._conditions)
        output, counts = self._outputs[id(statement)]
        return output_route(output.route, counts)
