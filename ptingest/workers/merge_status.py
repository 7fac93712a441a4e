"""Merges the `/status` of several workers into one of the same shape. Pure.

The rule for a value depends on its name and type: numbers are added, unless the name is
listed as one where only the largest or smallest makes sense; texts are kept where all agree;
lists are concatenated. A key that is not listed here is therefore never lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ptingest.observe.traffic import SHAPES_SHOWN

Status = Mapping[str, object]

LARGEST = frozenset(
    {
        "backoff_seconds",
        "oldest_seconds",
        "loop_lag_seconds",
        "last_lag_seconds",
        "failures",
        "batch_max_bytes",
        "uptime_seconds",
        "held_seconds",
        "lag_growing_seconds",
        "partition_bytes_limit",
        "topic_partitions",
    }
)
SMALLEST = frozenset(
    {"heard_seconds_ago", "last_seconds_ago", "expires_in_days", "record_bytes_limit"}
)
SAME_PLACE = frozenset({"dead_letters", "certificates", "store_file"})
"""Sections in which all workers describe the same files: the largest value counts, no sum."""
CONNECTIONS_LISTED = 50
PARTITIONS_LISTED = 100


def merge_status(parts: Sequence[Status]) -> dict[str, object]:
    """Merge the ``/status`` of several workers; an empty dict where there is none."""
    return _merge_dicts(parts, section="")


def _merge_dicts(parts: Sequence[Status], *, section: str) -> dict[str, object]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: _merge_values(name, [part[name] for part in parts if name in part], section=section)
        for name in names
    }


def _merge_values(name: str, values: Sequence[object], *, section: str) -> object:
    known = [value for value in values if value is not None]
    if not known:
        return None
    first = known[0]
    if isinstance(first, bool):
        return any(known)
    if isinstance(first, int | float):
        numbers = [value for value in known if isinstance(value, int | float)]
        return _how(name, section)(numbers)
    if isinstance(first, Mapping):
        inner = [value for value in known if isinstance(value, Mapping)]
        return _merge_dicts(inner, section=name if name in SAME_PLACE else section)
    if isinstance(first, list | tuple):
        return _merge_lists(name, [value for value in known if isinstance(value, list | tuple)])
    return first if len(set(map(str, known))) == 1 else "; ".join(dict.fromkeys(map(str, known)))


def _how(name: str, section: str) -> Callable[[Iterable[float]], float]:
    if name in SMALLEST:
        return min
    if name in LARGEST or section in SAME_PLACE:
        return max
    return _rounded_sum


def _rounded_sum(numbers: Iterable[float]) -> float:
    total = sum(numbers)
    return total if isinstance(total, int) else round(total, 3)


def _merge_lists(name: str, lists: Sequence[Sequence[object]]) -> list[object]:
    together = [one for part in lists for one in part]
    match name:
        case "listed":
            rows = [one for one in together if isinstance(one, Mapping)]
            if any("partition" in row for row in rows):
                return list(sorted(rows, key=_place)[:PARTITIONS_LISTED])
            return list(sorted(rows, key=_age, reverse=True)[:CONNECTIONS_LISTED])
        case "closed":
            rows = [one for one in together if isinstance(one, Mapping)]
            return list(sorted(rows, key=_closed_ago)[:CONNECTIONS_LISTED])
        case "files":
            files = [one for one in together if isinstance(one, Mapping)]
            return list({(one.get("setting"), one.get("file")): one for one in files}.values())
        case "shapes":
            return _merge_shapes([one for one in together if isinstance(one, Mapping)])
        case _:
            # What several workers report (files, reasons, streams in trouble) is listed once.
            return list({repr(one): one for one in together}.values())


def _place(row: Status) -> tuple[str, int]:
    return str(row.get("topic")), _number(row.get("partition"))


def _age(row: Status) -> float:
    seconds = row.get("seconds")
    return seconds if isinstance(seconds, int | float) else 0.0


def _closed_ago(row: Status) -> float:
    seconds = row.get("closed_seconds_ago")
    return seconds if isinstance(seconds, int | float) else 0.0


def _merge_shapes(rows: Sequence[Status]) -> list[object]:
    """Shapes of lines that match no pattern, the most frequent over all workers."""
    found: dict[object, dict[str, object]] = {}
    for row in rows:
        known = found.setdefault(row.get("shape"), {**row, "sampled": 0})
        known["sampled"] = _number(known["sampled"]) + _number(row.get("sampled"))
    commonest = sorted(found.values(), key=lambda row: _number(row["sampled"]), reverse=True)
    return list(commonest[:SHAPES_SHOWN])


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def merge_reasons(said: Mapping[int, Sequence[str]]) -> list[str]:
    """Return why workers are not ready; a reason of only some workers names them."""
    reasons = dict.fromkeys(reason for reasons in said.values() for reason in reasons)
    merged = []
    for reason in reasons:
        numbers = [number for number, own in said.items() if reason in own]
        if len(numbers) == len(said):
            merged.append(reason)
        else:
            merged += [f"worker {number}: {reason}" for number in numbers]
    return merged
