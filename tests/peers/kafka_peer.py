"""Real Kafka brokers (KRaft) on 127.0.0.1, built from published artifacts.

    kafka = start_kafka(tmp_path)                         # one node
    kafka.create_topic("logs", partitions=2)
    Producer({"bootstrap.servers": kafka.bootstrap})
    kafka.kill()                                          # as `kill -9` does
    kafka.start()                                         # again, on the same data and ports
    kafka.close()                                         # always, or it stays

    three = start_kafka(tmp_path, nodes=3)                # replicas, and coordinators that move
    three.kill(node=1)
    login = start_kafka(tmp_path, sasl=True, certificate=authority.server(), client_ca=...)
    login.secured                                         # where clients must log in, by TLS

Blocking; a node is there 2 to 3 s after its start and takes about 400 MB. Topics are never made
by asking for them.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from benchmarks.processes import free_port
from ptingest.kafka.package import confluent_kafka_admin
from tests.peers.maven_peer import classpath
from tests.peers.tools import building, require_java
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.fakes.authority import Pair

FOLDER = Path(__file__).parent / "kafka"
CLUSTER_ID = "AAAAAAAAAAAAAAAAAAAAAQ"
OLDEST_JAVA = 17
START_SECONDS = 180.0
USER, PASSWORD = "indexer", "peer-password"
"""Whom ``sasl=True`` lets in, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512."""

QUICK = {
    "group.initial.rebalance.delay.ms": 0,
    # A killed broker is let in again after this time; 9 s are usual.
    "broker.session.timeout.ms": 2000,
    "broker.heartbeat.interval.ms": 500,
    "num.network.threads": 2,
    "num.io.threads": 2,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.num.partitions": 4,
    "auto.create.topics.enable": "false",
    # A test may choose a short session, to see a dead consumer's partitions move soon.
    "group.min.session.timeout.ms": 500,
    "log.message.timestamp.after.max.ms": 9223372036854775807,
}
NOT_READY = ("COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR")
"""What a node says for some time after it, or another one, was killed."""
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


@dataclass(slots=True)
class _Ports:
    """Of one node; 127.0.0.1 in all cases."""

    plain: int = field(default_factory=free_port)
    secured: int = field(default_factory=free_port)
    controller: int = field(default_factory=free_port)


class Kafka:
    """A cluster of one or more nodes, numbered from 1; made by ``start_kafka``."""

    def __init__(
        self, folder: Path, nodes: int, settings: Mapping[str, Any], command: Sequence[str]
    ) -> None:
        self._command = command
        self.folder = folder
        self._ports = {node: _Ports() for node in range(1, nodes + 1)}
        self._settings = settings
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def nodes(self) -> list[int]:
        """Numbers of all nodes, also of those that are down."""
        return list(self._ports)

    @property
    def pids(self) -> list[int]:
        """Process ids of the nodes that run."""
        return [one.pid for one in self._running.values()]

    @property
    def bootstrap(self) -> str:
        """``bootstrap.servers`` of listeners without TLS and login."""
        return self._addresses("plain")

    @property
    def secured(self) -> str:
        """``bootstrap.servers`` of the listeners that ask for what ``start_kafka`` was told."""
        return self._addresses("secured")

    def _addresses(self, kind: str) -> str:
        return ",".join(f"127.0.0.1:{getattr(ports, kind)}" for ports in self._ports.values())

    def start(self, node: int | None = None) -> None:
        """Start one node, or all that are down, and wait until the cluster has them."""
        down = [one for one in ([node] if node else self.nodes) if one not in self._running]
        for one in down:
            self._format(one)
        for one in down:
            self._running[one] = self._spawn(one)
        self.wait_until_up()

    def kill(self, node: int | None = None) -> None:
        """End one node, or all, as ``kill -9`` does; the data stays for the next start."""
        dying = [self._running.pop(one) for one in ([node] if node else list(self._running))]
        for process in dying:
            process.kill()
        for process in dying:
            process.wait()

    def stop(self, node: int) -> None:
        """Ask one node to leave (SIGTERM): it hands its partitions and groups over first."""
        process = self._running.pop(node)
        process.send_signal(signal.SIGTERM)
        process.wait()

    def close(self) -> None:
        """End everything; the folder stays."""
        self.kill()

    def wait_until_up(self) -> None:
        """Wait until every node that was started answers for itself in the cluster's list."""
        wanted = {self._ports[one].plain for one in self._running}
        for one in self._running:
            wait_until(
                partial(self._knows, f"127.0.0.1:{self._ports[one].plain}", wanted),
                seconds=START_SECONDS,
                otherwise=self._logs,
            )

    def _knows(self, address: str, ports: set[int]) -> bool:
        """Whether the broker at this address answers, and knows the brokers at these ports."""
        assert all(p.poll() is None for p in self._running.values()), self._logs()
        from confluent_kafka import KafkaException

        try:
            found = self.admin(address).list_topics(timeout=2)
        except KafkaException:
            return False
        return ports <= {broker.port for broker in found.brokers.values()}

    def admin(self, bootstrap: str | None = None) -> Any:
        """A client for topics, groups and offsets (confluent_kafka's ``AdminClient``)."""
        from confluent_kafka.admin import AdminClient

        # A node that is only starting refuses connections, and the client would tell it.
        return AdminClient({"bootstrap.servers": bootstrap or self.bootstrap, "log_level": 0})

    def create_topic(
        self, name: str, *, partitions: int = 1, replicas: int | None = None, **config: object
    ) -> None:
        """Make a topic, on all nodes unless told otherwise; ``max_message_bytes=...`` and the
        like are settings of the topic."""
        from confluent_kafka.cimpl import NewTopic

        words = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, partitions, replicas or len(self.nodes), config=words)
        self._ask(lambda admin: admin.create_topics([topic], operation_timeout=30)[name])

    def add_partitions(self, topic: str, total: int) -> None:
        """Let a topic have so many partitions."""
        from confluent_kafka.cimpl import NewPartitions

        self._ask(lambda admin: admin.create_partitions([NewPartitions(topic, total)])[topic])

    def configure_topic(self, name: str, **config: object) -> None:
        """Give settings of a topic other values, as ``create_topic``."""
        made = confluent_kafka_admin()
        entries = [
            made.ConfigEntry(
                key.replace("_", "."),
                str(value),
                incremental_operation=made.AlterConfigOpType.SET,
            )
            for key, value in config.items()
        ]
        resource = made.ConfigResource(
            made.ConfigResource.Type.TOPIC, name, incremental_configs=entries
        )
        self._ask(lambda admin: admin.incremental_alter_configs([resource])[resource])

    def delete_topic(self, name: str) -> None:
        """Take a topic away, with all that is in it."""
        self._ask(lambda admin: admin.delete_topics([name], operation_timeout=30)[name])

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Take the records before an offset away, as retention does."""
        from confluent_kafka import TopicPartition

        place = TopicPartition(topic, partition, before)
        self._ask(lambda admin: admin.delete_records([place])[place])

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the offsets that a group has committed, by partition; none: not in it."""
        from confluent_kafka import ConsumerGroupTopicPartitions

        asked = [ConsumerGroupTopicPartitions(group)]
        answer = self._ask(lambda admin: admin.list_consumer_group_offsets(asked)[group])
        return {
            one.partition: one.offset
            for one in answer.topic_partitions
            if one.topic == topic and one.offset >= 0
        }

    def coordinator_of(self, group: str) -> int:
        """Return the node that the group's consumers talk to."""
        found = self._ask(lambda admin: admin.describe_consumer_groups([group])[group])
        return int(found.coordinator.id)

    def add_login(self) -> None:
        """Let ``USER`` log in by SCRAM."""
        made = confluent_kafka_admin()
        for kind in (made.ScramMechanism.SCRAM_SHA_256, made.ScramMechanism.SCRAM_SHA_512):
            info = made.ScramCredentialInfo(kind, 4096)
            login = made.UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
            self._ask(partial(_alter_login, login))

    def _ask(self, request: Callable[[Any], Any]) -> Any:
        """Send an admin request, again while the cluster says that it is not ready for it."""
        from confluent_kafka import KafkaException

        admin = self.admin()  # it must live until it has answered
        answers: list[Any] = []

        def is_answered() -> bool:
            try:
                answers.append(request(admin).result(60))
            except KafkaException as error:
                if not error.args[0].retriable() and error.args[0].name() not in NOT_READY:
                    raise
            return bool(answers)

        wait_until(is_answered)
        return answers[0]

    def _format(self, node: int) -> None:
        """Write a node's config, and prepare its folder if it is new."""
        home = self.folder / f"node-{node}"
        home.mkdir(parents=True, exist_ok=True)
        config = home / "server.properties"
        lines = {**self._of_node(node), **self._settings}
        config.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        identity = home / "data" / "meta.properties"
        if not identity.exists():
            # All that Kafka's own tool for this would write here, and a Java less to start.
            identity.parent.mkdir()
            identity.write_text(f"version=1\ncluster.id={CLUSTER_ID}\nnode.id={node}\n")

    def _of_node(self, node: int) -> dict[str, object]:
        own = self._ports[node]
        voters = (f"{one}@127.0.0.1:{p.controller}" for one, p in self._ports.items())
        replicas, enough = len(self._ports), min(2, len(self._ports))
        clients = {"PLAINTEXT": own.plain}
        if "listener.security.protocol.map" in self._settings:
            clients["CLIENT"] = own.secured
        addresses = [f"{name}://127.0.0.1:{port}" for name, port in clients.items()]
        return {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": ",".join(voters),
            "listeners": ",".join([*addresses, f"CONTROLLER://127.0.0.1:{own.controller}"]),
            "advertised.listeners": ",".join(addresses),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / f"node-{node}" / "data",
            "default.replication.factor": replicas,
            "min.insync.replicas": enough,
            "offsets.topic.replication.factor": replicas,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": enough,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": enough,
            **QUICK,
        }

    def _spawn(self, node: int) -> subprocess.Popen[bytes]:
        home = self.folder / f"node-{node}"
        with (home / "peer.log").open("ab") as log:
            return subprocess.Popen(
                [*self._command, "kafka.Kafka", str(home / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _logs(self) -> str:
        texts = (
            (self.folder / f"node-{node}" / "peer.log").read_text(errors="replace")[-3000:]
            for node in self._running
        )
        return "Kafka did not start:\n" + "\n".join(texts)


def _alter_login(login: Any, admin: Any) -> Any:
    return admin.alter_user_scram_credentials([login])[USER]


def _command() -> list[str]:
    """What starts a node; its config follows. The classes that one loads are kept as Java's class
    data sharing has them: it is there in half the time, for half the work."""
    java = require_java(OLDEST_JAVA)
    program = [
        *(str(java / "bin/java"), "-Xms256m", "-Xmx256m", "-XX:+UseSerialGC"),
        *("-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
        *("-cp", classpath(FOLDER, java_home=java)),
    ]
    built = FOLDER / "target" / "classpath.txt"
    archive = built.with_name("kafka.jsa")
    with building(FOLDER):
        if not archive.exists() or archive.stat().st_mtime < built.stat().st_mtime:
            archive.unlink(missing_ok=True)
            with TemporaryDirectory() as folder:
                keeping = [program[0], f"-XX:ArchiveClassesAtExit={archive}", *program[1:]]
                node = Kafka(Path(folder), 1, {}, keeping)
                try:
                    node.start()
                    node.stop(1)
                finally:
                    node.close()
    return [program[0], f"-XX:SharedArchiveFile={archive}", *program[1:]]


def start_kafka(
    folder: Path,
    *,
    nodes: int = 1,
    settings: Sequence[str] = (),
    sasl: bool = False,
    certificate: Pair | None = None,
    client_ca: str | None = None,
) -> Kafka:
    """Fetch Kafka if need be, start a cluster and wait until it answers.

    ``settings`` are ``name=value`` of server.properties. ``sasl`` and ``certificate`` open a
    second listener, ``secured``: with a login (``USER``, ``PASSWORD``), with TLS, or with both;
    ``client_ca`` is a file that must have signed the certificates of clients.
    """
    words: dict[str, Any] = {}
    if sasl or certificate:
        words |= _secured_listener(folder, sasl, certificate, client_ca)
    words |= dict(one.split("=", 1) for one in settings)
    kafka = Kafka(folder, nodes, words, _command())
    try:
        kafka.start()
        if sasl:
            kafka.add_login()
    except BaseException:
        kafka.kill()
        raise
    return kafka


def _secured_listener(
    folder: Path, sasl: bool, certificate: Pair | None, client_ca: str | None
) -> dict[str, Any]:
    protocol = f"{'SASL_' if sasl else ''}{'SSL' if certificate else 'PLAINTEXT'}"
    words: dict[str, Any] = {
        "listener.security.protocol.map": (
            f"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,CLIENT:{protocol}"
        )
    }
    own = "listener.name.client."
    if sasl:
        words |= {
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            f"{own}plain.sasl.jaas.config": f'{_PLAIN} required user_{USER}="{PASSWORD}";',
            f"{own}scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
            f"{own}scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
        }
    if certificate:
        words |= {
            f"{own}ssl.keystore.type": "PEM",
            f"{own}ssl.keystore.location": _key_store(folder, certificate),
        }
    if client_ca:
        words |= {
            f"{own}ssl.client.auth": "required",
            f"{own}ssl.truststore.type": "PEM",
            f"{own}ssl.truststore.location": client_ca,
        }
    return words


def _key_store(folder: Path, certificate: Pair) -> Path:
    """Write key and certificate into one file, the key as PKCS 8: Kafka reads no other form."""
    key = load_pem_private_key(Path(certificate.key).read_bytes(), None)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "broker.pem"
    path.write_bytes(text + Path(certificate.certificate).read_bytes())
    return path
