"""Check at the start of a process that the broker takes its user, and gives it every right that it needs."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import Fatal, Outage, ScribeError, SettingsError
from schemas.retries.schedules import OUTAGES
from schemas.settings.kafka import KafkaSettings
from sink.records.kafka.connection import ConnectionTroubles, metadata, refused, unreachable
from sink.records.kafka.rights import RIGHTS, Resource, Right
from sink.records.kafka.security import client_config
from sink.records.kafka.tokens import token_source

log = logging.getLogger(__name__)
SECONDS = 10.0  # for one answer
# at the start: a new broker makes its topic of offsets when it is asked for a group, and answers nobody meanwhile
FIRST_SECONDS = 1.0
AGAIN_SECONDS = 60.0  # until an unchanged reason is logged once more
_DENIED = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})
_ABSENT = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND})


class AccessGate:
    """The gate that a process passes before it works: it stays there, and says why, until the broker lets it in."""

    def __init__(self, settings: KafkaSettings, processes: Collection[str], pause: float = OUTAGES.first) -> None:
        self._settings = settings
        self._processes = processes
        self._pause = pause
        self.reason: str | None = "Kafka has not answered yet"
        """Why the process does not work, for /readyz; None when it is let in."""

    def wait(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Return when the broker lets the process in, or `is_over` says that it ends; raises SettingsError."""
        said_at = -AGAIN_SECONDS
        seconds = FIRST_SECONDS
        while not is_over():
            try:
                check_access(self._settings, self._processes, seconds)
            except SettingsError:
                raise
            except ScribeError as error:
                if str(error) != self.reason or time.monotonic() - said_at >= AGAIN_SECONDS:
                    self.reason, said_at = str(error), time.monotonic()
                    log.log(logging.WARNING if isinstance(error, Outage) else logging.ERROR, "waiting: %s", error)
                seconds = min(2 * seconds, SECONDS)
                time.sleep(self._pause)
            else:
                self.reason = None
                return


def check_access(settings: KafkaSettings, processes: Collection[str], seconds: float = SECONDS) -> None:
    """Raise Outage without an answer in time, and Fatal where the broker refuses the user or a right of these processes."""
    rights = [right for process in processes for right in RIGHTS[process]]
    if found := missing_rights(settings, rights, seconds):
        who = f"user '{settings.kafka_user}'" if settings.kafka_user else "this process"
        options = " ".join(f"--process {process}" for process in processes)
        raise Fatal(
            f"Kafka does not give {who} the right to {'; '.join(map(str, found))}:"
            f" `scribe topics acls {options}` writes what is needed"
        )


def missing_rights(settings: KafkaSettings, rights: Iterable[Right], seconds: float = SECONDS) -> tuple[Right, ...]:
    """The rights that the broker does not give, `seconds` for each answer; raises Outage, Fatal and SettingsError.

    It cannot be asked about prefixes and transactional ids, nor about topics that do not exist.
    """
    asked = [right for right in rights if not right.prefixed]
    client = _Client(settings, seconds)
    topics = {right.name for right in asked if right.resource is Resource.TOPIC}
    groups = {right.name for right in asked if right.resource is Resource.GROUP}
    given = {
        **{(Resource.TOPIC, name): found for name, found in client.topics(topics).items()},
        **{(Resource.GROUP, name): found for name, found in client.groups(groups).items()},
    }
    return tuple(
        right
        for right in dict.fromkeys(asked)
        if (found := given.get((right.resource, right.name))) is not None and right.operation not in found
    )


class _Client:
    """An administrator's client that asks what its own user may do."""

    def __init__(self, settings: KafkaSettings, seconds: float) -> None:
        self._settings = settings
        self._seconds = seconds
        # a token that cannot be had is named by its source, and by the library only as missing
        if (source := token_source(settings)) is not None:
            source.token()
        self._troubles = ConnectionTroubles()
        config = {
            **client_config(settings, "scribe-access"),
            "log_level": 0,
            "error_cb": self._troubles.note,
        }
        self._client = AdminClient(config)
        # the requests below would only say that their time is over
        metadata(self._client, settings, self._troubles)

    def topics(self, names: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The operations that are allowed on each of those topics that exist."""
        if not names:
            return {}
        collection = TopicCollection(sorted(names))
        asked = self._client.describe_topics(
            collection, include_authorized_operations=True, request_timeout=self._seconds
        )
        return dict(self._operations(asked))

    def groups(self, names: Collection[str]) -> Mapping[str, frozenset[str]]:
        """The operations that are allowed on each group."""
        if not names:
            return {}
        asked = self._client.describe_consumer_groups(
            sorted(names), include_authorized_operations=True, request_timeout=self._seconds
        )
        return dict(self._operations(asked))

    def _operations(self, asked: Mapping[str, Future[Any]]) -> Iterator[tuple[str, frozenset[str]]]:
        for name, future in asked.items():
            try:
                found = future.result(timeout=self._seconds + 5)
            except KafkaException as error:
                code = error.args[0].code()
                if code in _DENIED:
                    yield name, frozenset()
                elif code not in _ABSENT:
                    raise self._translated(error) from error
            else:
                # a broker without an authorizer, and one that does not say, allows everything
                if found.authorized_operations is not None:
                    yield name, frozenset(operation.name for operation in found.authorized_operations)

    def _translated(self, error: KafkaException) -> ScribeError:
        cause = error.args[0]
        if cause.code() == KafkaError.SASL_AUTHENTICATION_FAILED:
            return refused(self._settings, cause.str())
        return unreachable(self._settings, self._troubles.last or cause)
