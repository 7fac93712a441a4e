"""Before the first frame: addresses, PROXY headers, and what ends a handshake."""

from __future__ import annotations

import asyncio
import ssl
import struct
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ptingest.errors import ConnectionRejected
from ptingest.settings.beats import BeatsSettings
from ptingest.sources.beats.handshake import (
    Networks,
    access_policy,
    client_identity,
    handshake_failure,
)
from ptingest.sources.proxy_protocol import V2_START
from tests.fakes.authority import Authority, tls_settings
from tests.support.raw_peer import J, RawPeer, W, event, peer_of
from tests.support.serving import serving
from tests.support.waiting import PATIENCE_SECONDS

REJECTED = "ptingest_beats_rejected_connections_total"
WINDOW = W(1) + J(1)
V1 = b"PROXY TCP4 192.0.2.7 127.0.0.1 51234 5044\r\n"
LOCAL = V2_START + struct.pack(">BBH", 0x20, 0, 0)


@pytest.mark.parametrize(
    ("ip", "is_in"),
    [
        ("10.1.2.3", True),
        ("10.2.0.1", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1%eth0", True),
        ("no address", False),
    ],
)
def test_an_address_lies_in_a_network_or_not(ip: str, is_in: bool) -> None:
    assert (ip in Networks(["10.1.0.0/16", "192.0.2.7", "2001:db8::/32"])) is is_in


async def rest_of(peer: RawPeer) -> bytes:
    """What comes until the server closes; nothing, as a rule."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        with suppress(ConnectionResetError):
            return await peer.reader.read()
    return b""


async def test_who_is_in_no_network_is_closed_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, allow_from=["127.0.0.2", "10.0.0.0/8"]) as server:
        async with peer_of(server) as stranger, peer_of(server, "127.0.0.2") as friend:
            await friend.send(WINDOW)

            assert await rest_of(stranger) == b""
            assert await friend.acks(1) == [(2, 1)]
        assert server.metric(REJECTED, "address_not_allowed") == 1
    assert "127.0.0.1 is in no network of beats.allow_from" in "\n".join(caplog.messages)


@pytest.mark.parametrize("with_tls", [False, True], ids=["plaintext", "TLS behind the header"])
async def test_a_trusted_load_balancer_is_believed_to_name_the_beat(
    tmp_path: Path, with_tls: bool
) -> None:
    authority = Authority(tmp_path)
    tls: dict[str, Any] = {"tls": tls_settings(authority.server())} if with_tls else {}
    async with serving(tmp_path, proxy_protocol_from=["127.0.0.0/8"], **tls) as server:
        async with peer_of(server) as peer:
            await peer.send(V1)
            if with_tls:
                await peer.writer.start_tls(authority.client_context(), server_hostname="localhost")
            await peer.send(W(1) + J(1, b"[]"))
            assert await peer.acks(1) == [(2, 1)]
            listed = server.worker.parts.source.status()["listed"]

        (letter,) = server.letters()
    assert isinstance(listed, list)
    assert listed[0]["peer"] == letter.peer == "192.0.2.7:51234"


async def test_limits_count_the_beats_address_and_not_the_load_balancers(tmp_path: Path) -> None:
    async with serving(
        tmp_path, proxy_protocol_from=["127.0.0.1"], limits={"connections_per_ip": 1}
    ) as server:
        async with peer_of(server) as first, peer_of(server) as other, peer_of(server) as again:
            await first.send(V1 + WINDOW)
            assert await first.acks(1) == [(2, 1)]
            await other.send(V1.replace(b".7", b".8") + WINDOW)
            assert await other.acks(1) == [(2, 1)]
            await again.send(V1)
            assert await rest_of(again) == b""

        assert server.metric(REJECTED, "connections_per_ip") == 1


async def test_the_beats_own_address_must_be_allowed_behind_a_load_balancer(
    tmp_path: Path,
) -> None:
    async with serving(
        tmp_path, proxy_protocol_from=["127.0.0.1"], allow_from=["192.0.2.0/24"]
    ) as server:
        async with peer_of(server) as friend, peer_of(server) as stranger:
            await friend.send(V1 + WINDOW)
            assert await friend.acks(1) == [(2, 1)]
            await stranger.send(V1.replace(b"192.0.2.7", b"198.51.100.7"))
            assert await rest_of(stranger) == b""


async def test_the_balancers_own_connection_keeps_its_address(tmp_path: Path) -> None:
    async with serving(tmp_path, proxy_protocol_from=["127.0.0.1"]) as server:
        async with peer_of(server) as peer:
            await peer.send(LOCAL + W(1) + J(1, b"[]"))
            assert await peer.acks(1) == [(2, 1)]

        (letter,) = server.letters()
    assert letter.peer.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (WINDOW, "proxy_header_missing"),
        (b"PROXY TCP4 nonsense\r\n", "proxy_header_broken"),
        (V2_START + b"\x21\x11\0\x04abcd", "proxy_header_broken"),
    ],
    ids=["no header", "a broken one", "a length that lies"],
)
async def test_a_trusted_address_without_a_good_header_is_closed(
    tmp_path: Path, start: bytes, reason: str
) -> None:
    async with serving(tmp_path, proxy_protocol_from=["127.0.0.1"]) as server:
        async with peer_of(server) as peer:
            await peer.send(start)

            assert await rest_of(peer) == b""
        assert server.metric(REJECTED, reason) == 1
        assert server.sink.documents == []


async def test_a_header_that_does_not_go_on_is_given_up(tmp_path: Path) -> None:
    async with serving(
        tmp_path, proxy_protocol_from=["127.0.0.1"], limits={"handshake_seconds": 0.1}
    ) as server:
        async with peer_of(server) as peer:
            await peer.send(V1[:10])

            assert await rest_of(peer) == b""
        assert server.metric(REJECTED, "proxy_header_truncated") == 1


@pytest.mark.parametrize("trusted", [[], ["10.0.0.7"]], ids=["off", "from others"])
@pytest.mark.parametrize("header", [V1, LOCAL], ids=["v1", "v2"])
async def test_a_header_from_anybody_else_is_never_believed(
    tmp_path: Path, header: bytes, trusted: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, proxy_protocol_from=trusted) as server:
        async with peer_of(server) as peer:
            await peer.send(header + W(1) + J(1, event("never")))

            assert await rest_of(peer) == b""
        assert server.metric("ptingest_beats_protocol_errors_total", "looks_like_proxy") == 1
        assert server.sink.documents == []
    assert "beats.proxy_protocol_from" in "\n".join(caplog.messages)


class Resumed:
    """A handshake that was shortened, by a Beat whose certificate ended in 2030."""

    def __init__(self, *, reused: bool) -> None:
        self.session_reused = reused

    def getpeercert(self, binary_form: bool = False) -> Any:
        fields = {"notAfter": "Jan  1 00:00:00 2030 GMT", "subject": ((("commonName", "web"),),)}
        return b"the certificate" if binary_form else fields


@pytest.mark.parametrize(
    ("reused", "year", "reason"),
    [(True, 2029, None), (True, 2031, "certificate_expired"), (False, 2029, None)],
)
def test_a_resumed_session_does_not_outlive_its_certificate(
    reused: bool, year: int, reason: str | None
) -> None:
    tls = {"certificate": "c", "client_ca": "a", "client_auth": "required"}
    policy = access_policy(BeatsSettings.model_validate({"tls": tls}))
    now = datetime(year, 1, 1, tzinfo=UTC).timestamp()

    try:
        found = client_identity(policy, Resumed(reused=reused), now=now).subject
    except ConnectionRejected as refusal:
        found = refusal.reason

    assert found == (reason or "CN=web")


def verify_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, message)
    error.verify_code, error.verify_message = code, message
    return error


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (verify_error(10, "certificate has expired"), "certificate_expired"),
        (verify_error(9, "not yet valid"), "certificate_not_yet_valid"),
        (verify_error(20, "unable to get local issuer certificate"), "unknown_authority"),
        (verify_error(26, "unsupported certificate purpose"), "certificate_invalid"),
        (ssl_error("PEER_DID_NOT_RETURN_A_CERTIFICATE"), "no_certificate"),
        (ssl_error("UNSUPPORTED_PROTOCOL"), "tls_version"),
        (ssl_error("NO_SHARED_CIPHER"), "no_shared_cipher"),
        (ssl_error("TLSV1_ALERT_UNKNOWN_CA"), "refused_by_peer"),
        (ssl_error("SSLV3_ALERT_BAD_CERTIFICATE"), "refused_by_peer"),
        (ssl_error("BAD_SIGNATURE"), "other"),
        (ConnectionAbortedError("SSL handshake is taking longer"), "timeout"),
        (ConnectionResetError(), "peer_closed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_ends_a_handshake_has_a_reason_of_a_fixed_set(error: Exception, reason: str) -> None:
    assert handshake_failure(error).reason == reason
