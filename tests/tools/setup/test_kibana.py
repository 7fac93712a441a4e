from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest
from pydantic import SecretStr

from ptingest.errors import SinkUnavailable
from ptingest.tools.setup.elasticsearch import Done
from ptingest.tools.setup.kibana import KibanaClient, import_objects, make_views, version_of
from ptingest.tools.setup.plan import Part, Wanted, data_view_steps, saved_objects
from tests.fakes.http_stub import HttpStub
from tests.fakes.kibana import FakeKibana
from tests.support.streams import streams_of

WANTED = Wanted(parts=frozenset({"data-views"}), streams=streams_of("django", "celery"))


@pytest.fixture
async def kibana() -> AsyncIterator[FakeKibana]:
    async with FakeKibana() as fake:
        yield fake


def client_of(kibana: FakeKibana, password: str = "secret") -> KibanaClient:
    return KibanaClient(kibana.url, login=("elastic", SecretStr(password)), ca_file=None)


async def views(kibana: FakeKibana) -> list[Done]:
    return [done async for done in make_views(client_of(kibana), data_view_steps(WANTED))]


async def imported(kibana: FakeKibana, part: str) -> list[Done]:
    objects = saved_objects(cast(Part, part), WANTED)
    return [done async for done in import_objects(client_of(kibana), cast(Part, part), objects)]


async def test_data_views_are_made_once(kibana: FakeKibana) -> None:
    first = await views(kibana)
    written = len(kibana.writes)
    second = await views(kibana)

    assert [done.mark for done in first] == ["created"] * 3
    assert [done.mark for done in second] == ["unchanged"] * 3
    assert len(kibana.writes) == written


async def test_a_data_view_that_differs_is_mended(kibana: FakeKibana) -> None:
    await views(kibana)
    kibana.objects["index-pattern", "pt-logs"]["attributes"]["timeFieldName"] = "log_timestamp"

    again = await views(kibana)

    assert [done.mark for done in again] == ["updated", "unchanged", "unchanged"]
    attributes = kibana.objects["index-pattern", "pt-logs"]["attributes"]
    assert attributes["timeFieldName"] == "@timestamp"


@pytest.mark.parametrize(("part", "count"), [("searches", 7), ("dashboard", 6)])
async def test_saved_objects_are_imported_once(kibana: FakeKibana, part: str, count: int) -> None:
    await views(kibana)
    first = await imported(kibana, part)
    written = len(kibana.writes)
    second = await imported(kibana, part)

    assert [done.mark for done in first] == ["created"] * count
    assert [done.mark for done in second] == ["unchanged"] * count
    assert len(kibana.writes) == written


async def test_one_changed_object_brings_a_new_import_and_is_named(kibana: FakeKibana) -> None:
    await views(kibana)
    await imported(kibana, "searches")
    kibana.objects["search", "pt-logs-aws"]["attributes"]["columns"] = []

    again = await imported(kibana, "searches")

    assert [done.subject for done in again if done.mark == "updated"] == ["search [PT] AWS SDK"]
    assert [done.mark for done in again].count("unchanged") == 6


async def test_an_object_without_its_data_view_is_refused_by_name(kibana: FakeKibana) -> None:
    done = await imported(kibana, "searches")

    assert {one.mark for one in done} == {"refused"}
    assert all("missing_references" in one.detail for one in done)


async def test_the_version_is_told(kibana: FakeKibana) -> None:
    assert await version_of(client_of(kibana)) == "8.19.0"


async def test_a_wrong_login_stops(kibana: FakeKibana) -> None:
    with pytest.raises(SinkUnavailable, match="refuses this login"):
        await version_of(client_of(kibana, "wrong"))


async def test_a_kibana_that_still_starts_is_told_from_a_stranger(kibana: FakeKibana) -> None:
    kibana.is_starting = True

    with pytest.raises(SinkUnavailable, match="not ready yet"):
        await version_of(client_of(kibana))


async def test_nobody_at_the_address_is_told(kibana: FakeKibana) -> None:
    client = KibanaClient("http://127.0.0.1:9", login=None, ca_file=None)

    with pytest.raises(SinkUnavailable, match="no answer from"):
        await version_of(client)


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_a_redirect_is_told_and_the_login_stays_here(status: int) -> None:
    with HttpStub() as other, HttpStub(status, {"Location": other.url}, keeps_path=True) as stub:
        client = KibanaClient(stub.url, login=("elastic", SecretStr("secret")), ca_file=None)

        with pytest.raises(SinkUnavailable, match=f"{status} to {other.url}: write that into"):
            await version_of(client)
        done = [one async for one in make_views(client, data_view_steps(WANTED))]

    assert {one.mark for one in done} == {"refused"}
    assert other.requests == []


@pytest.mark.timeout(60)
async def test_an_answer_without_end_is_no_answer() -> None:
    with HttpStub(body=bytes(65 << 20)) as stub:
        client = KibanaClient(stub.url, login=None, ca_file=None)

        with pytest.raises(SinkUnavailable, match="more than 64 MiB"):
            await version_of(client)
