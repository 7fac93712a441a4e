"""This machine: listeners of a port, disk space, certificates. Asks only the operating system."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ptingest.model.address import split_listen
from ptingest.model.finding import Finding

PROC = Path("/proc")
LISTEN = "0A"
CONNECT_SECONDS = 3.0
SHORT_OF_SPACE = 0.05
TLS_SECONDS = 10.0


class Listener(NamedTuple):
    """A socket that listens on a port."""

    address: str
    program: str
    """Empty if it is a process of another user."""


def listeners(port: int, proc: Path = PROC) -> list[Listener]:
    """Return who listens on a TCP port of this machine (of this container, in one)."""
    found = []
    for table in ("net/tcp", "net/tcp6"):
        path = proc / table
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            columns = line.split()
            address, _, hexed = columns[1].partition(":")
            if columns[3] == LISTEN and int(hexed, 16) == port:
                found.append(Listener(_address(address), _program(columns[9], proc)))
    return found


def _address(hexed: str) -> str:
    """Read an address as the kernel writes it: words in the byte order of the machine."""
    raw = bytes.fromhex(hexed)
    words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(words)))


def _program(inode: str, proc: Path) -> str:
    wanted = f"socket:[{inode}]"
    for process in proc.glob("[0-9]*"):
        try:
            if any(_is_of(link, wanted) for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # another user's, or gone meanwhile
    return ""


def _is_of(link: Path, wanted: str) -> bool:
    try:
        return os.readlink(link) == wanted  # noqa: PTH115
    except FileNotFoundError:
        return False  # closed meanwhile, which says nothing of the process's other files


def findings_of_port(listen: str, found: Sequence[Listener]) -> Iterator[Finding]:
    """Yield which process listens on the port, and which hosts can reach it."""
    host, port = split_listen(listen)
    looked_at = f"port {port} of this machine, beats.listen {listen}"
    if not found:
        seen = f"no process listens: Beats get `connection refused` on {port}"
        cure = "start it: `ptingest serve`\nin Docker run doctor inside the container"
        yield Finding("problem", "Beats port", seen, cure, looked_at=looked_at)
        return
    shown = ", ".join(f"{one.program or 'another user'} on {one.address}" for one in found)
    loopback = all(ipaddress.ip_address(one.address).is_loopback for one in found)
    if loopback and not host.startswith("127."):
        cure = "another program uses the port on loopback: stop it or change beats.listen"
        yield Finding("warning", "Beats port", f"{shown}, loopback only", cure, looked_at=looked_at)
    elif loopback:
        cure = f'beats.listen: "0.0.0.0:{port}" accepts other hosts and containers'
        yield Finding(
            "note", "Beats port", f"{shown}: this machine only", cure, looked_at=looked_at
        )
    else:
        yield Finding("ok", "Beats port", shown, looked_at=looked_at)


def finding_of_space(data_dir: Path) -> Finding:
    """Return how much disk space store and dead letters have left."""
    existing = next((path for path in (data_dir, *data_dir.parents) if path.is_dir()), Path("/"))
    usage = shutil.disk_usage(existing)
    free = usage.free / usage.total
    seen = f"{usage.free / 2**30:.1f} GiB free ({free:.0%})"
    if free < SHORT_OF_SPACE:
        cure = "without space for dead letters nothing is acked: free disk space or move data_dir"
        return Finding("warning", "disk space", seen, cure, looked_at=str(data_dir))
    return Finding("ok", "disk space", seen, looked_at=str(data_dir))


def certificate_days(url: str, context: ssl.SSLContext, now: float) -> float | None:
    """Return in how many days a host's certificate expires; None where it cannot be had."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 443)
    try:
        with (
            socket.create_connection(address, timeout=TLS_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=address[0]) as secure,
        ):
            shown = secure.getpeercert() or {}
    except OSError:
        return None  # the request before it has reported why
    ends = shown.get("notAfter")
    return None if not isinstance(ends, str) else (ssl.cert_time_to_seconds(ends) - now) / 86_400
