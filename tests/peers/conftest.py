"""Peers that are started once for a whole run of tests, and the releases a test runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.elasticsearch_peer import (
    RELEASES,
    USUAL,
    Node,
    Release,
    install_template,
    start_elasticsearch,
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on 8.19; on the other versions with the mark or the option that ask for it.

    A test that needs users runs where the server's security modules are published.
    """
    if "release" not in metafunc.fixturenames:
        return
    is_everywhere = metafunc.config.getoption("every_release") or any(
        metafunc.definition.iter_markers("every_release")
    )
    needs_users = "secured_elasticsearch" in metafunc.fixturenames or any(
        metafunc.definition.iter_markers("users")
    )
    releases = [
        one
        for one in (RELEASES if is_everywhere else (USUAL,))
        if one.has_security or not needs_users
    ]
    metafunc.parametrize("release", releases, ids=lambda one: one.version, scope="session")


@pytest.fixture(scope="session")
def elasticsearch(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A real Elasticsearch with the ``pt-logs`` template, shared: use streams of your own."""
    node = start_elasticsearch(tmp_path_factory.mktemp("elasticsearch"), release)
    try:
        install_template(node)
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="session")
def secured_elasticsearch(
    release: Release, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    """One with users, roles and privileges, that takes bodies of 1 MB and no more."""
    node = start_elasticsearch(
        tmp_path_factory.mktemp("secured-elasticsearch"),
        release,
        settings=("http.max_content_length=1mb",),
        secured=True,
    )
    try:
        install_template(node)
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="session")
def bare_elasticsearch(
    release: Release, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    """One with nothing prepared: no template, no role, no stream; with users if it can have any."""
    node = start_elasticsearch(
        tmp_path_factory.mktemp("bare-elasticsearch"), release, secured=release.has_security
    )
    try:
        yield node
    finally:
        node.kill()
