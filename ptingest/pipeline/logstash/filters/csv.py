"""The filter ``csv``: the cells of a line become fields."""

from __future__ import annotations

from collections.abc import Callable

from ptingest.pipeline.logstash.csv_conversions import CONVERSIONS, Conversion
from ptingest.pipeline.logstash.csv_lines import BadCsv, Cells, compile_csv
from ptingest.pipeline.logstash.event import MISSING, Event
from ptingest.pipeline.logstash.field_access import Writer, reader, writer
from ptingest.pipeline.logstash.options import FilterFunction, FilterSetup, Option, Options
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
Column = tuple[Writer, Conversion | None]


def build(setup: FilterSetup) -> FilterFunction:
    """Return the filter; with ``autodetect_column_names`` the first line names the columns."""
    options, matched = setup.options, setup.matched
    read_field = reader(options["source"])
    read = compile_csv(options["separator"], options["quote_char"])
    columns: Cells = [str(name) for name in options["columns"]]
    store = _store(options, columns)
    detects, skips_rows = options["autodetect_column_names"], options["skip_empty_rows"]
    skips_header = options["skip_header"]

    def csv(event: Event) -> None:
        text = read_field(event)
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
    known: list[Column | None] = []

    def column(index: int) -> Column | None:
        name = columns[index] if index < len(columns) else None
        if name is None:
            if not makes_names:
                return None
            name = f"column{index + 1}"
        write = writer(prefix + (name if name[:1] == "[" else f"[{name}]"))
        return write, conversions.get(name)

    def store(event: Event, cells: Cells) -> None:
        if not known:
            known.extend(map(column, range(len(columns))))
        for index, cell in enumerate(cells):
            if skips_empty and not cell:
                continue
            found = known[index] if index < len(known) else column(index)
            if found is not None:
                write, convert = found
                write(event, cell if cell is None or convert is None else convert(cell))

    return store


def _conversions(options: Options) -> dict[str, Conversion]:
    for name, kind in options["convert"]:
        if kind not in CONVERSIONS:
            raise options.refuse(
                f"convert knows {', '.join(CONVERSIONS)}, not {kind!r} for {name}", "convert"
            )
    return {name: CONVERSIONS[kind] for name, kind in options["convert"]}
