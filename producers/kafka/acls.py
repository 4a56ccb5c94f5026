"""ACLs of the broker: what the table of rights wants, what is there, and the commands and calls that give it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package does not say that it exports them
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from producers.kafka.publisher import options_checked, translate
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.connection import ConnectionTroubles, metadata
from sink.records.kafka.rights import Grant, Operation, Resource, Right
from sink.records.kafka.security import client_config

SECONDS = 20.0
_TYPES = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
    Resource.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
}
_RESOURCES = {kind: resource for resource, kind in _TYPES.items()}
_OPERATIONS = {AclOperation[operation.value]: operation for operation in Operation}
_FLAGS = {Resource.TOPIC: "--topic", Resource.GROUP: "--group", Resource.TRANSACTIONAL_ID: "--transactional-id"}


@dataclass(frozen=True, slots=True)
class AclPlan:
    """Grants that the broker lacks, and those of the same users that the table does not name."""

    missing: tuple[Grant, ...]
    superfluous: tuple[Grant, ...]


def acl_plan(wanted: Iterable[Grant], existing: Iterable[Grant]) -> AclPlan:
    """The differences, for the users of `wanted` only. Pure."""
    wanted, existing = tuple(wanted), frozenset(existing)
    users = {grant.user for grant in wanted}
    extra = sorted(grant for grant in existing - set(wanted) if grant.user in users)
    return AclPlan(tuple(grant for grant in wanted if grant not in existing), tuple(extra))


def commands(grants: Iterable[Grant], bootstrap: str) -> Iterator[str]:
    """One call of Kafka's own tool for all operations of a user on a resource."""
    places: dict[tuple[str, Resource, str, bool], list[str]] = {}
    for grant in grants:
        right = grant.right
        places.setdefault((grant.user, right.resource, right.name, right.prefixed), []).append(right.operation)
    for (user, resource, name, prefixed), operations in places.items():
        pattern = " --resource-pattern-type prefixed" if prefixed else ""
        yield (
            f"kafka-acls.sh --bootstrap-server {bootstrap} --command-config admin.properties --add"
            f" --allow-principal 'User:{user}' {' '.join(f'--operation {each}' for each in operations)}"
            f" {_FLAGS[resource]} '{name}'{pattern}"
        )


def plain(grant: Grant) -> dict[str, str]:
    """A grant as JSON values, in the words of Kafka's API and of Terraform providers."""
    right = grant.right
    return {
        "principal": f"User:{grant.user}",
        "host": "*",
        "resource_type": right.resource.replace("-", "_").upper(),
        "resource_name": right.name,
        "pattern_type": "PREFIXED" if right.prefixed else "LITERAL",
        "operation": right.operation.value,
        "permission": "ALLOW",
    }


class AclAdmin:
    """Reads and changes ACLs, which only an administrator may; methods raise Outage and Fatal."""

    def __init__(self, settings: KafkaSettings) -> None:
        troubles = ConnectionTroubles()
        with options_checked():
            config = {**client_config(settings, "scribe-acls"), "log_level": 0, "error_cb": troubles.note}
            self._client = AdminClient(config)
        metadata(self._client, settings, troubles)

    def existing(self) -> frozenset[Grant]:
        """The grants of the broker that a table of rights can express."""
        kind, pattern = ResourceType.ANY, ResourcePatternType.ANY
        everything = AclBindingFilter(kind, None, pattern, None, None, AclOperation.ANY, AclPermissionType.ALLOW)  # type: ignore[arg-type]  # None is any name
        found = _result(self._client.describe_acls(everything, request_timeout=SECONDS))
        return frozenset(grant for binding in found if (grant := _grant(binding)) is not None)

    def create(self, grants: Iterable[Grant]) -> None:
        """Add grants; one that exists is no error."""
        if bindings := [binding_of(grant) for grant in grants]:
            for future in self._client.create_acls(bindings, request_timeout=SECONDS).values():
                _result(future)


def _result(future: Any) -> Any:
    try:
        return future.result(timeout=SECONDS + 5)
    except KafkaException as error:
        raise translate(error, "ACLs") from error


def binding_of(grant: Grant) -> AclBinding:
    """A grant in the form of the client library."""
    right = grant.right
    pattern = ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL
    operation = AclOperation[right.operation.value]
    kind = _TYPES[right.resource]
    return AclBinding(kind, right.name, pattern, f"User:{grant.user}", "*", operation, AclPermissionType.ALLOW)


def _grant(binding: AclBinding) -> Grant | None:
    """The grant of a binding; None for what the table of rights never names."""
    kind, done = ResourceType(binding.restype), AclOperation(binding.operation)
    resource, operation = _RESOURCES.get(kind), _OPERATIONS.get(done)
    if resource is None or operation is None or binding.host != "*":
        return None
    prefixed = binding.resource_pattern_type == ResourcePatternType.PREFIXED
    return Grant(binding.principal.removeprefix("User:"), Right(resource, binding.name, operation, prefixed))
