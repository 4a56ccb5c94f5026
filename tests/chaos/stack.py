"""A stack of a run's own: each broker has a second listener whose advertised address is a proxy, and short sessions."""

from collections.abc import Sequence
from pathlib import Path

from deploy.local.broker_access import ADMIN
from deploy.local.kafka import Kafka, broker_name
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
        controller = f"CONTROLLER://{HOST}:{self.ports[self.port_names[1]]}"
        plain = f"PLAINTEXT://{HOST}:{self.port}"
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


def _inner(number: int) -> str:
    return f"{broker_name(number)}_inner"


def _proxied(number: int) -> str:
    return f"{broker_name(number)}_proxy"


class ChaosStack(Stack):
    """Kafka, PostgreSQL and S3 with proxies in front of the first and the last."""

    def __init__(self, folder: Path, brokers: int = 1) -> None:
        # durable: a server that forgets what it promised would be accused in the service's place
        super().__init__(folder, durable=True, brokers=brokers)
        self.kafka_proxies: list[KafkaProxy] = []
        self.store_proxy: StoreProxy | None = None

    def _port_names(self) -> list[str]:
        doors = [name for number in self._numbers for name in (_inner(number), _proxied(number))]
        return [*super()._port_names(), *doors, "s3_proxy"]

    def _brokers_with(self, jars: Sequence[Path]) -> list[Kafka]:
        ports, made = self._state.ports, list[Kafka]()
        for number in self._numbers:
            kafka = ProxiedKafka(self.folder, ports, jars, owned=True, number=number, brokers=self._brokers)
            kafka.inner, kafka.proxied = ports[_inner(number)], ports[_proxied(number)]
            made.append(kafka)
        return made

    def start(self) -> None:
        """See Stack; the proxies too."""
        super().start()
        chosen = self._state.ports
        self.kafka_proxies = [KafkaProxy(chosen[_proxied(n)], chosen[_inner(n)]) for n in self._numbers]
        self.store_proxy = StoreProxy(chosen["s3_proxy"], self.s3.port)
        for proxy in (*self.kafka_proxies, self.store_proxy):
            proxy.start()

    def stop(self) -> None:
        """See Stack."""
        for proxy in (*self.kafka_proxies, self.store_proxy):
            if proxy is not None:
                proxy.stop()
        super().stop()

    def environment(self, kafka_user: str = ADMIN) -> dict[str, str]:
        """See Stack: through the proxies."""
        return {
            **super().environment(kafka_user),
            "SCRIBE_KAFKA_BOOTSTRAP": ",".join(f"{HOST}:{self._state.ports[_proxied(n)]}" for n in self._numbers),
            "SCRIBE_S3_ENDPOINT": f"http://{HOST}:{self._state.ports['s3_proxy']}",
        }
