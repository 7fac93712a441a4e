"""Who may see what is inside events, over HTTP.

token set     requests that carry it
no token      this host only, and only under a name of this host: another web site can make
              its own name point at 127.0.0.1, but it cannot use our name
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ptingest.api.letters import is_loopback
from ptingest.model.address import is_loopback_host, without_port

if TYPE_CHECKING:
    from aiohttp import web

CURE = (
    "events are shown to this host only as long as api.token is not set: set api.token (and "
    "api.tls where the network is shared), or use an SSH tunnel"
)
STRANGE_HOST = (
    "the request names this server {host!r}. Without api.token it answers to localhost and "
    "loopback addresses only: another web site can make its own name point here. Use 127.0.0.1, "
    "or set api.token."
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
    if not is_loopback_host(without_port(request.host)):
        return STRANGE_HOST.format(host=request.host)
    return None
