"""A stack of a run's own: its broker has a second listener whose advertised address is a proxy, and short sessions."""

from pathlib import Path

from deploy.local.kafka import Kafka
from deploy.local.ports import HOST
from deploy.local.stack import Stack
from tests.chaos.plan import SESSION_SECONDS
from tests.chaos.proxies import KafkaProxy, StoreProxy


class ProxiedKafka(Kafka):
    """The broker of the stack; what comes in through the proxy is told to come back through it."""

    inner = 0
    proxied = 0

    def prepare(self) -> None:
        """Later lines of the settings count."""
        super().prepare()
        session, heartbeat = int(SESSION_SECONDS * 1000), 500
        plain, controller = f"PLAINTEXT://{HOST}:{self.port}", f"CONTROLLER://{HOST}:{self.ports['kafka_controller']}"
        settings = {
            "listeners": f"{plain},PROXIED://{HOST}:{self.inner},{controller}",
            "advertised.listeners": f"{plain},PROXIED://{HOST}:{self.proxied}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
            "group.consumer.min.session.timeout.ms": session,
            "group.consumer.session.timeout.ms": session,
            "group.consumer.min.heartbeat.interval.ms": heartbeat,
            "group.consumer.heartbeat.interval.ms": heartbeat,
        }
        with self._properties.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())


class ChaosStack(Stack):
    """Kafka, PostgreSQL and S3 with proxies in front of the first and the last."""

    def __init__(self, folder: Path) -> None:
        # durable: a server that forgets what it promised would be accused in the service's place
        super().__init__(folder, durable=True)
        self.kafka_proxy: KafkaProxy | None = None
        self.store_proxy: StoreProxy | None = None

    def _port_names(self) -> list[str]:
        return [*super()._port_names(), "inner", "kafka_proxy", "s3_proxy"]

    def _compose(self) -> None:
        super()._compose()
        plain, chosen = self.kafka, self._state.ports
        kafka = ProxiedKafka(self.folder, plain.ports, plain._jars, owned=True)
        kafka.inner, kafka.proxied = chosen["inner"], chosen["kafka_proxy"]
        kafka.on_spawn = plain.on_spawn
        self.components[Kafka.name] = kafka

    def start(self) -> None:
        """See Stack; the proxies too."""
        super().start()
        chosen = self._state.ports
        self.kafka_proxy = KafkaProxy(chosen["kafka_proxy"], chosen["inner"])
        self.store_proxy = StoreProxy(chosen["s3_proxy"], self.s3.port)
        self.kafka_proxy.start()
        self.store_proxy.start()

    def stop(self) -> None:
        """See Stack."""
        for proxy in (self.kafka_proxy, self.store_proxy):
            if proxy is not None:
                proxy.stop()
        super().stop()

    def environment(self) -> dict[str, str]:
        """See Stack: through the proxies."""
        return {
            **super().environment(),
            "SCRIBE_KAFKA_BOOTSTRAP": f"{HOST}:{self._state.ports['kafka_proxy']}",
            "SCRIBE_S3_ENDPOINT": f"http://{HOST}:{self._state.ports['s3_proxy']}",
        }
