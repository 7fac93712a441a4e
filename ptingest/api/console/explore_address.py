"""The address of a view in Explore: everything that decides what is shown, as parameters.

    q        the query                          columns  FIELD,FIELD,...
    since    15m, an ISO time, empty for ever   facets   FIELD,FIELD,... whose values are counted
    until    the same                           sort     FIELD:asc or FIELD:desc

Without ``since`` the page chooses a span that has documents. A parameter that is not known is
refused: ignored, it would show something else than was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from ptingest.api.console.site import ROOT
from ptingest.errors import QueryInvalid, RequestInvalid
from ptingest.kql.columns import time_text
from ptingest.model.explore import FACETS, NEWEST_FIRST, Sort, View

PATH = f"{ROOT}/explore"
PARAMETERS = ("q", "since", "until", "columns", "facets", "sort", "place", "patient")
SPANS = (("24h", timedelta(hours=24)), ("7d", timedelta(days=7)))
"""What the first view shows: the first of these that has documents, else all times."""


class ExploreAddress(NamedTuple):
    """The parts of the page's address; None where one is not given."""

    query: str = ""
    since: str | None = None
    """Empty for all times."""
    until: str = ""
    columns: str | None = None
    place: str | None = None
    patient: str | None = None
    sort: str | None = None
    facets: str | None = None

    @classmethod
    def read(cls, asked: Mapping[str, str], *others: str) -> ExploreAddress:
        """Read an address that may hold ``others`` as well.

        Raises:
            RequestInvalid: it holds a parameter that is not known.
        """
        known = (*PARAMETERS, *others)
        unknown = [name for name in asked if name not in known]
        if unknown:
            raise RequestInvalid(
                why=f"There is no parameter {unknown[0]!r}; known are {', '.join(known)}."
            )
        since = asked.get("since")
        return cls(
            asked.get("q", ""),
            None if since is None else since.strip(),
            asked.get("until", "").strip(),
            asked.get("columns"),
            asked.get("place") or None,
            asked.get("patient") or None,
            asked.get("sort") or None,
            asked.get("facets"),
        )

    @property
    def view(self) -> View:
        """The view of this address.

        Raises:
            QueryInvalid: the sort cannot be read.
        """
        return View(
            self.query,
            self.since or None,
            self.until or None,
            sort=sort_of(self.sort),
            facets=self.facet_names,
        )

    @property
    def facet_names(self) -> tuple[str, ...]:
        """The fields whose values are counted."""
        return FACETS if self.facets is None else tuple(names_of(self.facets))

    def counting(self, field: str) -> str:
        """Return the address of this view with the values of one more field counted."""
        return self.address(facets=",".join([*self.facet_names, field]))

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What a form sends again beside the query and the times."""
        named = (("columns", self.columns), ("facets", self.facets), ("sort", self.sort))
        return [(name, value) for name, value in named if value is not None]

    def address(self, path: str = PATH, **others: str | None) -> str:
        """Return the address of this view with some parts changed; pages begin anew."""
        parts = {
            "q": self.query,
            "since": self.since,
            "until": self.until or None,
            **dict(self.kept),
            **others,
        }
        return f"{path}?{urlencode({k: v for k, v in parts.items() if v is not None})}"

    def sorted_by(self, field: str) -> str:
        """Return the address of this view in the order of a field, the other way round when it is
        in that order already."""
        now = sort_of(self.sort)
        is_ascending = now.field == field and not now.is_ascending
        sort = Sort(field, is_ascending)
        return self.address(sort=None if sort == NEWEST_FIRST else sort_text(sort))


def names_of(text: str) -> list[str]:
    """Return the names in a list with commas, each once."""
    return [name for name in dict.fromkeys(one.strip() for one in text.split(",")) if name]


def sort_of(text: str | None) -> Sort:
    """Return the order written as ``FIELD:asc`` or ``FIELD:desc``.

    Raises:
        QueryInvalid: it is not written so.
    """
    if text is None:
        return NEWEST_FIRST
    field, colon, direction = text.rpartition(":")
    if not colon or not field or direction not in ("asc", "desc"):
        raise QueryInvalid(
            query=text, column=1, seen=f"sort {text!r}", expected="FIELD:asc or FIELD:desc"
        )
    return Sort(field, direction == "asc")


def sort_text(sort: Sort) -> str:
    """Return an order as it is written in an address."""
    return f"{sort.field}:{'asc' if sort.is_ascending else 'desc'}"


def span_with_data(newest: str | None, now: datetime) -> str:
    """Return the first of the usual spans in which the newest document lies, empty for all."""
    for text, span in SPANS:
        if newest is None or newest >= time_text(now - span):
            return text
    return ""
