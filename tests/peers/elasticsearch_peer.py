"""Real Elasticsearch and OpenSearch nodes on 127.0.0.1, built from published artifacts.

    node = start_elasticsearch(tmp_path, settings=("http.max_content_length=1mb",))
    install_template(node)
    status, answer = node.request("GET", "/logs-django-pt/_count")
    node.kill()                                  # as `kill -9` does
    node = start_elasticsearch(tmp_path, port=node.port)
    node.wait_until_green()
    newest = start_elasticsearch(tmp_path, NEWEST)    # one of RELEASES; without it 8.19

Blocking; a node takes 5 to 10 s to start and about 450 MB.
"""

from __future__ import annotations

import base64
import json
import selectors
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.processes import free_port
from ptingest.settings.sinks import ClusterSettings, ElasticsearchSettings, OpenSearchSettings
from tests.peers.maven_peer import classpath
from tests.peers.tools import require_java

FOLDER = Path(__file__).parent
START_SECONDS = 180.0
SUPERUSER = ("root", "peer-superuser")
SUPERUSER_HASH = "$2a$04$a2UgccJzUh.lyAS31XFPqexMJoXRzSEkNpqV4rXA5t.pUCQ/UhgFq"
"""Its password as the file realm keeps it (bcrypt); the reserved ``elastic`` needs a keystore."""

QUICK_START = ("-Xms512m", "-Xmx512m", "-XX:TieredStopAtLevel=1")
"""Java's options for tests: a start in half the time, and code that stays half as fast."""
AS_SERVED = ("-Xms1g", "-Xmx1g")
"""For benchmarks: with the compiler that a node has where it serves."""

COMMON = ("plugin=org.elasticsearch.node.PeerIngest",)
WITH_SECURITY_MODULES = (
    "plugin=org.elasticsearch.node.PeerAnalysis",
    "plugin=org.elasticsearch.xpack.core.XPackPlugin",
    "plugin=org.elasticsearch.xpack.security.Security",
    "xpack.security.autoconfiguration.enabled=false",
    "xpack.license.self_generated.type=basic",
)
OPEN = ("xpack.security.enabled=false",)
SECURED = (
    "transport.type=security4",
    "http.type=security4",
    "xpack.security.enabled=true",
    "xpack.security.transport.ssl.enabled=false",
)


@dataclass(frozen=True, slots=True)
class Release:
    """A published version of the server."""

    version: str
    oldest_java: int
    lacks: frozenset[str] = frozenset()
    """Of "users" (its security modules are not published), "failure_store", "logsdb",
    "processors" (those of ``PeerIngest``), "lifecycle", "subobjects" and "closing" (of the index
    that a data stream writes to)."""
    product: Literal["elasticsearch", "opensearch"] = "elasticsearch"
    """Its folder here, and its key under ``sinks:``."""

    @property
    def title(self) -> str:
        """What it calls itself."""
        return "OpenSearch" if self.product == "opensearch" else "Elasticsearch"

    @property
    def parsing_error(self) -> str:
        """What it calls a document that its mappings do not take."""
        is_other = self.product == "opensearch"
        return "mapper_parsing_exception" if is_other else "document_parsing_exception"

    @property
    def series(self) -> str:
        """Its first two numbers, as the folders of what differs between versions are named."""
        return self.version.rpartition(".")[0]

    def classpath(self, java_home: Path) -> str:
        """Compile the launcher for it if need be."""
        short = "os" if self.product == "opensearch" else "es"
        options = (
            f"-D{short}.version={self.version}",
            f"-D{short}.series={self.series}",
            f"-Dmaven.compiler.release={self.oldest_java}",
            *([] if "users" in self.lacks else ["-Psecurity"]),
        )
        target = f"target/{self.series}"
        return classpath(FOLDER / self.product, *options, target=target, java_home=java_home)

    def java_options(self, data_dir: Path) -> Sequence[str]:
        """What its Java needs beside memory; 9 compresses with the system's own zstd."""
        if self.oldest_java < 21 or self.product == "opensearch":
            return ()
        natives = data_dir / "natives"
        natives.mkdir(exist_ok=True)
        zstd = natives / "libzstd.so"
        found = next(Path("/usr/lib").glob("*/libzstd.so.1"), None)
        if found is not None and not zstd.exists():
            zstd.symlink_to(found)
        return (
            "--add-modules=jdk.incubator.vector",
            "--enable-native-access=ALL-UNNAMED",
            f"-Des.nativelibs.path={natives}",
            "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false",
        )


OLDEST = Release("8.13.4", oldest_java=17, lacks=frozenset({"users", "failure_store", "logsdb"}))
USUAL = Release("8.19.0", oldest_java=17)
NEWEST = Release("9.5.3", oldest_java=21)
_NOT_IN_OPENSEARCH = frozenset(
    {
        "users",
        "failure_store",
        "logsdb",
        "processors",
        "lifecycle",
        "subobjects",
        "closing",
    }
)
OPENSEARCH_2 = Release("2.19.6", 17, _NOT_IN_OPENSEARCH, "opensearch")
OPENSEARCH_3 = Release("3.9.0", 21, _NOT_IN_OPENSEARCH, "opensearch")
RELEASES = (OLDEST, USUAL, NEWEST, OPENSEARCH_2, OPENSEARCH_3)
FEW = (OLDEST, USUAL, NEWEST, OPENSEARCH_2)
"""What ``make test`` runs the tests marked ``every_release`` on."""


@dataclass(slots=True)
class Node:
    """One running node."""

    release: Release
    process: subprocess.Popen[bytes]
    port: int
    data_dir: Path
    login: tuple[str, str] | None
    tls: ssl.SSLContext | None = None
    """What ``request`` speaks TLS with."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: object = None, *, login: tuple[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send JSON (or ready bytes, taken for NDJSON) and return (status, decoded answer).

        As the superuser on a secured node, unless ``login`` says otherwise.
        """
        headers = {}
        data = None
        if body is not None:
            is_ready = isinstance(body, bytes)
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["content-type"] = f"application/{'x-nd' if is_ready else ''}json"
        who = login or self.login
        if who is not None:
            token = base64.b64encode(":".join(who).encode()).decode()
            headers["authorization"] = f"Basic {token}"
        asked = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=30, context=self.tls) as response:
                return response.status, _decoded(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, _decoded(error.read())

    def must(self, method: str, path: str, body: object = None) -> Any:
        """Like ``request``, for what has to work; returns the answer alone."""
        status, answer = self.request(method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {answer}"
        return answer

    def documents(self, name: str) -> list[dict[str, Any]]:
        """Return every hit of a stream or index (up to 10,000), after a refresh."""
        self.must("POST", f"/{name}/_refresh")
        return list(self.must("GET", f"/{name}/_search?size=10000")["hits"]["hits"])

    def wait_until_green(self, seconds: float = 60.0) -> None:
        """Wait until every shard is allocated; items answer 503 before."""
        self.must("GET", f"/_cluster/health?wait_for_status=green&timeout={seconds:g}s")

    def kill(self) -> None:
        """End it as ``kill -9`` does; the data stays for the next start."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def start_elasticsearch(
    data_dir: Path,
    release: Release = USUAL,
    *,
    port: int = 0,
    settings: Sequence[str] = (),
    secured: bool = False,
    tls: ssl.SSLContext | None = None,
    java: Sequence[str] = QUICK_START,
) -> Node:
    """Compile the launcher if need be, start a node and wait until it answers.

    ``settings`` are ``name=value``; port 0 picks a free one. ``secured`` switches users,
    roles and privileges on, with ``SUPERUSER`` for the first login. ``tls`` is for requests
    to a node whose settings ask for it. ``java`` are options of its virtual machine.
    """
    java_home = require_java(release.oldest_java)
    jars = release.classpath(java_home)
    port = port or free_port()
    config = data_dir / "config"
    config.mkdir(parents=True, exist_ok=True)
    arguments = [*(COMMON if "processors" not in release.lacks else ()), *settings]
    if "users" not in release.lacks:
        arguments[:0] = [*WITH_SECURITY_MODULES, *(SECURED if secured else OPEN)]
    if secured:
        (config / "users").write_text(f"{SUPERUSER[0]}:{SUPERUSER_HASH}\n")
        (config / "users_roles").write_text(f"superuser:{SUPERUSER[0]}\n")
    with (data_dir / "peer.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(str(java_home / "bin/java"), *java),
                *(*release.java_options(data_dir), "-cp", jars),
                *(f"org.{release.product}.node.Launcher", str(data_dir), str(port), *arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    found = _wait_until_ready(process, data_dir)
    return Node(release, process, found, data_dir, SUPERUSER if secured else None, tls)


def settings_for(node: Node, **more: object) -> ClusterSettings:
    """Return the settings of a sink that writes to a node."""
    is_other = node.release.product == "opensearch"
    model = OpenSearchSettings if is_other else ElasticsearchSettings
    return model.model_validate({"hosts": (node.url,), **more})


def install_template(node: Node, *, failure_store: bool = False) -> None:
    """Install ``pt-logs`` for ``logs-*-pt``, one shard, no replica, no date detection."""
    keyword = {"type": "keyword", "ignore_above": 1024}
    properties: dict[str, Any] = {
        "@timestamp": {"type": "date"},
        "message": {"type": "text"},
        "log_message": {"type": "text"},
        "number": {"type": "long"},
        **dict.fromkeys(("service", "group", "stream", "log_level", "logger_name"), keyword),
    }
    template: dict[str, Any] = {
        "settings": {"number_of_shards": 1, "number_of_replicas": 0},
        "mappings": {"date_detection": False, "properties": properties},
    }
    if failure_store:
        template["data_stream_options"] = {"failure_store": {"enabled": True}}
    body = {
        "index_patterns": ["logs-*-pt"],
        "priority": 501,
        "data_stream": {},
        "template": template,
    }
    node.must("PUT", "/_index_template/pt-logs", body)


def _wait_until_ready(process: subprocess.Popen[bytes], data_dir: Path) -> int:
    """Return the port of the node's READY line."""
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline and selector.select(deadline - time.monotonic()):
            line = process.stdout.readline()
            if line.startswith(b"READY "):
                return int(line.rpartition(b"port=")[2])
            if not line:
                break
    process.kill()
    process.wait()
    process.stdout.close()
    log = (data_dir / "peer.log").read_text(errors="replace")
    raise AssertionError(f"The node did not start:\n{log[-4000:]}")


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
