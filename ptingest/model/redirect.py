"""Messages about HTTP redirects. None of our clients follows a redirect: it would send login
and events to an address that the config does not name. Pure.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

PORTS = {"http": 80, "https": 443}
MOST_CHARACTERS = 300
"""Characters of an address that a sentence shows."""


def url_of(scheme: str, host: str, port: int | None) -> str:
    """Write the address of a server, an IPv6 one in brackets."""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def is_redirect(status: int | None) -> bool:
    """Whether a status is a redirect."""
    return status is not None and 300 <= status < 400


def redirect_sentence(
    status: int, location: str | None, *, url: str, target: str, setting: str
) -> str:
    """Say to where ``url`` redirects a request for ``target``, and which setting to change.

    ``setting`` names the setting that holds ``url``; ``location`` is the answer's header of
    that name. Only scheme, host, port and path of it are shown: a query may hold a ticket. An
    address with characters other than printable ASCII is not shown.
    """
    seen = f"{url} answers {status}"
    cure = f"{setting} must name the server itself, not what redirects to it"
    if not location or not (location.isascii() and location.isprintable()):
        return f"{seen}, a redirect to nowhere we can read; it is not followed: {cure}"
    try:
        to = urlsplit(urljoin(url + target, location))
        port = to.port or PORTS.get(to.scheme)
    except ValueError:
        return f"{seen}, a redirect to nowhere we can read; it is not followed: {cure}"
    host = to.netloc.rpartition("@")[2]
    if to.scheme not in PORTS or not host:
        return f"{seen}, a redirect that is not HTTP; it is not followed: {cure}"
    origin = f"{to.scheme}://{host if to.port else f'{host}:{port}'}"
    prefix = _prefix(to.path, urlsplit(target).path)
    if prefix is None or f"{origin}{prefix}" == url:
        # A login page, for example: its path does not end with the path of the request.
        place = f"{origin}{to.path}"[:MOST_CHARACTERS]
        return f"{seen} to {place}, a redirect to another page; it is not followed: {cure}"
    place = f"{origin}{prefix}"[:MOST_CHARACTERS]
    if to.scheme == "http" and url.startswith("https://"):
        return (
            f"{seen} to {place}: that is without TLS, login and events would be readable on the "
            f"way; it is not followed. Mend what redirects, or name the server itself in {setting}"
        )
    return f"{seen} to {place}: write that into {setting} (redirects are not followed)"


def _prefix(path: str, target: str) -> str | None:
    """Return the part before the path of the request; None when that path is missing."""
    if target == "/":
        return "" if path in ("", "/") else None
    return path.removesuffix(target) if path.endswith(target) else None
