"""Who may see the console, and who may change something through it.

    listening   token   may see the console                  may change something
    loopback    no      requests for a loopback host name    nobody
    elsewhere   no      nobody; the page says the cure       nobody
    anywhere    set     a session, or Bearer                 a session with its form key, or Bearer

The host name keeps out web sites whose own name points at 127.0.0.1. A POST must come from a
page of this console: browsers send the origin of a request, and the session's cookie is never
sent with requests of other sites (SameSite=Strict).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ptingest.api.access import STRANGE_HOST
from ptingest.api.console.sessions import ConsoleSession, Sessions, is_same
from ptingest.model.address import is_loopback_host, without_port
from ptingest.settings.api import ApiSettings

if TYPE_CHECKING:
    from aiohttp import web

CURE = (
    "The console is closed: api.listen is {listen}, which other hosts can reach, and api.token is "
    "not set. Set api.token (and api.tls where the network is shared), or listen on 127.0.0.1 and "
    "use an SSH tunnel."
)
READ_ONLY = "without api.token nothing can be changed here; set it, or use the command line"
STRANGE_PAGE = "the form was not sent from a page of this console; nothing was changed"
STRANGE_USE = "this console may not be embedded in pages of other sites; open it in its own window"
OLD_FORM = "the page is out of date: load it again; nothing was changed"
FORM_KEY = "form_key"


@dataclass(frozen=True, slots=True)
class ConsoleClient:
    """A client that may see the console."""

    session: ConsoleSession | None = None
    """None without a token in force, and for Bearer."""
    may_change: bool = False

    @property
    def form_key(self) -> str:
        """What forms that change something carry; empty where nothing can be changed."""
        return "" if self.session is None else self.session.form_key


class AccessPolicy:
    """Decides about requests; keeps the sessions."""

    def __init__(self, settings: ApiSettings) -> None:
        self._listen = settings.listen
        self.is_closed = settings.is_exposed
        self.sessions = None if settings.token is None else Sessions(settings.token)
        self.cookie = f"ptingest_{settings.listen.rpartition(':')[2]}"
        """Its name; cookies know no ports, so two servers on one host need two names."""

    def refusal(self, request: web.Request) -> str | None:
        """Why this request is refused for every client; None if it is not."""
        if self.is_closed:
            return CURE.format(listen=self._listen)
        if self.sessions is None and not is_loopback_host(without_port(request.host)):
            return STRANGE_HOST.format(host=request.host)
        return None

    def client(self, request: web.Request, now: float) -> ConsoleClient | None:
        """Return the client; None if it must log in first."""
        if self.sessions is None:
            return ConsoleClient()
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Bearer" and self.sessions.is_token(shown):
            return ConsoleClient(may_change=True)
        session = self.sessions.find(request.cookies.get(self.cookie, ""), now)
        return None if session is None else ConsoleClient(session, may_change=True)


def strange_page(request: web.Request) -> str | None:
    """Why a POST is not from a page of this console; None if it may be.

    A client that sends neither header is not a browser, so no other site made it send a cookie.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return None if site == "same-origin" else STRANGE_PAGE
    # Browsers without that header (old ones, or over plain http) send Origin.
    return None if origin is None or _host_in(origin) == request.host else STRANGE_PAGE


def strange_use(request: web.Request) -> str | None:
    """Why a page of another site may not embed this answer; None if it may.

    The other site could not read the answer, but each embedded page would query the store. A
    link on another site opens its own window, and is allowed.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    is_own_window = request.headers.get("Sec-Fetch-Dest", "document") == "document"
    return None if site in ("none", "same-origin") or is_own_window else STRANGE_USE


def no_change(client: ConsoleClient, form_key: str) -> str | None:
    """Why this client may not change something with this form; None if it may."""
    if not client.may_change:
        return READ_ONLY
    if client.session is not None and not is_same(form_key, client.session.form_key):
        return OLD_FORM
    return None


def is_browser(request: web.Request) -> bool:
    """Say whether a page is preferred to other answers; only browsers name text/html at all."""
    return "text/html" in request.headers.get("Accept", "").partition(";q=")[0]


def address_of(request: web.Request) -> str:
    """The address that wrong tries are counted for; of IPv6 its /64 network."""
    text = request.remote or ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    if address.version == 4:
        return text
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))


def _host_in(origin: str) -> str:
    return origin.partition("://")[2]
