"""A stack whose brokers want TLS, users and rights, with a plain door beside it for the harness, and an audit of both."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AclBindingFilter, AdminClient  # type: ignore[attr-defined]

from deploy.local.broker_access import ADMIN
from deploy.local.kafka import Kafka
from deploy.local.ports import HOST
from deploy.local.stack import Stack
from producers.kafka.acls import AclAdmin, binding_of
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.rights import USERS, Grant, Operation, Resource, Right

HARNESS = "harness"
_ALLOWED = re.compile(
    r"Principal = User:(?P<user>\S+) is (?P<verdict>Allowed|Denied) operation = (?P<operation>\w+) from host = \S+"
    r" on resource = (?P<resource>\w+):(?P<pattern>\w+):(?P<name>\S+) for request = (?P<request>\w+)(?P<rest>.*)"
)
_RESOURCES = {"Topic": Resource.TOPIC, "Group": Resource.GROUP, "TransactionalId": Resource.TRANSACTIONAL_ID}


class HarnessKafka(Kafka):
    """Who comes through its plain door may do everything."""

    harness = 0

    def prepare(self) -> None:
        """Later lines of the settings count."""
        super().prepare()
        assert self.access is not None
        before = dict(line.split("=", 1) for line in self._properties.read_text().splitlines())
        plain = f"HARNESS://{HOST}:{self.harness}"
        settings = {
            "listeners": f"{before['listeners']},{plain}",
            "advertised.listeners": f"{before['advertised.listeners']},{plain}",
            "listener.security.protocol.map": f"{before['listener.security.protocol.map']},HARNESS:PLAINTEXT",
            "super.users": f"{before['super.users']};User:ANONYMOUS",
        }
        with self._properties.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in settings.items())


@dataclass(frozen=True, slots=True)
class Asked:
    """A right that a user asked for, and the request that needed it."""

    grant: Grant
    request: str


class SecureStack(Stack):
    """One user for each process; `kafka_bootstrap` is the door of the harness."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, secure=True, audit=True, durable=False)

    def _port_names(self) -> list[str]:
        return [*super()._port_names(), HARNESS]

    def _brokers_with(self, jars: Sequence[Path]) -> list[Kafka]:
        (plain,) = super()._brokers_with(jars)
        kafka = HarnessKafka(self.folder, plain.ports, jars, owned=True, access=plain.access)
        kafka.harness = self._state.ports[HARNESS]
        return [kafka]

    @property
    def kafka_bootstrap(self) -> str:
        """See Stack."""
        return f"{HOST}:{self._state.ports[HARNESS]}"

    def environment(self, kafka_user: str = ADMIN) -> dict[str, str]:
        """See Stack; what the harness itself finds has no user."""
        return {
            name: value for name, value in super().environment().items() if not name.startswith("SCRIBE_KAFKA_")
        } | {"SCRIBE_KAFKA_BOOTSTRAP": self.kafka_bootstrap}

    def process_environment(self, process: str) -> dict[str, str]:
        """How a process reaches the broker: as its user, or not at all."""
        if (user := "gpu" if process.startswith("gpu") else process) not in USERS.values():
            return {"SCRIBE_KAFKA_BOOTSTRAP": f"{HOST}:1"}
        return {"SCRIBE_KAFKA_BOOTSTRAP": self.kafka.address, **self.broker_access.environment(user)}

    def user_settings(self, user: str) -> KafkaSettings:
        """The settings of a process that is this user."""
        found = self.process_environment(user)
        return KafkaSettings.model_validate({name[7:].lower(): value for name, value in found.items()})

    def take_away(self, *grants: Grant) -> None:
        """Delete rights, and wait until the broker gives them no more."""
        filters = [
            AclBindingFilter(
                b.restype, b.name, b.resource_pattern_type, b.principal, b.host, b.operation, b.permission_type
            )
            for b in map(binding_of, grants)
        ]
        admin = AdminClient({"bootstrap.servers": self.kafka_bootstrap})
        for future in admin.delete_acls(filters).values():
            future.result(20)
        while self.acls().existing() & set(grants):
            time.sleep(0.01)

    def give(self, *grants: Grant) -> None:
        """Create rights, and wait until the broker gives them."""
        self.acls().create(grants)
        while set(grants) - self.acls().existing():
            time.sleep(0.01)

    def acls(self) -> AclAdmin:
        """The rights, through the door of the harness."""
        return AclAdmin(KafkaSettings(kafka_bootstrap=self.kafka_bootstrap))

    def asked(self) -> tuple[frozenset[Asked], frozenset[Asked]]:
        """What processes asked of the broker that it allowed, by the right that was used, and what it denied."""
        allowed, denied = set[Asked](), set[Asked]()
        for match in _ALLOWED.finditer(self.kafka.log.read_text(errors="replace")):
            kind = _RESOURCES.get(match["resource"])
            if match["user"] in ("ANONYMOUS", "admin", "broker") or kind is None:
                continue
            operation = Operation(match["operation"]) if match["operation"] in Operation.__members__ else None
            if operation is None:
                continue
            grant = Grant(match["user"], Right(kind, match["name"], operation))
            (allowed if match["verdict"] == "Allowed" else denied).add(Asked(grant, match["request"]))
        return frozenset(allowed), frozenset(denied)


def used(asked: frozenset[Asked], grants: Sequence[Grant]) -> frozenset[Grant]:
    """Those grants that some request needed: of their own operation, not of one that they imply."""
    found = {each.grant for each in asked if not each.request.startswith("Describe")}
    return frozenset(
        grant
        for grant in grants
        if any(
            (each.user, each.right.resource, each.right.operation)
            == (grant.user, grant.right.resource, grant.right.operation)
            and (
                each.right.name.startswith(grant.right.name)
                if grant.right.prefixed
                else each.right.name == grant.right.name
            )
            for each in found
        )
    )
