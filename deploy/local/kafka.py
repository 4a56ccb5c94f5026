"""Apache Kafka in KRaft mode, broker and controller in one process: one node, or three that replicate."""

import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.local.broker_access import ADMIN, BrokerAccess
from deploy.local.component import Component
from deploy.local.errors import StartFailed
from deploy.local.java import class_path, java
from deploy.local.ports import HOST, is_open

HEAP_MB = 320
LOG4J = """rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1}: %m%n
"""


AUDIT = """logger.authorizer.name=kafka.authorizer.logger
logger.authorizer.level={level}
"""


def broker_name(number: int) -> str:
    """The name of the broker with this number, from 1; that of its ports begins so."""
    return "kafka" if number == 1 else f"kafka-{number}"


def broker_ports(number: int, *, secure: bool = False) -> tuple[str, ...]:
    """The names of a broker's ports: that of clients first."""
    name = broker_name(number)
    return (name, f"{name}_controller", *((f"{name}_internal",) if secure else ()))


def server_properties(
    ports: Mapping[str, int], data: Path, number: int = 1, brokers: int = 1, access: BrokerAccess | None = None
) -> str:
    """The settings of one of so many brokers: loopback only, quick failure detection; with `access` TLS and users."""
    name = broker_name(number)
    replicas, in_sync = (1, 1) if brokers == 1 else (3, 2)
    settings = {
        "process.roles": "broker,controller",
        "node.id": number,
        "controller.quorum.voters": ",".join(
            f"{each}@{HOST}:{ports[f'{broker_name(each)}_controller']}" for each in range(1, brokers + 1)
        ),
        **_listeners(ports, name, secure=access is not None),
        "controller.listener.names": "CONTROLLER",
        "log.dirs": data / "log",
        # topics come from `scribe topics apply` only
        "auto.create.topics.enable": "false",
        "num.partitions": 4,
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        # without these, groups and transactions wait for replicas that a single node never has
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "offsets.retention.minutes": 43_200,
        # a member that died is noticed after 6 s instead of 45 s
        "group.initial.rebalance.delay.ms": 0,
        "group.consumer.session.timeout.ms": 6_000,
        "group.consumer.min.session.timeout.ms": 6_000,
        "group.consumer.heartbeat.interval.ms": 1_000,
        "group.consumer.min.heartbeat.interval.ms": 1_000,
        # after a SIGKILL the controller waits for the old broker's session to end: 3 s instead of 9 s
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 500,
        # a small machine: the cleaner's buffer alone is 128 MB by default
        "log.cleaner.dedupe.buffer.size": 8_388_608,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
        **(access.properties() if access else {}),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _listeners(ports: Mapping[str, int], name: str, *, secure: bool) -> dict[str, str]:
    """The doors of a broker: one for clients, one for the controllers, and with TLS one for brokers."""
    controller = f"CONTROLLER://{HOST}:{ports[f'{name}_controller']}"
    if not secure:
        plain = f"PLAINTEXT://{HOST}:{ports[name]}"
        protocols, inner = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT", "PLAINTEXT"
    else:
        plain = f"CLIENTS://{HOST}:{ports[name]},INTERNAL://{HOST}:{ports[f'{name}_internal']}"
        protocols, inner = "CONTROLLER:SSL,CLIENTS:SASL_SSL,INTERNAL:SSL", "INTERNAL"
    return {
        "listeners": f"{plain},{controller}",
        "advertised.listeners": plain,
        "inter.broker.listener.name": inner,
        "listener.security.protocol.map": protocols,
    }


class Kafka(Component):
    """One broker; `address` is its bootstrap address."""

    name = "kafka"
    port_names = broker_ports(1)

    def __init__(
        self,
        folder: Path,
        ports: Mapping[str, int],
        jars: Sequence[Path],
        *,
        owned: bool,
        number: int = 1,
        brokers: int = 1,
        access: BrokerAccess | None = None,
    ) -> None:
        self.name = broker_name(number)  # type: ignore[misc]  # of this one among several
        self.port_names = broker_ports(number, secure=access is not None)  # type: ignore[misc]  # likewise
        super().__init__(folder, ports, owned=owned)
        self._jars = jars
        self._number = number
        self._brokers = brokers
        self.access = access
        self._admin: AdminClient | None = None

    @property
    def _properties(self) -> Path:
        return self.data / "server.properties"

    def _run(self, *arguments: str) -> list[str]:
        log4j = f"-Dlog4j2.configurationFile={self.data / 'log4j2.properties'}"
        return java(HEAP_MB, [*class_path(self._jars), log4j, *arguments])

    def prepare(self) -> None:
        """Write the settings and format the log folder once."""
        self._properties.write_text(server_properties(self.ports, self.data, self._number, self._brokers, self.access))
        audit = AUDIT.format(level="debug" if self.access.audit else "info") if self.access else ""
        (self.data / "log4j2.properties").write_text(LOG4J + audit)
        if not (self.data / "log" / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        # all brokers of a folder are one cluster, each formatted by itself
        cluster = uuid.uuid5(uuid.NAMESPACE_URL, str(self.data.parent))
        arguments = ("format", "-t", str(cluster), "-c", str(self._properties), "--ignore-formatted")
        done = subprocess.run(
            self._run("kafka.tools.StorageTool", *arguments), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StartFailed(f"Kafka could not format {self.data / 'log'}:\n{done.stdout}{done.stderr}")

    def command(self) -> Sequence[str]:
        """See Component."""
        return self._run("kafka.Kafka", str(self._properties))

    def admin(self) -> AdminClient:
        """A client that may do everything."""
        if self.access is None:
            return AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        inner = f"{HOST}:{self.ports[self.port_names[-1]]}"
        return AdminClient({"bootstrap.servers": inner, "log_level": 0, **self.access.admin_options()})

    def ready(self) -> bool:
        """Whether the broker answers and has registered itself."""
        if not is_open(self.port):
            return False
        # librdkafka writes about refused connections to stderr, which is no news here
        if self._admin is None:  # a client without anything to send counts as false
            self._admin = self.admin()
        try:
            nodes = self._admin.describe_cluster(request_timeout=2).result().nodes
        except KafkaException:
            return False
        return any(node.id == self._number for node in nodes)

    def after_start(self) -> None:
        """Close the client that checked readiness, after it has made the users of a secure stack."""
        if self.access and self._admin is not None and self._number == 1:
            self.access.create_users(self._admin, (ADMIN, *self.access.users))
        self._admin = None
