"""TLS certificates of our ports: files to contexts, read again when they change.

    files --prepare--> contexts --put_in_force--> every handshake from now on

``prepare`` changes nothing that runs and reports which file is wrong and why. A certificate and
its key are replaced one after the other and do not match in between: the contexts in force
stay, and the files are read again until they match. Open connections are not affected.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ptingest.errors import TlsUnusable
from ptingest.model.contracts import Clock
from ptingest.settings.pem import (
    CertificateFile,
    load_authority,
    load_pair,
    read_authority,
    read_certificate,
)
from ptingest.settings.server import ServerSettings
from ptingest.settings.tls import BeatsTlsSettings, ServerTlsSettings

if TYPE_CHECKING:
    from ptingest.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""Seconds between two checks of the files, a `stat` each."""
REMIND_SECONDS = 86_400.0
SOON_SECONDS = 14 * 86_400
"""A certificate that expires within this time causes a warning."""

BEATS, API = "beats.tls", "api.tls"


class PreparedTls(NamedTuple):
    """Contexts and the files they were built from; None where a port has no TLS."""

    beats: ssl.SSLContext | None
    api: ssl.SSLContext | None
    files: tuple[CertificateFile, ...]
    marks: Mapping[str, object]
    """Path -> a mark that changes when the file does."""


def prepare(settings: ServerSettings) -> PreparedTls:
    """Read every certificate and key that the settings name for our ports.

    Raises:
        TlsUnusable: names the first file that cannot be used; nothing was changed.
    """
    marks = {path: _mark(path) for path in _paths(settings)}
    beats, api = settings.beats.tls, settings.api.tls
    return PreparedTls(
        beats=None if beats is None else beats_context(beats),
        api=None if api is None else server_context(api, API),
        files=tuple(_certificate_files(settings)),
        marks=marks,
    )


_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def server_context(settings: ServerTlsSettings, place: str) -> ssl.SSLContext:
    """Return a context for TLS from ``min_version`` on, without renegotiation, early data or
    tickets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A resumed session is not verified again: a Beat whose certificate has expired since
    # would be accepted. Beats keep their connections, so tickets would save almost nothing.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    load_pair(context, settings.certificate, settings.key, settings.key_password, place)
    return context


def beats_context(settings: BeatsTlsSettings) -> ssl.SSLContext:
    """Return the context of the Beats port: ``server_context`` and the check of clients."""
    context = server_context(settings, BEATS)
    if settings.client_ca is not None:
        load_authority(context, settings.client_ca, f"{BEATS}.client_ca")
        required = settings.client_auth == "required"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def _paths(settings: ServerSettings) -> Iterator[str]:
    for tls in (settings.beats.tls, settings.api.tls):
        if tls is not None:
            yield tls.certificate
            yield tls.key or tls.certificate
    if settings.beats.tls is not None and settings.beats.tls.client_ca is not None:
        yield settings.beats.tls.client_ca


def _certificate_files(settings: ServerSettings) -> Iterator[CertificateFile]:
    beats, api = settings.beats.tls, settings.api.tls
    if beats is not None:
        yield read_certificate(beats.certificate, f"{BEATS}.certificate")
        if beats.client_ca is not None:
            yield read_authority(beats.client_ca, f"{BEATS}.client_ca")
    if api is not None:
        yield read_certificate(api.certificate, f"{API}.certificate")


def _mark(path: str) -> object:
    """Return a mark that changes when a file is written or replaced."""
    try:
        found = os.stat(path)  # noqa: PTH116 - follows links, as Kubernetes swaps them
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ino, found.st_size


def validity(file: CertificateFile, now: float) -> tuple[bool, str]:
    """Return whether a certificate is valid for a while, and a sentence about it."""
    days = (file.expires - now) / 86_400
    if now < file.begins:
        return False, f"is valid only in {(file.begins - now) / 86_400:.1f} days"
    if days < 0:
        return False, f"expired {-days:.1f} days ago"
    return file.expires - now > SOON_SECONDS, f"expires in {days:.1f} days"


class Certificates:
    """The TLS contexts in force, for every handshake."""

    def __init__(self, settings: ServerSettings, *, metrics: Metrics, clock: Clock) -> None:
        self._settings = settings
        self._metrics, self._clock = metrics, clock
        self._in_force = prepare(settings)
        self._tried = self._in_force.marks
        self.trouble: str | None = None
        """Why changed files are not in force; None when they are."""
        self._reported_at = 0.0
        self._tell()

    def beats(self) -> ssl.SSLContext | None:
        """The context for the next Beat, None for plaintext."""
        return self._in_force.beats

    @property
    def api(self) -> ssl.SSLContext | None:
        return self._in_force.api

    def put_in_force(self, prepared: PreparedTls, settings: ServerSettings) -> None:
        """Use ``prepared`` from the next handshake on; open connections are not affected."""
        old, self._settings = self._in_force, settings
        if old.api is not None and settings.api.tls is not None and prepared.api is not None:
            # The HTTP server keeps its context, so the new pair is loaded into that one.
            api = settings.api.tls
            try:
                load_pair(old.api, api.certificate, api.key, api.key_password, API)
            except TlsUnusable as error:
                # It matched when it was read, so the files have changed since: check again soon.
                self._refuse(error, tried={})
                return
            prepared = prepared._replace(api=old.api)
        self._in_force, self._tried, self.trouble = prepared, prepared.marks, None
        self._metrics.add("ptingest_worker_certificate_reloads_total", 1, "done")
        self._tell()

    def reload(self) -> bool:
        """Read the files again; files that cannot be used change nothing, and are logged."""
        try:
            prepared = prepare(self._settings)
        except TlsUnusable as error:
            self._refuse(error, tried={path: _mark(path) for path in _paths(self._settings)})
            return False
        self.put_in_force(prepared, self._settings)
        if self.trouble is None:
            log.info("certificates reloaded; open connections keep theirs")
        return self.trouble is None

    def _refuse(self, error: TlsUnusable, *, tried: Mapping[str, object]) -> None:
        """Keep the contexts in force until the files differ from ``tried``."""
        self._tried = tried
        if self.trouble != str(error):
            log.error("certificates not reloaded, the old ones stay in force: %s", error)
        self.trouble = str(error)
        self._metrics.add("ptingest_worker_certificate_reloads_total", 1, "refused")

    async def watch(self, every_seconds: float = LOOK_SECONDS) -> None:
        """Reload whenever a file changes; until cancelled."""
        import asyncio

        while True:
            await asyncio.sleep(every_seconds)
            self.look()

    def look(self) -> None:
        """Reload if a file has changed since it was read last; warn daily of one that expires."""
        if {path: _mark(path) for path in _paths(self._settings)} != self._tried:
            self.reload()
        if self._clock.monotonic() - self._reported_at >= REMIND_SECONDS:
            self._tell()

    def status(self) -> dict[str, object]:
        """The section of /status about certificates."""
        now = self._clock.time_ns() / 1e9
        return {
            "trouble": self.trouble,
            "files": [
                {
                    "setting": file.setting,
                    "file": file.path,
                    "subject": file.subject,
                    "expires_in_days": round((file.expires - now) / 86_400, 1),
                }
                for file in self._in_force.files
            ],
        }

    def _tell(self) -> None:
        self._reported_at = self._clock.monotonic()
        now = self._clock.time_ns() / 1e9
        for file in self._in_force.files:
            self._metrics.set(
                "ptingest_worker_certificate_expiry_seconds", file.expires, file.setting
            )
            is_well, sentence = validity(file, now)
            if not is_well:
                log.warning("%s: the certificate in %s %s", file.setting, file.path, sentence)
