"""Who may see what is inside events, over HTTP.

token set     requests that carry it
no token      this host only, and only under a name of this host: another web site can make
              its own name point at 127.0.0.1, but it cannot use our name
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptingest.api.letters import is_loopback
from ptingest.model.address import is_loopback_host

if TYPE_CHECKING:
    from aiohttp import web

CURE = (
    "events are shown to this host only as long as api.token is not set: set api.token (and "
    "api.tls where the network is shared), or use an SSH tunnel"
)


def objection_to_look(request: web.Request, *, is_guarded: bool) -> str | None:
    """Why this request may not see events, with the cure; None when it may.

    ``is_guarded``: a token is required and has been checked.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    if "Origin" in request.headers or site not in ("none", "same-origin"):
        return "events are not shown to web pages of other sites"
    if is_guarded:
        return None
    if not is_loopback(request.remote):
        return CURE
    if not is_loopback_host(host_of(request)):
        return f"the request names this server {request.host!r}; use 127.0.0.1. Also: {CURE}"
    return None


def host_of(request: web.Request) -> str:
    """The host that the request names, without its port."""
    host = request.host
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
