from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from ptingest.errors import SinkUnavailable
from ptingest.settings.sinks import ElasticsearchSettings
from ptingest.sinks.elasticsearch.client import ElasticsearchClient
from ptingest.sinks.elasticsearch.tls import tls_context
from tests.fakes.authority import Authority
from tests.support.tcp import tcp_server

ANSWER = (
    b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\n"
    b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def node(
    ca: trustme.CA, name: str = "localhost", *, wants_certificate: bool = False
) -> AsyncIterator[str]:
    """An https server that answers everything with {}; shows its authority too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = ca.issue_cert(name).private_key_and_cert_chain_pem.bytes()
    with trustme.Blob(own + ca.cert_pem.bytes()).tempfile() as chain:
        context.load_cert_chain(chain)
    if wants_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        ca.configure_trust(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the fetch of the certificate says nothing and leaves

    async with tcp_server(answer, tls=context) as port:
        yield f"https://localhost:{port}"


async def root_of(url: str, **settings: object) -> tuple[int | None, str]:
    client = ElasticsearchClient(
        ElasticsearchSettings.model_validate({"hosts": (url,), **settings})
    )
    answer = await client.request("GET", "/")
    await client.close()
    return answer.status, answer.failure


def fingerprint(pem: bytes) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).hexdigest()


async def test_an_authority_of_our_own_is_believed(ca: trustme.CA, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)

    async with node(ca) as url:
        status, _ = await root_of(url, ca_file=str(ca_file))

    assert status == 200


async def test_an_unknown_authority_is_an_error_that_names_what_was_trusted(
    ca: trustme.CA, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA(organization_name="another").cert_pem.write_to_path(other)

    async with node(ca) as url:
        by_file = await root_of(url, ca_file=str(other))
        by_system = await root_of(url)

    assert by_file[0] is None
    assert "certificate verify failed" in by_file[1]
    assert f"sinks.elasticsearch.ca_file {other}" in by_file[1]
    assert "name yours in sinks.elasticsearch.ca_file" in by_system[1]


async def test_a_certificate_for_another_name_is_not_believed(
    ca: trustme.CA, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)

    async with node(ca, "elsewhere.example") as url:
        status, failure = await root_of(url, ca_file=str(ca_file))

    assert status is None
    assert "localhost" in failure


async def test_a_fingerprint_of_the_authority_is_enough(ca: trustme.CA) -> None:
    async with node(ca) as url:
        plain = await root_of(url, fingerprint=fingerprint(ca.cert_pem.bytes()))
        dotted = fingerprint(ca.cert_pem.bytes()).upper()
        colons = ":".join(dotted[i : i + 2] for i in range(0, 64, 2))
        with_colons = await root_of(url, fingerprint=colons)

    assert plain[0] == with_colons[0] == 200


async def test_a_fingerprint_of_the_nodes_own_certificate_is_enough(
    ca: trustme.CA,
) -> None:
    async with node(ca) as url:
        port = int(url.rpartition(":")[2])
        own = await asyncio.to_thread(ssl.get_server_certificate, ("localhost", port))
        status, failure = await root_of(url, fingerprint=fingerprint(own.encode()))

    assert (status, failure) == (200, "")


async def test_a_fingerprint_of_the_authority_stands_for_no_name(ca: trustme.CA) -> None:
    async with node(ca, "elsewhere.example") as url:
        status, failure = await root_of(url, fingerprint=fingerprint(ca.cert_pem.bytes()))

    assert status is None
    assert "localhost" in failure
    assert "sinks.elasticsearch.fingerprint" in failure


async def test_a_fingerprint_of_the_nodes_own_stands_for_its_name(ca: trustme.CA) -> None:
    async with node(ca, "elsewhere.example") as url:
        port = int(url.rpartition(":")[2])
        own = await asyncio.to_thread(ssl.get_server_certificate, ("localhost", port))
        status, _ = await root_of(url, fingerprint=fingerprint(own.encode()))

    assert status == 200


async def test_a_fingerprint_of_the_nodes_own_lets_no_other_of_its_authority_in(
    ca: trustme.CA,
) -> None:
    async with node(ca) as one, node(ca) as other:
        port = int(one.rpartition(":")[2])
        own = await asyncio.to_thread(ssl.get_server_certificate, ("localhost", port))
        settings = ElasticsearchSettings.model_validate(
            {"hosts": (one, other), "fingerprint": fingerprint(own.encode())}
        )
        client = ElasticsearchClient(settings)
        answers = [await client.request("GET", "/") for _ in range(2)]
        await client.close()

    assert sorted(str(answer.status) for answer in answers) == ["200", "None"]


async def test_a_fingerprint_nobody_shows_is_an_error_with_what_was_shown(
    ca: trustme.CA,
) -> None:
    async with node(ca) as url:
        status, failure = await root_of(url, fingerprint="ab" * 32)

    assert status is None
    assert "ab" * 32 in failure
    assert fingerprint(ca.cert_pem.bytes()) in failure


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "not PEM"])
def test_a_ca_file_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, content: bytes | None
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    settings = ElasticsearchSettings(hosts=("https://es:9200",), ca_file=str(ca_file))

    with pytest.raises(
        SinkUnavailable, match=r"sinks\.elasticsearch\.ca_file: .*(cannot be read|no certificate)"
    ) as raised:
        tls_context(settings, settings.hosts)

    assert str(ca_file) in str(raised.value)


async def test_a_node_that_wants_a_certificate_gets_ours(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    writer = ours.issue("writer.example", file="writer")

    async with node(ours.ca, wants_certificate=True) as url:
        shown = await root_of(
            url, ca_file=ours.file, certificate=writer.certificate, key=writer.key
        )
        nothing = await root_of(url, ca_file=ours.file)

    assert shown == (200, "")
    assert nothing[0] is None
    assert "we show no certificate (sinks.elasticsearch.certificate)" in nothing[1]


async def test_a_node_that_refuses_our_certificate_is_told_with_the_file(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "theirs")
    writer = theirs.issue("writer.example", file="writer")

    async with node(ours.ca, wants_certificate=True) as url:
        status, failure = await root_of(
            url, ca_file=ours.file, certificate=writer.certificate, key=writer.key
        )

    assert status is None
    assert f"{writer.certificate}, is it refused?" in failure


async def test_a_key_that_does_not_fit_is_told_with_file_and_reason(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    writer, other = (ours.issue("writer.example", file=name) for name in ("writer", "other"))

    status, failure = await root_of(
        "https://localhost:1", ca_file=ours.file, certificate=writer.certificate, key=other.key
    )

    assert status is None
    assert f"sinks.elasticsearch.key: {other.key} does not belong to" in failure


def test_plain_http_needs_no_context() -> None:
    settings = ElasticsearchSettings(hosts=("http://es:9200",))

    assert tls_context(settings, settings.hosts) is None
