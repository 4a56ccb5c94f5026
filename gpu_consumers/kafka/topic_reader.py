"""Bootstrapped topic reader: reads all of a control topic before any work starts, then follows it; uses no group."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread
from typing import Any, Generic, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from producers.kafka.publisher import client_log
from producers.kafka.unreadable_batches import UnreadableBatches, is_unreadable, reading_config
from schemas.errors import Outage, Permanent, Poison
from schemas.events import Event
from schemas.retries.schedules import OUTAGES
from schemas.settings.kafka import KafkaSettings
from schemas.wire.serde import Serde

E = TypeVar("E", bound=Event)
log = logging.getLogger(__name__)
LOOK_SECONDS = 30.0  # between two looks for new partitions
PAUSE_SECONDS = OUTAGES.first  # between two tries to reach a topic or a registry
AGAIN_SECONDS = 5.0  # after an unexpected error
MOST_BREAKS = 10  # of the reader at one record, until that is left out


class BootstrappedTopicReader(Generic[E]):
    """Passes the events of a topic to `take`; unreadable ones and those refused by Permanent are skipped."""

    def __init__(
        self,
        settings: KafkaSettings,
        serde: Serde,
        topic: str,
        event: type[E],
        take: Callable[[E], None],
        worker: str,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._settings = settings
        self._serde = serde
        self._topic = topic
        self._event = event
        self._give = take
        self._look_seconds = look_seconds
        self._client_id = f"{worker}.{topic}"
        self._unreadable = UnreadableBatches(settings, self._client_id)
        self._catching_up: set[int] = set()  # partitions whose end at the start has not been reached
        self._known: set[int] = set()
        self._breaks: Counter[str] = Counter()  # of the reader, by the record at which it broke
        self._caught_up = Flag()
        self._ended = Flag()
        self._thread = Thread(target=self._follow, name=topic, daemon=True)

    @property
    def caught_up(self) -> bool:
        """Whether all orders from before the start are known, and new ones arrive."""
        return self._caught_up.is_set()

    def __enter__(self) -> "BootstrappedTopicReader[E]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(5.0)

    def _follow(self) -> None:
        while not self._ended.is_set():
            try:
                self._read()
            except Exception:  # whatever it is, the process works on without: what is ordered meanwhile is seen later
                log.exception("%s is not followed; it is read again in %g s", self._topic, AGAIN_SECONDS)
                self._caught_up.clear()
                self._ended.wait(AGAIN_SECONDS)

    def _read(self) -> None:
        """Read everything from the beginning, then follow the topic until the end."""
        self._catching_up, self._known = set(), set()
        consumer = Consumer(reading_config(self._settings, self._client_id, wait_ms=200), logger=client_log)
        try:
            looked_at = -self._look_seconds
            while not self._ended.is_set():
                if time.monotonic() - looked_at >= self._look_seconds or not self._known:
                    looked_at = time.monotonic()
                    self._find_partitions(consumer)
                if self._known and (message := consumer.poll(0.1)) is not None:
                    self._take(consumer, message)
        finally:
            consumer.close()

    def _find_partitions(self, consumer: Consumer) -> None:
        """Start reading new partitions from their beginning."""
        try:
            found = consumer.list_topics(self._topic, timeout=5.0).topics[self._topic]
            new = set(found.partitions) - self._known
            if found.error is not None or not (new or self._known):
                raise Outage(f"{found.error or 'no partition'}; create it with `scribe topics apply`")
        except (KafkaException, KeyError, Outage) as error:
            log.warning("waiting for %s: %s", self._topic, error)
            self._ended.wait(PAUSE_SECONDS)
            return
        if new:
            self._catching_up |= set() if self.caught_up else new
            self._known |= new
            consumer.incremental_assign([TopicPartition(self._topic, number, OFFSET_BEGINNING) for number in new])

    def _take(self, consumer: Consumer, message: "Message[Any, Any]") -> None:
        error = message.error()
        if error is None:
            return self._decode(message)
        if is_unreadable(message):
            return self._skip_unreadable(consumer, message)
        if error.code() != KafkaError._PARTITION_EOF:
            return log.warning("%s: %s", self._topic, error.str())
        self._catching_up.discard(message.partition() or 0)
        if not self._catching_up and not self.caught_up:
            log.info("%s is known to its end", self._topic)
            self._caught_up.set()
        return None

    def _skip_unreadable(self, consumer: Consumer, message: "Message[Any, Any]") -> None:
        """Skip a batch that cannot be opened: no process can read the orders in it."""
        try:
            if (batch := self._unreadable.detect(message)) is not None:
                consumer.seek(batch.behind)
        except Outage as error:
            log.warning("waiting for %s: %s", self._topic, error)

    def _decode(self, message: "Message[Any, Any]") -> None:
        place = f"{message.topic()} [{message.partition()}] at {message.offset()}"
        while (value := message.value()) is not None and not self._ended.is_set():
            try:
                event = self._serde.decode(value, self._event)
            except Poison as error:
                return log.warning("%s is left out: %s", place, error)
            except Outage as error:
                log.warning("waiting: %s", error)
                self._ended.wait(PAUSE_SECONDS)
                continue
            # foreign bytes: they come again whenever all is read again, and nothing after them would ever be known
            except Exception:  # noqa: BLE001 - whatever a library says about them
                return log.exception("%s is left out", place)
            return self._hand_on(event, place)
        return None

    def _hand_on(self, event: E, place: str) -> None:
        """Pass an order on; one that made the reader fail repeatedly is skipped, for the sake of later ones."""
        try:
            self._give(event)
        except Permanent as error:
            log.warning("%s is left out: %s", place, error)
        except Exception:  # of the reader, whatever it is: most pass by themselves
            self._breaks[place] += 1
            if self._breaks[place] < MOST_BREAKS:
                raise
            log.exception("%s is left out", place)
