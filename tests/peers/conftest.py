"""Peers that are started once for a whole run of tests, and the releases a test runs on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.peers.elasticsearch_peer import (
    FEW,
    RELEASES,
    USUAL,
    Node,
    Release,
    install_template,
    start_elasticsearch,
)
from tests.peers.kafka_peer import Kafka, start_kafka


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on Elasticsearch 8.19; on others with the mark or the option that ask for it.

    What the mark ``needs`` names, and users for ``secured_elasticsearch``, leaves out
    releases that lack it.
    """
    if "release" not in metafunc.fixturenames:
        return
    marks = list(metafunc.definition.iter_markers())
    wanted: tuple[Release, ...] = (USUAL,)
    if metafunc.config.getoption("every_release"):
        wanted = RELEASES
    elif any(mark.name == "every_release" for mark in marks):
        wanted = FEW
    needed = {name for mark in marks if mark.name == "needs" for name in mark.args}
    if "secured_elasticsearch" in metafunc.fixturenames:
        needed.add("users")
    releases = [one for one in wanted if not needed & one.lacks]
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
        tmp_path_factory.mktemp("bare-elasticsearch"), release, secured="users" not in release.lacks
    )
    try:
        yield node
    finally:
        node.kill()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real Kafka of one node, shared: use topics and groups of your own, and let it live."""
    kafka = start_kafka(tmp_path_factory.mktemp("kafka"))
    try:
        yield kafka
    finally:
        kafka.close()


@pytest.fixture
def killable_kafka(kafka: Kafka) -> Iterator[Kafka]:
    """The shared one, for a test that kills it: it runs again for the next one."""
    yield kafka
    kafka.start()
