"""TLS on the Beats port over real sockets: who gets in, who does not, and what is told of it.

The numbers are rows of the table of hostile inputs (reference/lumberjack.md, section 6).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.authority import Authority, Pair, tls_settings
from tests.fakes.beat import Beat
from tests.support.raw_peer import J, RawPeer, W, event, peer_of
from tests.support.reloading import reloader_of, write_config
from tests.support.serving import Server, serving
from tests.support.waiting import PATIENCE_SECONDS, until

FAILURES = "ptingest_beats_tls_failures_total"


@pytest.fixture
def web(authority: Authority) -> Pair:
    return authority.issue("web-1.example", file="web", common_name="web one")


def asking(authority: Authority, **more: Any) -> dict[str, Any]:
    """TLS settings that ask every Beat for a certificate of the authority."""
    wanted = {"client_ca": authority.file, "client_auth": "required", **more}
    return tls_settings(authority.server(), **wanted)


@asynccontextmanager
async def tls_peer(server: Server, context: ssl.SSLContext) -> AsyncIterator[RawPeer]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    peer = RawPeer(reader, writer)
    try:
        yield peer
    finally:
        with suppress(ssl.SSLError, OSError):
            await peer.close()


async def is_refused(server: Server, context: ssl.SSLContext) -> bool:
    """Whether a Beat that talks to the server gets nothing but an end or an error."""
    try:
        async with tls_peer(server, context) as peer:
            await peer.send(W(1) + J(1))
            return await peer.reader.read(6) == b""
    except OSError:
        return True


# -- who gets in --------------------------------------------------------------------------


async def test_a_window_over_tls_is_stored_and_acked(tmp_path: Path, authority: Authority) -> None:
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        async with tls_peer(server, authority.client_context()) as peer:
            await peer.send(W(2) + J(1) + J(2))

            assert await peer.acks(1) == [(2, 2)]
            session = peer.writer.get_extra_info("ssl_object")
            assert session.version() == "TLSv1.3"
    assert len(server.sink.documents) == 2


@pytest.mark.parametrize("auth", ["optional", "required"])
async def test_a_certificate_of_the_authority_is_named_in_the_status(
    tmp_path: Path, authority: Authority, web: Pair, auth: str
) -> None:
    async with serving(tmp_path, tls=asking(authority, client_auth=auth)) as server:
        async with tls_peer(server, authority.client_context(web)) as peer:
            await peer.send(W(1) + J(1))
            assert await peer.acks(1) == [(2, 1)]

            listed: Any = server.worker.parts.source.status()["listed"]

    assert listed[0]["tls_subject"].startswith("CN=web one,")


async def test_where_certificates_are_optional_a_beat_without_one_gets_in(
    tmp_path: Path, authority: Authority
) -> None:
    async with serving(tmp_path, tls=asking(authority, client_auth="optional")) as server:
        async with tls_peer(server, authority.client_context()) as peer:
            await peer.send(W(1) + J(1))

            assert await peer.acks(1) == [(2, 1)]


@pytest.mark.parametrize("by", ["SAN", "CN", "fingerprint", "fingerprint with colons"])
async def test_a_certificate_gets_in_by_any_of_its_names(
    tmp_path: Path, authority: Authority, web: Pair, by: str
) -> None:
    digest = hashlib.sha256(web.encoded).hexdigest()
    colons = ":".join(digest[at : at + 2] for at in range(0, 64, 2)).upper()
    names = {"SAN": "WEB-1.example", "CN": "Web One", "fingerprint": digest}
    async with serving(tmp_path, tls=asking(authority, allow=[names.get(by, colons)])) as server:
        async with tls_peer(server, authority.client_context(web)) as peer:
            await peer.send(W(1) + J(1))

            assert await peer.acks(1) == [(2, 1)]


# -- who does not: row 50 -----------------------------------------------------------------


async def test_without_a_certificate_nobody_gets_in(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, tls=asking(authority)) as server:
        assert await is_refused(server, authority.client_context())
        await server.until(FAILURES, 1, "no_certificate")

    assert "presented no certificate" in told(caplog)


async def test_an_expired_certificate_is_named_as_that(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    old = authority.issue("web-1.example", file="old", expires=datetime(2020, 1, 1, tzinfo=UTC))
    async with serving(tmp_path, tls=asking(authority)) as server:
        assert await is_refused(server, authority.client_context(old))
        await server.until(FAILURES, 1, "certificate_expired")

    assert "certificate has expired" in told(caplog)


async def test_a_certificate_of_another_authority_is_named_as_that(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Authority(tmp_path, "stranger").issue("web-1.example", file="stranger-web")
    async with serving(tmp_path, tls=asking(authority)) as server:
        assert await is_refused(server, authority.client_context(stranger))
        await server.until(FAILURES, 1, "unknown_authority")

    assert "beats.tls.client_ca" in told(caplog)


async def test_a_certificate_that_is_not_listed_is_closed_before_its_first_frame(
    tmp_path: Path, authority: Authority, web: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, tls=asking(authority, allow=["web-2.example"])) as server:
        assert await is_refused(server, authority.client_context(web))
        await server.until(FAILURES, 1, "not_allowed")

        assert server.worker.parts.source.status()["connections"] == 0
    assert "CN=web one" in told(caplog)
    assert server.sink.documents == []


# -- other tongues: rows 48 and 51 --------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "reason", "hint"),
    [
        (W(1) + J(1), "plaintext", "plaintext Lumberjack on a TLS port"),
        (b"1W\0\0\0\1", "plaintext", "plaintext Lumberjack on a TLS port"),
        (b"2", "plaintext", "plaintext Lumberjack on a TLS port"),
        (b"POST /_bulk HTTP/1.1\r\n", "looks_like_http", "output.elasticsearch"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "looks_like_proxy", "proxy_protocol_from"),
        (b"\0\0\0", "not_tls", "no TLS handshake"),
    ],
    ids=["version 2", "version 1", "a single byte", "HTTP", "a PROXY header", "noise"],
)
async def test_who_does_not_speak_tls_is_closed_at_once_with_a_hint(
    tmp_path: Path,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    first: bytes,
    reason: str,
    hint: str,
) -> None:
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        peer = RawPeer(reader, writer)
        await peer.send(first)

        async with asyncio.timeout(PATIENCE_SECONDS):
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
        await peer.close()

        assert server.metric(FAILURES, reason) == 1
    assert hint in told(caplog)


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_older_than_1_2_is_refused(
    tmp_path: Path, authority: Authority, version: str
) -> None:
    old = authority.client_context()
    old.minimum_version = old.maximum_version = ssl.TLSVersion[version]
    # Without this our own library would not even offer it.
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        assert await is_refused(server, old)

        await server.until(FAILURES, 1, "tls_version")


async def openssl(server: Server, authority: Authority, *words: str, told: bytes) -> str:
    """What OpenSSL's own client says of a session in which it is told ``told``."""
    client = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}"),
        *("-CAfile", authority.file, *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert client.stdin is not None
    client.stdin.write(told)
    async with asyncio.timeout(PATIENCE_SECONDS):
        said, _ = await client.communicate()
    return said.decode(errors="replace")


async def test_renegotiation_is_refused(tmp_path: Path, authority: Authority) -> None:
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        said = await openssl(server, authority, "-tls1_2", told=b"R\n")

    assert "no renegotiation" in said


async def test_nothing_is_offered_to_resume_with_or_to_send_early(
    tmp_path: Path, authority: Authority
) -> None:
    ticket = tmp_path / "session"
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        said = await openssl(server, authority, "-tls1_3", "-sess_out", str(ticket), told=b"Q\n")

    assert "TLSv1.3" in said
    assert "Max Early Data: " not in said.replace("Max Early Data: 0", "")
    assert "Post-Handshake New Session Ticket arrived" not in said
    assert not ticket.exists()


async def test_a_handshake_that_does_not_go_on_is_given_up(
    tmp_path: Path, authority: Authority
) -> None:
    tls = tls_settings(authority.server())
    async with serving(tmp_path, tls=tls, limits={"handshake_seconds": 0.1}) as server:
        for start in (b"", b"\x16\x03\x01\x02\x00\x01"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(start)
            async with asyncio.timeout(PATIENCE_SECONDS):
                with suppress(ConnectionResetError):
                    assert await reader.read() == b""
            writer.close()

        await server.until(FAILURES, 2, "timeout")


async def test_handshakes_count_as_open_connections(tmp_path: Path, authority: Authority) -> None:
    tls = tls_settings(authority.server())
    async with serving(tmp_path, tls=tls, limits={"connections_per_ip": 2}) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]

        await server.until("ptingest_beats_rejected_connections_total", 1, "connections_per_ip")

        assert server.worker.parts.source.status()["arriving"] == 2
        for _, writer in silent:
            writer.close()


async def test_a_beat_that_does_not_trust_us_is_told_from_others(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = Authority(tmp_path, "elsewhere")
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        await openssl(server, elsewhere, "-verify_return_error", told=b"")

        await server.until(FAILURES, 1, "refused_by_peer")
    assert "certificate_authorities" in told(caplog)


# -- what a sender may send ---------------------------------------------------------------


async def test_what_a_sender_may_not_send_goes_to_the_dead_letters_and_the_window_is_acked(
    tmp_path: Path, authority: Authority, web: Pair
) -> None:
    senders = {"web-1.example": {"groups": ["pt"], "services": ["nginx"]}}
    async with serving(tmp_path, tls=asking(authority, senders=senders)) as server:
        async with tls_peer(server, authority.client_context(web)) as peer:
            await peer.send(
                W(3)
                + J(1, event("fine", service="nginx"))
                + J(2, event("not fine", service="django"))
                + J(3, event("not fine either", service=["nginx", "django"]))
            )

            assert await peer.acks(1) == [(2, 3)]

        letters = server.letters()
    assert server.sink.messages == ["fine"]
    assert [letter.reason for letter in letters] == ["not_allowed_sender"] * 2
    assert all("CN=web one" in letter.detail for letter in letters)


# -- the end of a connection --------------------------------------------------------------


async def test_a_drain_sends_earned_acks_over_tls_though_more_is_on_its_way(
    tmp_path: Path, authority: Authority
) -> None:
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        async with tls_peer(server, authority.client_context()) as peer:
            server.sink.open.clear()
            await peer.send(W(1) + J(1))
            await server.sink.asked.wait()
            server.worker.stop()
            await until(lambda: server.worker.parts.source.draining)
            await peer.send(W(1) + J(2))  # a reset would take the ack along
            server.sink.open.set()

            assert await peer.acks(1) == [(2, 1)]
            async with asyncio.timeout(PATIENCE_SECONDS):
                with suppress(ssl.SSLError):
                    while await peer.reader.read(100):
                        pass


async def test_a_broken_frame_over_tls_leaves_the_acks_of_windows_before_it(
    tmp_path: Path, authority: Authority
) -> None:
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        async with tls_peer(server, authority.client_context()) as peer:
            server.sink.open.clear()
            await peer.send(W(1) + J(1) + W(1) + J(2) + b"garbage")
            await server.until("ptingest_beats_protocol_errors_total", 1, "bad_version")
            server.sink.open.set()

            assert await peer.acks(2) == [(2, 1), (2, 2)]
            with suppress(ssl.SSLError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    assert await peer.reader.read() == b""
        await server.until("ptingest_beats_closed_connections_total", 1, "bad_version")


@pytest.mark.timeout(90)  # buffers are filled to the brim, by a machine that may be busy
async def test_a_beat_that_never_reads_its_acks_over_tls_is_closed(
    tmp_path: Path, authority: Authority
) -> None:
    tls = tls_settings(authority.server())
    async with serving(tmp_path, tls=tls, limits={"write_seconds": 0.3}) as server:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", server.port))
        _, writer = await asyncio.open_connection(
            sock=raw, ssl=authority.client_context(), server_hostname="localhost", limit=16
        )

        with pytest.raises(OSError) as raised:
            async with asyncio.timeout(75):
                while True:  # ends with the connection
                    writer.write(W(0) * 5000)
                    await writer.drain()

        assert not isinstance(raised.value, TimeoutError)
        await until(lambda: server.worker.parts.source.status()["connections"] == 0)
        writer.close()


async def test_over_tls_too_a_full_pot_stops_reading_and_everything_arrives(
    tmp_path: Path, authority: Authority
) -> None:
    tls = tls_settings(authority.server())
    async with serving(tmp_path, tls=tls, limits={"total_bytes": "256KiB"}) as server:
        server.sink.open.clear()
        source = server.worker.parts.source
        async with tls_peer(server, authority.client_context()) as peer:
            windows = [W(20) + b"".join(J(n, event("x" * 2000)) for n in range(20))] * 40
            sending = asyncio.ensure_future(peer.send(b"".join(windows)))
            await until(lambda: not all(c.reading for c in source._connections))
            # 1.6 MB were sent; what is held unframed stays near its budget of 128 KiB.
            assert int(str(source.status()["waiting_bytes"])) < 600_000
            server.sink.open.set()

            assert await peer.acks(40) == [(2, 19)] * 40
            await sending


async def test_a_beat_that_says_goodbye_frees_its_place(
    tmp_path: Path, authority: Authority
) -> None:
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        async with tls_peer(server, authority.client_context()) as peer:
            await peer.send(W(1) + J(1))
            assert await peer.acks(1) == [(2, 1)]

        await server.until("ptingest_beats_closed_connections_total", 1, "peer_closed")
        assert server.worker.parts.source.status()["connections"] == 0


# -- reload -------------------------------------------------------------------------------


def shown_to(peer: RawPeer) -> bytes:
    session = peer.writer.get_extra_info("ssl_object")
    return bytes(session.getpeercert(binary_form=True))


async def test_a_new_certificate_is_shown_to_new_beats_and_open_ones_go_on(
    tmp_path: Path, authority: Authority
) -> None:
    first = authority.server()
    async with serving(tmp_path, tls=tls_settings(first)) as server:
        async with tls_peer(server, authority.client_context()) as early:
            second = authority.server()
            server.worker.parts.certificates.look()

            async with tls_peer(server, authority.client_context()) as late:
                for peer in (early, late):
                    await peer.send(W(1) + J(1))
                    assert await peer.acks(1) == [(2, 1)]
                assert shown_to(early) == first.encoded
                assert shown_to(late) == second.encoded
        assert server.metric("ptingest_worker_certificate_reloads_total", "done") == 1


async def test_thirty_reloads_under_load_lose_nothing_and_close_no_connection(
    tmp_path: Path, authority: Authority
) -> None:
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        beat = Beat(server.port, tls=authority.client_context())
        windows = [[event(f"w{n} e{m}", n=n, m=m) for m in range(20)] for n in range(200)]
        delivering = asyncio.ensure_future(beat.deliver(windows))
        for _ in range(30):
            authority.server()
            assert server.worker.parts.certificates.reload()
            await asyncio.sleep(0.002)  # no race: any moment of the delivery will do
        await delivering

    assert (beat.connections, beat.errors) == (1, [])
    assert len(server.sink.documents) == 4000
    assert server.metric("ptingest_worker_certificate_reloads_total", "done") == 30


async def test_a_server_leaves_while_handshakes_hang(tmp_path: Path, authority: Authority) -> None:
    async with serving(tmp_path, tls=tls_settings(authority.server())) as server:
        peers = []
        for start in (b"\x16", b"\x16\x03\x01\x02\x00\x01"):
            peers.append(await asyncio.open_connection("127.0.0.1", server.port))
            peers[-1][1].write(start)
        await until(lambda: server.worker.parts.source.status()["arriving"] == 2)

    assert server.worker.parts.source.status()["arriving"] == 0
    for _, writer in peers:
        writer.close()


async def test_files_that_do_not_fit_change_nothing_until_they_do(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    first = authority.server()
    async with serving(tmp_path, tls=tls_settings(first)) as server:
        old_key = content(first.key)
        second = authority.server()
        new_key = content(second.key)
        put(first.key, old_key)  # the certificate is new, its key not yet

        server.worker.parts.certificates.look()

        assert "does not belong to the certificate" in told(caplog)
        certificates: Any = server.worker.view.status()["certificates"]
        assert "does not belong" in certificates["trouble"]
        async with tls_peer(server, authority.client_context()) as peer:
            assert shown_to(peer) == first.encoded

        put(first.key, new_key)
        os.utime(first.key, ns=(1, 1))
        server.worker.parts.certificates.look()

        async with tls_peer(server, authority.client_context()) as peer:
            assert shown_to(peer) == second.encoded


async def test_after_a_reload_a_removed_authority_lets_nobody_in(
    tmp_path: Path, authority: Authority, web: Pair
) -> None:
    clients = Authority(tmp_path, "clients")
    beat = clients.issue("web-9.example", file="beat")
    context = authority.client_context(beat)
    async with serving(tmp_path, tls=asking(authority, client_ca=clients.file)) as server:
        assert not await is_refused(server, context)
        put(clients.file, content(authority.file))

        server.worker.parts.certificates.look()

        assert await is_refused(server, context)
        assert not await is_refused(server, authority.client_context(web))


async def test_a_reload_of_the_config_turns_tls_on_for_new_beats(
    tmp_path: Path, authority: Authority
) -> None:
    pair = authority.server()
    async with serving(tmp_path) as server:
        config = write_config(
            tmp_path,
            server,
            f"beats: {{tls: {{certificate: {pair.certificate}, key: {pair.key}}}}}",
        )
        async with peer_of(server) as early:
            assert await reloader_of(server, config).reload() is True

            await early.send(W(1) + J(1))
            assert await early.acks(1) == [(2, 1)]
            async with tls_peer(server, authority.client_context()) as late:
                await late.send(W(1) + J(2))
                assert await late.acks(1) == [(2, 2)]


async def test_a_config_whose_key_does_not_fit_is_not_reloaded(
    tmp_path: Path, authority: Authority
) -> None:
    pair, other = authority.server(), authority.server("other")
    async with serving(tmp_path) as server:
        config = write_config(
            tmp_path,
            server,
            f"beats: {{tls: {{certificate: {pair.certificate}, key: {other.key}}}}}",
        )
        reloader = reloader_of(server, config)

        assert await reloader.reload() is False

        assert f"beats.tls.key: {other.key} does not belong to" in str(reloader.status())
        async with peer_of(server) as peer:
            await peer.send(W(1) + J(1))
            assert await peer.acks(1) == [(2, 1)]


def content(path: str) -> bytes:
    return Path(path).read_bytes()


def put(path: str, data: bytes) -> None:
    Path(path).write_bytes(data)


def told(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(caplog.messages)
