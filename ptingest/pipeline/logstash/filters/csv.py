"""The filter ``csv``: the cells of a line become fields."""

from __future__ import annotations

from collections.abc import Callable

from ptingest.pipeline.logstash.csv_conversions import CONVERSIONS, Conversion
from ptingest.pipeline.logstash.csv_lines import BadCsv, Cells, compile_csv
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_reference import parse_reference
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
from ptingest.pipeline.logstash.sprintf import known_reference
from ptingest.pipeline.logstash.values import FieldError

OPTIONS = (
    Option("source", default="message"),
    Option("columns", "array", []),
    Option("separator", default=","),
    Option("quote_char", default='"'),
    Option("target"),
    Option("autogenerate_column_names", "boolean", True),
    Option("autodetect_column_names", "boolean", False),
    Option("skip_header", "boolean", False),
    Option("skip_empty_columns", "boolean", False),
    Option("skip_empty_rows", "boolean", False),
    Option("convert", "hash", []),
)
Store = Callable[[Event, Cells], None]


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; with ``autodetect_column_names`` the first line names the columns."""
    options, matched = setup.options, setup.matched
    source = known_reference(options["source"])
    read = compile_csv(options["separator"], options["quote_char"])
    columns: Cells = [str(name) for name in options["columns"]]
    store = _store(options, columns)
    detects, skips_rows = options["autodetect_column_names"], options["skip_empty_rows"]
    skips_header = options["skip_header"]

    def csv(event: Event) -> None:
        text = event.get(source(event))
        if text is MISSING or text is None or text is False:
            return
        try:
            cells = read(text) if isinstance(text, str) else None
            if cells is not None and not columns and detects:
                columns.extend(cells)
                event.cancel()
            elif skips_header and columns and columns == cells:
                event.cancel()
            elif cells is None and skips_rows and text == "":
                event.tag("_csvskippedemptyfield")
            elif cells is None:
                event.tag("_csvparsefailure")
            else:
                store(event, cells)
                matched(event)
        except (BadCsv, FieldError):
            event.tag("_csvparsefailure")

    return csv


def _store(options: Options, columns: Cells) -> Store:
    """Return what stores cells under the names of their columns, which may be found later."""
    conversions = _conversions(options)
    skips_empty, makes_names = options["skip_empty_columns"], options["autogenerate_column_names"]
    target = options["target"] or ""
    prefix = target if target.startswith("[") or not target else f"[{target}]"

    def store(event: Event, cells: Cells) -> None:
        for index, cell in enumerate(cells):
            if skips_empty and not cell:
                continue
            name = columns[index] if index < len(columns) else None
            if name is None:
                if not makes_names:
                    continue
                name = f"column{index + 1}"
            convert = conversions.get(name)
            value = cell if cell is None or convert is None else convert(cell)
            event.set(parse_reference(prefix + (name if name[:1] == "[" else f"[{name}]")), value)

    return store


def _conversions(options: Options) -> dict[str, Conversion]:
    for name, kind in options["convert"]:
        if kind not in CONVERSIONS:
            raise options.refuse(
                f"convert knows {', '.join(CONVERSIONS)}, not {kind!r} for {name}", "convert"
            )
    return {name: CONVERSIONS[kind] for name, kind in options["convert"]}
