"""Stored documents as lines of JSON, with what recognises them. Pure."""

from __future__ import annotations

import json

from ptingest.model.explore import Hit

_OWN = '"_id":'


def json_line(hit: Hit) -> bytes:
    """Return a whole document as JSON, with its key in front as ``_id``."""
    return b"".join((line_start(hit), hit.body.encode("utf-8", "replace")[1:]))


def line_start(hit: Hit) -> bytes:
    """Return what takes the place of the body's first byte.

    A document that is no object, has no key, or may have an ``_id`` of its own stays as it is.
    """
    if hit.key is None or hit.body[:1] != "{" or _OWN in hit.body:
        return hit.body[:1].encode()
    is_empty = hit.body[1:].lstrip()[:1] == "}"
    return b"".join((b'{"_id":', json.dumps(hit.key).encode(), b"" if is_empty else b","))
