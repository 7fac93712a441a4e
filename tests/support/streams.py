"""Names of data streams, as profiles give them."""

from __future__ import annotations

from ptingest.model.streams import KnownStream, StreamNames


def streams_of(*services: str, namespaces: tuple[str, ...] = ("pt",)) -> StreamNames:
    """What a profile has whose groups have these namespaces and know these services."""
    patterns = {namespace: f"logs-*-{namespace}" for namespace in namespaces}
    known = tuple(
        KnownStream(service, f"logs-{service}-{namespace}", pattern)
        for namespace, pattern in patterns.items()
        for service in services
    )
    return StreamNames(tuple(patterns.values()), known)
