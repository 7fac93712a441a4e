"""How `top` looks: an overview as lines of styled text for any width and height. Pure.

Sections share the height: each first gets its heading and a row, then rows in turn until
all rows are shown or no line is free. The heading counts rows that are not shown.

The tables are laid out here, not by `rich.table`, which takes five to six times the processor
time for each refresh and would save about fifteen lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ptingest.cli.visible import visible
from ptingest.doctor.units import short_count, short_duration, size

if TYPE_CHECKING:
    from rich.text import Text

Row = dict[str, Any]
WIDE = 130
"""Columns from which there is room for more of them."""

WIDEST = 72
"""Largest width of the column that takes the rest: wider rows are hard to read."""


class Column(NamedTuple):
    """One column of a section's table."""

    heading: str
    width: int
    """Least width; the one column with 0 takes what is left."""
    show: Callable[[Row], str]
    is_text: bool = False
    is_alarm: Callable[[Row], bool] = lambda _: False
    only_wide: bool = False


class Section(NamedTuple):
    """A table of the screen."""

    columns: tuple[Column, ...]
    rows: Sequence[Row]
    empty: str
    notes: Sequence[str] = ()
    """Lines under the table: the last errors."""


def lines(shown: Row, *, width: int, height: int, hint: str = "") -> list[Text]:
    """Return at most ``height`` lines of at most ``width`` cells."""
    from rich.text import Text

    head = _head(shown, width)
    if not shown["reachable"]:
        return _cut([*head, Text(""), Text(hint, "dim")], width, height)
    sections = _sections(shown)
    room = height - len(head) - (1 if hint else 0)
    body: list[Text] = []
    for section, rows in zip(sections, share_out(sections, room), strict=True):
        body += _table(section, rows, width)
    if hint:
        body.append(Text(hint, "dim"))
    return _cut([*head, *body], width, height)


def share_out(sections: Sequence[Section], room: int) -> list[int]:
    """Return how many rows each section gets, one line of each being its heading."""
    wanted = [max(1, len(section.rows) + len(section.notes)) for section in sections]
    given = [0] * len(sections)
    left = room - len(sections)
    while left > 0 and given != wanted:
        for at, want in enumerate(wanted):
            if left > 0 and given[at] < want:
                given[at] += 1
                left -= 1
    return given


def _cut(found: list[Text], width: int, height: int) -> list[Text]:
    for line in found:
        line.rstrip()
        line.truncate(width, overflow="ellipsis")
        line.no_wrap = True
    return found[:height]


# --- the head -----------------------------------------------------------------------------


def _head(shown: Row, width: int) -> list[Text]:
    from rich.text import Text

    well = shown["well"]
    if not shown["reachable"]:
        return [
            Text.assemble(("ptingest ", "bold"), visible(shown["where"])),
            *_wrapped(well["sentence"], "bold red", width),
            *_cures(well, width),
        ]
    process = shown["process"]
    facts = [
        visible(f"{shown['version']}  {shown['where']}"),
        f"up {short_duration(shown['uptime_seconds'])}",
        f"cpu {_percent(process['cpu_share'])}",
        f"rss {_size(process['memory_bytes'])}",
        f"pause {short_duration(process['loop_lag_seconds'])}",
    ]
    first, *rest = _filled(facts, width - len("ptingest "))
    found = [Text.assemble(("ptingest ", "bold"), first), *(Text(f"  {line}") for line in rest)]
    found += _wrapped(well["sentence"], "bold green" if well["is_well"] else "bold red", width)
    return [*found, *_cures(well, width), _rates_line(shown)]


def _filled(facts: Sequence[str], width: int) -> list[str]:
    """Join facts to lines that are no wider, as far as each fact alone allows."""
    lines = [facts[0]]
    for fact in facts[1:]:
        longer = f"{lines[-1]}  {fact}"
        if len(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(fact)
    return lines


def _cures(well: Row, width: int) -> list[Text]:
    cures = str(well["cure"]).split("\n") if well["cure"] else []
    return [line for cure in cures for line in _wrapped(f"cure: {cure}", "", width)]


def _wrapped(text: str, style: str, width: int) -> list[Text]:
    """At most two lines; `doctor` shows the whole text."""
    from rich.text import Text

    text = visible(text)
    if len(text) <= width:
        return [Text(text, style)]
    at = text.rfind(" ", 0, width)
    at = at if at > 0 else width
    return [Text(text[:at], style), Text(f"  {text[at:].strip()}", style)]


def _rates_line(shown: Row) -> Text:
    from rich.text import Text

    rates, acks = shown["rates"] or {}, shown["acks"]
    parts = [
        ("in ", f"{short_count(rates.get('received_per_second'))}/s"),
        ("stored ", f"{short_count(rates.get('stored_per_second'))}/s"),
        ("acks ", f"{short_count(acks['per_second'])}/s"),
        ("p50 ", short_duration(acks["p50_seconds"])),
        ("p99 ", short_duration(acks["p99_seconds"])),
        ("oldest unacked ", short_duration(acks["oldest_unacked_seconds"])),
        ("windows ", short_count(acks["open_windows"])),
    ]
    line = Text()
    for name, value in parts:
        line.append(name, "dim").append(value, "bold").append("  ")
    return line


# --- the tables ---------------------------------------------------------------------------


def _sections(shown: Row) -> list[Section]:
    sinks, connections = shown["sinks"], shown["connections"]
    is_single = len({row["sink"] for row in shown["books"]}) < 2
    troubles = [
        f"  {sink['sink']}: {text}"
        for sink in sinks
        for text in (
            *([sink["trouble"]] if sink["trouble"] else ()),
            *(
                f"{one['data_stream']}: {one['reason']}: {one['detail']}"
                for one in sink["troubled_streams"] or ()
            ),
        )
    ]
    kafka = shown["kafka"]
    said = [f"  {row['name']}: {text}" for row in kafka for text in row["troubles"]]
    found = [
        Section(_WORKER_COLUMNS, shown["workers"], ""),
        Section(_kafka_columns(), kafka, "", said),
        Section(_sink_columns(), sinks, "no sinks", troubles),
        Section(_book_columns(is_single=is_single), shown["books"], "no event has come yet"),
        Section(_connection_columns(), connections, "no Beat is connected"),
        Section(_limit_columns(), shown["limits"], "no limits"),
    ]
    # With Kafka between, a receiver has no sinks and looks into no event, and an indexer has no
    # Beats port.
    return [one for one in found if one.rows or (one.empty and not kafka)]


def _table(section: Section, rows: int, width: int) -> list[Text]:
    from rich.text import Text

    columns = [c for c in section.columns if width >= WIDE or not c.only_wide]
    fixed = sum(column.width + 1 for column in columns)
    widths = [column.width or min(WIDEST, max(8, width - fixed)) for column in columns]
    notes = section.notes[: max(0, min(rows - 1, len(section.notes)))]
    chosen = section.rows[: rows - len(notes)]
    hidden = len(section.rows) - len(chosen)
    heading = Text(style="bold underline")
    for place, (column, cells) in enumerate(zip(columns, widths, strict=True)):
        name = column.heading
        if place == 0 and hidden:
            name = f"{name} ({len(chosen)} of {len(section.rows)})"
        heading.append(_cell(name, cells, is_text=column.is_text)).append(" ")
    found = [heading]
    for row in chosen:
        line = Text()
        for column, cells in zip(columns, widths, strict=True):
            style = "bold red" if column.is_alarm(row) else ""
            line.append(_cell(column.show(row), cells, is_text=column.is_text), style).append(" ")
        found.append(line)
    if not section.rows and rows:
        found.append(Text(section.empty, "dim"))
    return [*found, *(Text(visible(note), "red") for note in notes)]


def _cell(text: str, width: int, *, is_text: bool) -> str:
    """Exactly ``width`` cells, whatever letters the text is made of."""
    from rich.cells import cell_len, set_cell_size

    text = visible(text)
    if cell_len(text) > width:
        text = f"{set_cell_size(text, width - 1)}…"
    blanks = " " * (width - cell_len(text))
    return f"{text}{blanks}" if is_text else f"{blanks}{text}"


def _count(name: str) -> Callable[[Row], str]:
    return lambda row: short_count(row.get(name))


def _time(name: str) -> Callable[[Row], str]:
    return lambda row: short_duration(row.get(name))


def _book_columns(*, is_single: bool) -> tuple[Column, ...]:
    def service(row: Row) -> str:
        return str(row["service"] if is_single else f"{row['sink']}/{row['service']}")

    def difference(row: Row) -> bool:
        return bool(row["difference"])

    return (
        Column("service", 0, service, is_text=True),
        Column("in/s", 5, _count("received_per_second")),
        Column("received", 8, _count("received")),
        Column("stored", 6, _count("stored")),
        Column("again", 5, _count("already_stored"), only_wide=True),
        Column("fstore", 6, _count("failure_stored"), is_alarm=lambda r: r["failure_stored"] > 0),
        Column("dead", 5, _count("dead_lettered"), is_alarm=lambda row: row["dead_lettered"] > 0),
        Column("dropped", 7, _count("dropped")),
        Column("back", 5, _count("given_back")),
        Column("flight", 6, _count("in_flight")),
        Column("diff", 4, _count("difference"), is_alarm=difference),
        Column("last event", 10, _time("heard_seconds_ago"), only_wide=True),
    )


def _connection_columns() -> tuple[Column, ...]:
    return (
        Column("connection", 0, lambda row: str(row["peer"]), is_text=True),
        Column("in/s", 7, _count("received_per_second")),
        Column("events", 9, _count("events")),
        Column("bytes", 8, lambda row: _size(row["bytes"])),
        Column("windows", 7, _count("windows")),
        Column("open", 4, _count("open_windows")),
        Column(
            "held",
            7,
            _time("held_seconds"),
            is_alarm=lambda row: (row.get("held_seconds") or 0.0) > 30,
        ),
        Column("largest", 7, _count("largest_window"), only_wide=True),
        Column("packed", 6, lambda row: _yes(row["compresses"]), only_wide=True),
        Column("piped", 5, lambda row: _yes(row["pipelines"]), only_wide=True),
        Column("reads", 5, lambda row: _yes(row["reading"]), only_wide=True),
        Column("age", 7, _time("seconds"), only_wide=True),
        Column("certificate", 20, lambda row: row["tls_subject"] or "-", True, only_wide=True),
    )


def _sink_columns() -> tuple[Column, ...]:
    def is_bad(row: Row) -> bool:
        return "trouble" in str(row["state"])

    def flight(row: Row) -> str:
        return f"{short_count(row['in_flight'])}/{short_count(row['concurrency'])}"

    return (
        Column("sink", 0, lambda row: str(row["sink"]), is_text=True),
        Column("state", 18, lambda row: str(row["state"]), True, is_bad),
        Column("flight", 6, flight),
        Column("waiting", 8, _count("waiting_documents")),
        Column("write", 7, _time("write_seconds")),
        Column("backoff", 7, _time("backoff_seconds")),
        Column("oldest", 7, _time("oldest_seconds")),
    )


def _kafka_columns() -> tuple[Column, ...]:
    def is_in_trouble(row: Row) -> bool:
        return bool(row["troubles"])

    return (
        Column("kafka", 0, lambda row: str(row["name"]), True, is_in_trouble),
        Column("in/s", 7, _count("taken_per_second")),
        Column("safe/s", 7, _count("safe_per_second")),
        Column("flight", 7, _count("outstanding")),
        Column("lag", 7, _count("lag")),
        Column("oldest", 7, _time("oldest_seconds")),
        Column("parts", 5, _count("partitions")),
    )


def _limit_columns() -> tuple[Column, ...]:
    def bar(row: Row) -> str:
        full = min(20, round(20 * float(row["share"])))
        return "#" * full + "." * (20 - full)

    def is_near(row: Row) -> bool:
        return bool(row["share"] >= 0.9)

    def used(row: Row) -> str:
        show = short_count if row["name"] == "connections" else size
        return f"{show(row['used'])} of {show(row['limit'])}"

    return (
        Column("limit", 13, lambda row: str(row["name"]), is_text=True),
        Column("", 20, bar, True, is_near),
        Column("used", 6, lambda row: _percent(row["share"]), False, is_near),
        Column("", 0, lambda row: f"{used(row)}  {row['setting']}", is_text=True),
    )


_WORKER_COLUMNS = (
    Column("worker", 0, lambda row: str(row.get("worker")), is_text=True),
    Column("pid", 8, lambda row: str(row.get("pid") or "-")),
    Column(
        "state",
        9,
        lambda row: str(row.get("state") or "-"),
        is_text=True,
        is_alarm=lambda row: row.get("state") != "running",
    ),
    Column("beats", 6, _count("connections")),
    Column("in/s", 7, _count("events_lately")),
    Column("rss", 8, lambda row: _size(row.get("rss_bytes"))),
    Column("pause", 7, _time("loop_lag_seconds")),
    Column("up", 7, _time("uptime_seconds")),
    Column("again", 5, _count("restarts"), is_alarm=lambda row: bool(row.get("restarts"))),
    Column("last end", 40, lambda row: str(row.get("last_end") or "-"), True, only_wide=True),
)


def _size(value: float | None) -> str:
    return "-" if value is None else size(value)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f}%"


def _yes(flag: object) -> str:
    return "yes" if flag else "no"
