"""Numbers as people read them, in the console, in `top` and in findings."""

from __future__ import annotations

from collections.abc import Callable

_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def count(number: float) -> str:
    """1234567 -> 1,234,567."""
    return f"{number:,.0f}"


def plural(number: float, thing: str) -> str:
    """1, "window" -> 1 window; 1200, "window" -> 1,200 windows."""
    return f"{count(number)} {thing}{'' if number == 1 else 's'}"


def rate(number: float) -> str:
    """Events a second: whole where there are many, one digit where there are few."""
    if 0 < number < 0.05:
        return "< 0.1"
    return f"{number:,.0f}" if number >= 10 or number == 0 else f"{number:.1f}"


def size(number: float) -> str:
    """2621440 -> 2.5 MiB."""
    unit = 0
    while abs(number) >= 1024 and unit < len(_SIZES) - 1:
        number /= 1024
        unit += 1
    return (
        f"{number:.0f} {_SIZES[unit]}"
        if unit == 0 or number >= 100
        else (f"{number:.1f} {_SIZES[unit]}")
    )


def duration(seconds: float | None) -> str:
    """0.0042 -> 4.2 ms; 75 -> 1 min 15 s; 93600 -> 1 d 2 h; None -> –."""
    if seconds is None:
        return "–"
    if seconds < 0:
        return f"−{duration(-seconds)}"
    if seconds < 1:
        return "0 s" if seconds == 0 else f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"
    if seconds < 60:
        return f"{seconds:.{1 if seconds < 10 else 0}f} s"
    whole = int(seconds)
    if seconds < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if seconds < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def short_count(value: float | None) -> str:
    """A count or rate in at most seven characters; None -> -."""
    if value is None:
        return "-"
    if value < 10 and value != int(value):
        return f"{value:.1f}"
    for limit, divisor, unit in ((1e5, 1, ""), (1e7, 1e3, "k"), (1e10, 1e6, "M"), (1e13, 1e9, "G")):
        if abs(value) < limit:
            return f"{value / divisor:.0f}{unit}"
    return f"{value:.0e}"


def short_duration(seconds: float | None) -> str:
    """A time in at most seven characters: ``12ms``, ``3.4s``, ``5m06s``, ``3h12m``, ``9d4h``."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms" if seconds else "0"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, second = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}m{second:02d}s"
    hours, minute = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h{minute:02d}m"
    return f"{hours // 24}d{hours % 24}h"


def share(part: float, whole: float) -> str:
    """Spell a share so that a few in a million do not read as none."""
    percent = 100 * part / whole if whole else 0.0
    shown = "under 0.1" if 0 < percent < 0.1 else f"{percent:.3g}"
    return f"{part:.0f} of {whole:.0f} ({shown} %)"


def cut(text: str, length: int = 200) -> str:
    """The beginning of a long text, and how much was cut off."""
    if len(text) <= length:
        return text
    return f"{text[:length]}… ({len(text) - length:,} more)"


FILTERS: dict[str, Callable[..., object]] = {
    "count": count,
    "plural": plural,
    "rate": rate,
    "size": size,
    "duration": duration,
    "cut": cut,
}
