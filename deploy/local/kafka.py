"""Apache Kafka: one node in KRaft mode, broker and controller in one process."""

import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

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


def server_properties(ports: Mapping[str, int], data: Path) -> str:
    """The broker's settings: loopback only, one replica of everything, quick failure detection."""
    plain = f"PLAINTEXT://{HOST}:{ports['kafka']}"
    controller = f"{HOST}:{ports['kafka_controller']}"
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"{plain},CONTROLLER://{controller}",
        "advertised.listeners": plain,
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": data / "log",
        # topics come from `scribe topics apply` only
        "auto.create.topics.enable": "false",
        "num.partitions": 4,
        # without these, groups and transactions wait for replicas that a single node never has
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
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
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


class Kafka(Component):
    """The broker; `address` is its bootstrap address."""

    name = "kafka"
    port_names = ("kafka", "kafka_controller")

    def __init__(self, folder: Path, ports: Mapping[str, int], jars: Sequence[Path], *, owned: bool) -> None:
        super().__init__(folder, ports, owned=owned)
        self._jars = jars
        self._admin: AdminClient | None = None

    @property
    def _properties(self) -> Path:
        return self.data / "server.properties"

    def _run(self, *arguments: str) -> list[str]:
        log4j = f"-Dlog4j2.configurationFile={self.data / 'log4j2.properties'}"
        return java(HEAP_MB, [*class_path(self._jars), log4j, *arguments])

    def prepare(self) -> None:
        """Write the settings and format the log folder once."""
        self._properties.write_text(server_properties(self.ports, self.data))
        (self.data / "log4j2.properties").write_text(LOG4J)
        if not (self.data / "log" / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        arguments = ("format", "-t", str(uuid.uuid4()), "-c", str(self._properties), "--ignore-formatted")
        done = subprocess.run(
            self._run("kafka.tools.StorageTool", *arguments), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StartFailed(f"Kafka could not format {self.data / 'log'}:\n{done.stdout}{done.stderr}")

    def command(self) -> Sequence[str]:
        """See Component."""
        return self._run("kafka.Kafka", str(self._properties))

    def ready(self) -> bool:
        """Whether the broker answers and has registered itself."""
        if not is_open(self.port):
            return False
        # librdkafka writes about refused connections to stderr, which is no news here
        admin = self._admin or AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        self._admin = admin
        try:
            return len(admin.describe_cluster(request_timeout=2).result().nodes) == 1
        except KafkaException:
            return False

    def after_start(self) -> None:
        """Close the client that checked readiness."""
        self._admin = None
