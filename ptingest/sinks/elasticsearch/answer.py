"""One HTTP answer of what should be Elasticsearch or OpenSearch, as it came. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol

import msgspec

from ptingest.model.redirect import is_redirect
from ptingest.sinks.elasticsearch.dialect import DIALECTS, ELASTICSEARCH, Dialect

DISTRIBUTION_BYTES = 1024
"""Within which ``GET /`` names it."""
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
    dialect: Dialect = ELASTICSEARCH
    """Whose answer it should be."""
    host: str = ""
    """Which of several hosts answered; empty where there is one."""

    @property
    def is_redirect(self) -> bool:
        """Whether it is a redirect."""
        return is_redirect(self.status)

    @property
    def is_from_cluster(self) -> bool:
        """Whether the cluster itself answered, and not something before it."""
        return _is_of(self.dialect, self)

    @property
    def who_else(self) -> Dialect | None:
        """The other kind of cluster, where one answered that the settings do not name."""
        for dialect in DIALECTS:
            if dialect is not self.dialect and _says_product(dialect, self):
                return dialect
        return None


def _says_product(dialect: Dialect, answer: Answer) -> bool:
    if answer.headers.get(dialect.product_header, "").startswith(dialect.product):
        return True
    # OpenSearch 2 says it here only.
    return bool(dialect.distribution) and _distribution(answer.body) == dialect.distribution


def _is_of(dialect: Dialect, answer: Answer) -> bool:
    if answer.headers.get(dialect.product_header, "").startswith(dialect.product):
        return True
    # A refused login is answered before that header is set (seen on Elasticsearch 8.19): there
    # only the body shows it.
    if answer.status in (401, 403) and error_answer_of(answer.body).type == "security_exception":
        return True
    if dialect.always_says_product or answer.who_else is not None:
        return False
    if answer.status == 401:
        return dialect.login_realm in answer.headers.get("www-authenticate", "")
    if "json" not in answer.headers.get("content-type", ""):
        return False
    return answer.status == 200 or bool(error_answer_of(answer.body).type)


class Requester(Protocol):
    """The part of a client that sends one request."""

    async def request(self, method: str, target: str, body: bytes | None = None) -> Answer:
        """Send one request and return what came back."""
        ...


class Error(msgspec.Struct):
    """Type and reason of an error."""

    type: str = ""
    reason: str | None = ""
    caused_by: Error | None = None


class _ErrorAnswer(msgspec.Struct):
    error: Error | str = ""


class _Version(msgspec.Struct, frozen=True):
    distribution: str = ""


class _Root(msgspec.Struct):
    version: _Version = _Version()


def something_else(answer: Answer) -> str:
    """Say who answered instead of the cluster that the settings name."""
    dialect, other = answer.dialect, answer.who_else
    if other is not None:
        return f"{other.title} answers at this address"
    seen = f"something else than {dialect.title} answers at this address"
    if dialect.always_says_product:
        return f"{seen} (status {answer.status}, no {dialect.product_header.title()} header)"
    return f"{seen} (status {answer.status})"


def cure_of_something_else(answer: Answer) -> str:
    """Say what to do about it."""
    dialect, other = answer.dialect, answer.who_else
    if other is not None:
        return f"write its settings under {other.place} instead of {dialect.place}"
    cure = f"correct {dialect.place}.hosts"
    return f"{cure}, or let the proxy pass the header on" if dialect.always_says_product else cure


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not JSON, not UTF-8, or nested without end."""
_read_error_answer = msgspec.json.Decoder(_ErrorAnswer).decode
_read_root = msgspec.json.Decoder(_Root).decode


def _distribution(body: bytes) -> str:
    # Only `GET /` has one, and bulks of thousands of items need not be read for it.
    if b'"distribution"' not in body[:DISTRIBUTION_BYTES]:
        return ""
    try:
        return _read_root(body).version.distribution
    except UNREADABLE:
        return ""


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
