"""Peers that are started once for a whole run of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.elasticsearch_peer import Node, install_template, start_elasticsearch


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A real Elasticsearch with the ``pt-logs`` template, shared: use streams of your own."""
    node = start_elasticsearch(tmp_path_factory.mktemp("elasticsearch"))
    try:
        install_template(node)
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="session")
def secured_elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One with users, roles and privileges, that takes bodies of 1 MB and no more."""
    node = start_elasticsearch(
        tmp_path_factory.mktemp("secured-elasticsearch"),
        settings=("http.max_content_length=1mb",),
        secured=True,
    )
    try:
        install_template(node)
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="session")
def bare_elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """One with users and privileges and nothing else: no template, no role, no stream."""
    node = start_elasticsearch(tmp_path_factory.mktemp("bare-elasticsearch"), secured=True)
    try:
        yield node
    finally:
        node.kill()
