"""One HTTP answer of what should be Elasticsearch, as it came. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

import msgspec

from ptingest.model.redirect import is_redirect

PRODUCT_HEADER = "x-elastic-product"
PRODUCT = "Elasticsearch"
LONGEST_RETRY_AFTER_SECONDS = 300.0
"""The longest ``Retry-After`` that is obeyed; a proxy may ask for a day."""


class Answer(NamedTuple):
    """One HTTP answer, or why there is none."""

    status: int | None
    """None: no whole answer came; then ``failure`` says why."""
    headers: Mapping[str, str] = {}
    """Names in lower case."""
    body: bytes = b""
    failure: str = ""
    """Also given with a redirect, which is never followed: where to, and the cure."""
    never_sent: bool = False
    """Nothing of the request left this machine: it cannot have had an effect."""
    too_large: bool = False
    """It was longer than what may be read; ask for less."""

    @property
    def is_redirect(self) -> bool:
        """Whether it is a redirect."""
        return is_redirect(self.status)

    @property
    def is_from_elasticsearch(self) -> bool:
        """Whether Elasticsearch itself answered, and not something before it."""
        if self.headers.get(PRODUCT_HEADER) == PRODUCT:
            return True
        # A refused login is answered before that header is set (seen on 8.19): there only the
        # body shows it.
        if self.status not in (401, 403):
            return False
        return error_answer_of(self.body).type == "security_exception"


class Requester(Protocol):
    """The part of a client that sends one request."""

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """Send one request and return what came back."""
        ...


class Error(msgspec.Struct):
    """Type and reason of an error."""

    type: str = ""
    reason: str | None = ""


class _ErrorAnswer(msgspec.Struct):
    error: Error | str = ""


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not JSON, not UTF-8, or nested without end."""
_read_error_answer = msgspec.json.Decoder(_ErrorAnswer).decode


def error_answer_of(body: bytes) -> Error:
    """Return the error in an answer, the beginning of its body where it cannot be read."""
    try:
        error = _read_error_answer(body).error
    except UNREADABLE:
        return Error(reason=excerpt(body))
    return Error(reason=error) if isinstance(error, str) else error


def excerpt(body: bytes) -> str:
    """Return the beginning of a body, quoted."""
    if not body:
        return "an empty body"
    text = body[:120].decode("utf-8", "replace")
    return f"{text!r}{'...' if len(body) > 120 else ''}"


def retry_after_seconds(answer: Answer) -> float | None:
    """Return the ``Retry-After`` of an answer; a date counts from the answer's own."""
    value = answer.headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_RETRY_AFTER_SECONDS)
    try:
        until = parsedate_to_datetime(value)
        asked = parsedate_to_datetime(answer.headers.get("date", ""))
        seconds = (until - asked).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
