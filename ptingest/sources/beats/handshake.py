"""From an accepted socket to a connection: its address, whether that is allowed, and TLS.

    accepted --PROXY header--> real address --allow_from--> first byte --TLS handshake--> Beat

In this order, each step only where it is configured, all within ``handshake_seconds``. A PROXY
header is trusted only from a trusted address, a name only from a verified certificate. First
bytes are peeked at, so that plaintext Lumberjack on a TLS port is reported as such and not as a
broken handshake.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Literal, NamedTuple, Protocol, overload

from ptingest.errors import ConnectionRejected
from ptingest.settings.beats import BeatsSettings
from ptingest.sources.beats.client_certificates import (
    CertificateRules,
    ClientIdentity,
    read_certificate,
)
from ptingest.sources.port import converse
from ptingest.sources.proxy_protocol import Address, read_header
from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

HANDSHAKE_BYTE = b"\x16"
LOOK_BYTES = 16
CLOSING_SECONDS = 2.0
"""How long the TLS shutdown of a connection may take."""


REJECTED = frozenset(
    {
        "address_not_allowed",
        "proxy_header_missing",
        "proxy_header_broken",
        "proxy_header_truncated",
    }
)
"""Reasons that have nothing to do with TLS."""

PROXY_TOO_SLOW = ConnectionRejected(
    reason="proxy_header_truncated",
    detail="no whole PROXY header in time (beats.limits.handshake_seconds)",
)
NO_BYTES = ConnectionRejected(
    reason="timeout", detail="nothing came in time (beats.limits.handshake_seconds)", is_silent=True
)
CLOSED_EARLY = ConnectionRejected(
    reason="peer_closed", detail="closed before a TLS handshake", is_silent=True
)


class Networks:
    """A set of networks; ``in`` tests whether one of them contains an address."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(map(ip_network, networks))

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, ip: object) -> bool:
        try:
            address = ip_address(str(ip).partition("%")[0])
        except ValueError:
            return False
        # A listener for both families shows 192.0.2.7 as ::ffff:192.0.2.7.
        mapped = getattr(address, "ipv4_mapped", None) or address
        return any(mapped in network for network in self._networks)


class BeatsAccessPolicy(NamedTuple):
    """What is required of a connection before its first frame, from the settings."""

    allowed: Networks
    proxies: Networks
    clients: CertificateRules | None
    seconds: float
    write_seconds: float

    @property
    def is_open(self) -> bool:
        """Nothing is required before the first frame (except TLS)."""
        return not (self.allowed or self.proxies)

    def is_proxy(self, ip: str) -> bool:
        return bool(self.proxies) and ip in self.proxies


def access_policy(settings: BeatsSettings) -> BeatsAccessPolicy:
    return BeatsAccessPolicy(
        allowed=Networks(settings.allow_from),
        proxies=Networks(settings.proxy_protocol_from),
        clients=None if settings.tls is None else CertificateRules(settings.tls),
        seconds=settings.limits.handshake_seconds,
        write_seconds=settings.limits.write_seconds,
    )


class Handshakes:
    """Connections between accept and their first frame; each has a short task."""

    def __init__(
        self,
        *,
        tls: Callable[[], ssl.SSLContext | None],
        make: Callable[[Address, socket.socket], asyncio.Protocol],
        on_failed: Callable[[socket.socket], None],
        metrics: Metrics,
    ) -> None:
        """``on_failed`` is called with each socket that did not become a connection."""
        self._tls, self._make, self._metrics = tls, make, metrics
        self._on_failed = on_failed
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._per_ip: Counter[str] = Counter()
        self.policy: BeatsAccessPolicy

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def is_needed(self) -> bool:
        """Whether anything is required of a connection before its first frame."""
        return not self.policy.is_open or self._tls() is not None

    def count_from(self, ip: str) -> int:
        """How many handshakes from one address are under way."""
        return self._per_ip[ip]

    def begin(self, accepted: socket.socket, direct: Address) -> None:
        """Take a socket over; it becomes a connection, or is closed and counted."""
        work = self._handshake(accepted, direct, self.policy, self._tls())
        task = asyncio.get_running_loop().create_task(work, name="beats handshake")
        self._tasks[task] = direct.ip
        self._per_ip[direct.ip] += 1
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Cancel every handshake."""
        for task in self._tasks:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        ip = self._tasks.pop(task)
        self._per_ip[ip] -= 1
        if not self._per_ip[ip]:
            del self._per_ip[ip]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection failed before its first frame", exc_info=error)

    async def _handshake(
        self,
        accepted: socket.socket,
        direct: Address,
        policy: BeatsAccessPolicy,
        context: ssl.SSLContext | None,
    ) -> None:
        until = asyncio.get_running_loop().time() + policy.seconds
        address = direct
        is_ours, is_connected = True, False
        try:
            async with _until(until, PROXY_TOO_SLOW):
                address = await real_address(policy, accepted, direct)
            if context is not None:
                async with _until(until, NO_BYTES):
                    await expect_tls(accepted)
            is_ours = False
            await self._connect(accepted, address, policy, context, until)
            is_connected = True
        except ConnectionRejected as refusal:
            self.note(address, refusal)
        except OSError as error:  # closed between accept and here
            log.debug("%s:%d: connection lost before it began: %s", *address, error)
        finally:
            if is_ours:  # otherwise the loop has it and closes it
                accepted.close()
            if not is_connected:
                self._on_failed(accepted)

    async def _connect(
        self,
        accepted: socket.socket,
        address: Address,
        policy: BeatsAccessPolicy,
        context: ssl.SSLContext | None,
        until: float,
    ) -> None:
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            return self._make(address, accepted)

        if context is None:
            await converse(protocol, accepted)
            return
        # The write buffer of a TLS transport is not visible in full, so the kernel enforces the
        # deadline for a peer that does not read its acks.
        accepted.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(policy.write_seconds * 1000)
        )
        try:
            await loop.connect_accepted_socket(
                protocol,
                accepted,
                ssl=context,
                ssl_handshake_timeout=max(0.05, until - loop.time()),
                ssl_shutdown_timeout=CLOSING_SECONDS,
            )
        except OSError as error:  # ssl.SSLError among them
            raise handshake_failure(error) from error

    def note(self, address: Address, refusal: ConnectionRejected) -> None:
        """Log and count a rejection by its reason."""
        level = logging.DEBUG if refusal.is_silent else logging.WARNING
        if refusal.reason in REJECTED:
            self._metrics.add("ptingest_beats_rejected_connections_total", 1, refusal.reason)
            log.log(level, "%s:%d: connection refused (%s): %s", *address, *refusal.args)
        else:
            self._metrics.add("ptingest_beats_tls_failures_total", 1, refusal.reason)
            log.log(level, "%s:%d: refused on the TLS port (%s): %s", *address, *refusal.args)


@contextlib.asynccontextmanager
async def _until(time: float, otherwise: ConnectionRejected) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(time):
            yield
    except TimeoutError:
        # A new one: a shared exception would collect every traceback.
        raise ConnectionRejected(
            reason=otherwise.reason, detail=otherwise.detail, is_silent=otherwise.is_silent
        ) from None


async def real_address(
    policy: BeatsAccessPolicy, accepted: socket.socket, direct: Address
) -> Address:
    """The peer's address, which a trusted load balancer names in its header.

    Raises ConnectionRejected where that address is not allowed.
    """
    address = direct
    if policy.is_proxy(direct.ip):
        loop = asyncio.get_running_loop()

        async def read(count: int) -> bytes:
            data = b""
            while len(data) < count:
                part = await loop.sock_recv(accepted, count - len(data))
                if not part:
                    break
                data += part
            return data

        address = await read_header(read) or direct
    if policy.allowed and address.ip not in policy.allowed:
        raise ConnectionRejected(
            reason="address_not_allowed",
            detail=f"{address.ip} is in no network of beats.allow_from",
        )
    return address


async def expect_tls(accepted: socket.socket) -> None:
    """Wait for the first byte and raise ConnectionRejected unless it begins a TLS handshake."""
    start = await _look(accepted)
    if not start.startswith(HANDSHAKE_BYTE):
        raise _other_protocol(start)


async def _look(accepted: socket.socket) -> bytes:
    """Wait for the first bytes and leave them in the kernel; ``b""`` at the end of the stream."""
    loop = asyncio.get_running_loop()
    while True:
        readable = loop.create_future()
        loop.add_reader(accepted, _tell, readable)
        try:
            await readable
            return accepted.recv(LOOK_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            continue
        finally:
            loop.remove_reader(accepted)


def _tell(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)


def _other_protocol(start: bytes) -> ConnectionRejected:
    """The rejection of a peer that does not speak TLS, with a cure."""
    if not start:
        return CLOSED_EARLY
    seen = f"first bytes are {start[:6]!r}"
    if start[:1] in (b"1", b"2") and start[1:2] in (b"", b"W", b"C", b"J", b"D"):
        return ConnectionRejected(
            reason="plaintext",
            detail=f"plaintext Lumberjack on a TLS port, {seen}: set "
            "output.logstash.ssl.enabled: true in the Beat, or remove beats.tls here",
        )
    if start.startswith((b"PROXY ", b"\r\n\r\n")):
        return ConnectionRejected(
            reason="looks_like_proxy",
            detail=f"PROXY header from an address that is not trusted, {seen}: add it to "
            "beats.proxy_protocol_from, or switch the header off at the load balancer",
        )
    if start.startswith((b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"DELE")):
        return ConnectionRejected(
            reason="looks_like_http",
            detail=f"plain HTTP on a TLS port, {seen} (Filebeat set to output.elasticsearch?)",
        )
    return ConnectionRejected(reason="not_tls", detail=f"no TLS handshake, {seen}")


class TlsSession(Protocol):
    """What is read of a finished handshake (an ``ssl.SSLObject``)."""

    @property
    def session_reused(self) -> bool | None: ...
    @overload
    def getpeercert(self, binary_form: Literal[False] = False) -> Mapping[str, Any] | None: ...
    @overload
    def getpeercert(self, binary_form: Literal[True]) -> bytes | None: ...


def client_identity(
    policy: BeatsAccessPolicy, session: TlsSession, *, now: float
) -> ClientIdentity:
    """The peer's identity after the handshake; ConnectionRejected where it is not allowed."""
    if policy.clients is None:
        return ClientIdentity(is_allowed=True)
    encoded = session.getpeercert(binary_form=True)
    if encoded is None:
        return policy.clients.identity_of(None)
    fields = session.getpeercert() or {}
    # OpenSSL resumes TLS 1.2 sessions from its own cache and verifies nothing then.
    if session.session_reused and ssl.cert_time_to_seconds(fields["notAfter"]) < now:
        raise ConnectionRejected(
            reason="certificate_expired",
            detail="the Beat's certificate is refused: it has expired since its session began",
        )
    identity = policy.clients.identity_of(read_certificate(fields, encoded))
    if not identity.is_allowed:
        raise ConnectionRejected(
            reason="not_allowed",
            detail=f"{identity.subject} is neither in beats.tls.allow nor in beats.tls.senders",
        )
    return identity


_VERIFY_REASONS = {
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    2: "unknown_authority",
    18: "unknown_authority",
    19: "unknown_authority",
    20: "unknown_authority",
    21: "unknown_authority",
}
"""By OpenSSL's X509_V_ERR_ numbers."""

_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": (
        "no_certificate",
        "the Beat presented no certificate and beats.tls.client_auth is required; set "
        "output.logstash.ssl.certificate and ssl.key in the Beat",
    ),
    "UNSUPPORTED_PROTOCOL": ("tls_version", "the Beat supports only TLS older than 1.2"),
    "VERSION_TOO_LOW": ("tls_version", "the Beat supports only TLS older than 1.2"),
    "NO_SHARED_CIPHER": ("no_shared_cipher", "the Beat supports none of our ciphers"),
    "NO_SUITABLE_SIGNATURE_ALGORITHM": (
        "no_shared_cipher",
        "the Beat accepts no signature that our key can make",
    ),
}


def handshake_failure(error: Exception) -> ConnectionRejected:
    """The rejection for a failed handshake: a fixed reason, and a sentence with a cure if known."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _VERIFY_REASONS.get(error.verify_code, "certificate_invalid")
        detail = f"the Beat's certificate is refused: {error.verify_message}"
        if reason == "unknown_authority":
            detail += " (not signed by an authority in beats.tls.client_ca)"
        return ConnectionRejected(reason=reason, detail=detail)
    if isinstance(error, ssl.SSLError) and error.reason:
        if error.reason in _REASONS:
            reason, detail = _REASONS[error.reason]
            return ConnectionRejected(reason=reason, detail=detail)
        if "_ALERT_" in error.reason:
            return ConnectionRejected(reason="refused_by_peer", detail=_alert(error.reason))
        return ConnectionRejected(reason="other", detail=f"OpenSSL says {error.reason}")
    if isinstance(error, ConnectionAbortedError | TimeoutError):
        return ConnectionRejected(
            reason="timeout", detail="not finished in time (beats.limits.handshake_seconds)"
        )
    return ConnectionRejected(
        reason="peer_closed",
        detail="the Beat closed during the handshake; its own log may say why (does it trust "
        "our certificate?)",
    )


def _alert(reason: str) -> str:
    alert = reason.partition("_ALERT_")[2].replace("_", " ").lower()
    if alert in ("unknown ca", "bad certificate", "certificate unknown", "certificate expired"):
        return (
            f"the Beat refused our certificate ({alert}): does its ssl.certificate_authorities "
            "contain our authority, does our certificate contain the name in its hosts, has it "
            "expired?"
        )
    if alert == "protocol version":
        return f"the Beat refused ({alert}): it does not support TLS 1.2 or newer"
    return f"the Beat refused ({alert})"
