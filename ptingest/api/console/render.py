"""Templates in, pages out; values from events are always text, never markup.

Every value is escaped by Jinja2, and before that made visible: control characters,
reading-direction marks, zero-width characters and halves of surrogate pairs are written as
⟨U+202E⟩, so that no log line can hide or reverse the text beside it. Jinja2 is imported, and
each template compiled, in a thread at the first request.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ptingest.doctor import units as words

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"

_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""What Unicode calls control, format, line or surrogate, but for tab and newline."""
_LONE = re.compile("[\ud800-\udfff]")


class Verbatim(str):
    """Text for a field that is sent back (a query): escaped, but otherwise as it is."""

    __slots__ = ()


def visible(text: str) -> str:
    """Return the text with every character that cannot be seen written as its number."""
    return _ODD.sub(lambda odd: f"⟨U+{ord(odd[0]):04X}⟩", text)


def _finish(value: object) -> object:
    """What Jinja2 calls with each value before it escapes it."""
    if isinstance(value, Verbatim):
        return _LONE.sub("\ufffd", value)
    # Markup is made by our own macros and filters, from values that went through here.
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return "" if value is None else value


class Renderer:
    """The compiled templates; they render in a thread, so that the event loop is not blocked."""

    def __init__(self) -> None:
        self._environment: Environment | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="console")

    async def render(self, template: str, values: dict[str, object]) -> bytes:
        """Return one page as UTF-8; a missing value is an error, never empty text."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._render, template, values)

    def close(self) -> None:
        """Let go of the thread; a page that is being made is finished."""
        self._thread.shutdown(wait=False)

    def _render(self, template: str, values: dict[str, object]) -> bytes:
        if self._environment is None:
            self._environment = _make_environment()
        return self._environment.get_template(template).render(values).encode("utf-8", "replace")


def _make_environment() -> Environment:
    # A tenth of a second to import, so only for whom the console is opened.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finish,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= words.FILTERS
    environment.filters["verbatim"] = Verbatim
    return environment
