"""What `ptingest check` says of certificates, keys and who may come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import TYPE_CHECKING

from ptingest.errors import TlsUnusable
from ptingest.model.address import is_loopback_host, split_listen
from ptingest.model.finding import Finding
from ptingest.settings.server import ServerSettings
from ptingest.settings.sinks import ClusterSettings

if TYPE_CHECKING:
    from ptingest.settings.pem import CertificateFile

Step = tuple[str | None, str, Callable[[], object]]
"""A file, the setting that names it, and what else must succeed with it."""


def look_at_certificates(settings: ServerSettings, *, now: float) -> Iterator[Finding]:
    """Say of every file that TLS needs whether it fits, and how long it is valid."""
    from ptingest.server.certificates import API, BEATS, beats_context, server_context, validity
    from ptingest.settings.pem import read_authority, read_certificate

    def reported(file: CertificateFile) -> Finding:
        is_well, sentence = validity(file, now)
        seen = f"{file.path} ({file.subject}) {sentence}"
        if is_well:
            return Finding("ok", file.setting, seen)
        is_valid = file.begins <= now <= file.expires
        return Finding("warning" if is_valid else "problem", file.setting, seen, "renew it")

    beats, api = settings.beats.tls, settings.api.tls
    steps: list[Step] = []
    if beats is not None:
        steps.append((beats.certificate, f"{BEATS}.certificate", lambda: beats_context(beats)))
        steps.append((beats.client_ca, f"{BEATS}.client_ca", lambda: None))
    if api is not None:
        steps.append((api.certificate, f"{API}.certificate", lambda: server_context(api, API)))
    for place, sink in settings.sinks.clusters_by_place().items():
        steps += _cluster(place, sink)
    for path, setting, try_it in steps:
        if path is None:
            continue
        try:
            read = read_certificate if setting.endswith(".certificate") else read_authority
            file = read(path, setting)
            try_it()
        except TlsUnusable as error:
            yield Finding("problem", error.setting, f"{error.file} {error.seen}", error.cure)
        else:
            yield reported(file)


def may_name_files(settings: ServerSettings) -> bool:
    """Most configs name no file of TLS, and what reads them takes long to import."""
    sections = (settings.beats.tls, settings.api.tls)
    has_section = any(section is not None for section in sections)
    return has_section or bool(settings.sinks.clusters_by_place())


def _cluster(place: str, sink: ClusterSettings) -> Iterator[Step]:
    from ptingest.settings.pem import load_pair, trusting_context

    yield sink.ca_file, f"{place}.ca_file", lambda: None
    if (own := sink.certificate) is not None:

        def try_pair() -> None:
            context = trusting_context(own, f"{place}.certificate")
            load_pair(context, own, sink.key, sink.key_password, place)

        yield own, f"{place}.certificate", try_pair


def look_at_ports(settings: ServerSettings) -> Iterator[Finding]:
    """Yield a warning for each port that more hosts can reach than the config may intend."""
    beats, api = settings.beats, settings.api
    if api.is_exposed:
        seen = (
            f"is {api.listen}, which other hosts can reach, and api.token is not set: /status is "
            "public, and the console is closed"
        )
        yield Finding("warning", "api.listen", seen, "set api.token, or listen on 127.0.0.1")
    host = split_listen(api.listen)[0]
    if api.token is not None and api.tls is None and not is_loopback_host(host):
        seen = "is sent unencrypted over http"
        yield Finding("warning", "api.token", seen, "set api.tls where the network is shared")
    if any(ip_network(one).prefixlen == 0 for one in beats.proxy_protocol_from):
        seen = "covers every address: any client may claim any address"
        cure = "list the load balancers only"
        yield Finding("warning", "beats.proxy_protocol_from", seen, cure)
    for place, sink in settings.sinks.clusters_by_place().items():
        if any(one.startswith("https://") for one in sink.hosts):
            continue
        given = [one for one in ("ca_file", "fingerprint", "certificate") if getattr(sink, one)]
        for name in given:
            seen = "is set, but no host is https: it is not used"
            yield Finding("warning", f"{place}.{name}", seen, "write https:// in hosts")


def show_access(settings: ServerSettings) -> str:
    """TLS and addresses of the Beats port in a few words."""
    tls, beats = settings.beats.tls, settings.beats
    words = ["no TLS"]
    if tls is not None:
        words = [f"TLS, client certificates: {tls.client_auth}"]
        named = len(tls.allow) + len(tls.senders)
        words += [f"{named} named"] if named else []
    words += [f"from {', '.join(beats.allow_from)}"] if beats.allow_from else []
    if beats.proxy_protocol_from:
        words.append(f"PROXY headers from {', '.join(beats.proxy_protocol_from)}")
    return ", ".join(words)
