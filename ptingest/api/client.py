"""Answers of our own port as our commands read them: no redirect is followed, no answer read
without end. The standard library's HTTP client and nothing else, since `probe` starts often.
"""

from __future__ import annotations

import http.client

from ptingest.model.redirect import is_redirect, redirect_sentence, url_of

WHOLE_BYTES = 64 << 20
"""No status, metrics or progress of ours is longer; what is, comes from somebody else."""
EVENT_BYTES = 256 << 20
"""The same for what may hold an event whole, several times over."""
SETTING = "api.listen (or --address, --server)"


def redirected(
    answer: http.client.HTTPResponse, connection: http.client.HTTPConnection, path: str
) -> str | None:
    """Say where an answer sends us, if it does."""
    if not is_redirect(answer.status):
        return None
    scheme = "https" if isinstance(connection, http.client.HTTPSConnection) else "http"
    url = url_of(scheme, connection.host, connection.port)
    return redirect_sentence(
        answer.status, answer.getheader("Location"), url=url, target=path, setting=SETTING
    )


def read_whole(answer: http.client.HTTPResponse, *, most: int = WHOLE_BYTES) -> bytes:
    """Read an answer to its end.

    Raises:
        http.client.HTTPException: it goes on beyond ``most``; close the connection.
    """
    body = answer.read(most + 1)
    if len(body) > most:
        raise http.client.HTTPException(f"an answer of more than {most >> 20} MiB; is it ours?")
    return body
