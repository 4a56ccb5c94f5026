"""Faust's Kafka transport without its known data losses: commits stop at unfinished records, aborted ones stay hidden.

It relies on private parts of one Faust version, which `check_version` and tests/integration/test_faust_losses.py guard.
"""

import asyncio
import gc
import time
import weakref
from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, cast

import faust
from aiokafka.consumer.fetcher import READ_COMMITTED
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message
from mode.utils.futures import notify
from mode.utils.logging import get_logger

from schemas.errors import Fatal
from streams.kafka import lenient_fetching
from streams.kafka.lenient_fetching import size_of
from streams.kafka.progress import OffsetProgress
from streams.kafka.record_batches import Headers

FAUST_VERSION = "0.15.3"
FETCH_WAIT_MS = 50  # Faust's 1,500: one fetch at a time runs to a broker, and busy partitions wait for quiet ones
FULL_SECONDS = 0.02  # how long to wait for other partitions while the buffers of some are full
# Of a topic's records that are in work or wait for it. Buffers count records, which may have some MB each and were a few
# hundred bytes before they were decompressed.
MOST_HELD_BYTES = 32_000_000
TELL_SECONDS = 5.0
# the base classes log their lives under the name of the subclass's module
_LOGGER = get_logger("faust.scribe")


def check_version() -> None:
    """Raise Fatal unless the installed Faust is the version whose private parts are used here."""
    if (found := version("faust-streaming")) != FAUST_VERSION:
        raise Fatal(f"faust-streaming {found} is installed, the transport is proven with {FAUST_VERSION} only")


class ReadCommittedThread(driver.AIOKafkaConsumerThread):
    """The thread that owns the aiokafka consumer, reading committed records only."""

    logger = _LOGGER

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        lenient_fetching.install()
        consumer = super()._create_worker_consumer(transport)
        # Faust offers no settings for them; the values are read when the consumer starts
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Start the consumer and refuse to run when it would show aborted records."""
        await super().on_start()
        if self._ensure_consumer()._fetcher._isolation_level != READ_COMMITTED:
            raise Fatal("the consumer does not read committed records only")


class _Held(weakref.ref[Message]):
    """A message while others reference it, and its approximate size in bytes."""

    __slots__ = ("size",)

    def __init__(self, message: Message) -> None:
        # as they came from lenient_fetching
        self.size = size_of(message.key, message.value, cast(Headers, message.headers or ()))


class WatermarkConsumer(driver.Consumer):
    """A consumer that commits up to the first delivered record without an ack, even if later ones were acked."""

    logger = _LOGGER

    def __init__(self, transport: driver.Transport, callback: Any, *args: Any, **kwargs: Any) -> None:
        # weak: a strong reference would keep dropped records alive, and `wait_empty` would wait for them
        self._unfinished: dict[TP, dict[int, _Held]] = defaultdict(dict)
        self._next: dict[TP, int] = {}
        # Faust takes a commit that was refused for one that was made
        self._confirmed: dict[TP, int] = {}
        self._refused: set[TP] = set()
        self.last_poll = time.monotonic()

        async def delivered(message: Message) -> None:
            self._track(message)
            await callback(message)

        super().__init__(transport, delivered, *args, **kwargs)

    def _track(self, message: Message) -> None:
        if self.app.topics.acks_enabled_for(message.topic):
            self._unfinished[message.tp][message.offset] = _Held(message)
            self._next[message.tp] = max(self._next.get(message.tp, 0), message.offset + 1)

    def _is_current(self, message: Message) -> bool:
        """Whether this delivery is still valid; it is not after a revocation or seek."""
        reference = self._unfinished[message.tp].get(message.offset)
        return reference is not None and reference() is message

    def ack(self, message: Message) -> bool:
        """Mark a record as done; a delivery from before the last revocation or seek moves nothing."""
        if not self.app.topics.acks_enabled_for(message.topic):
            return super().ack(message)
        if not self._is_current(message):
            message.acked = True
            self.abandon(message)
            return False
        del self._unfinished[message.tp][message.offset]
        return super().ack(message)

    def abandon(self, message: Message) -> None:
        """Stop waiting for this record, without acking it: it is delivered again after the rebalance or restart."""
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)

    def _forget(self, partitions: Iterable[TP]) -> None:
        tables: tuple[Any, ...] = (
            self._unfinished,
            self._next,
            self._acked,
            self._acked_index,
            self._confirmed,
        )
        for tp in list(partitions):
            for table in tables:
                table.pop(tp, None)
            self._refused.discard(tp)

    async def wait_empty(self) -> None:
        """Wait until no delivered record is in work, then commit.

        Faust commits and collects garbage after each ack, 0.2 s for a record of a busy process, and logs all that are left.
        """
        logged_at = time.monotonic()
        while not self.should_stop and self._unacked_messages:
            before = len(self._unacked_messages)
            await self._wait_for_ack(timeout=1.0)
            self._clean_unacked_messages()
            if len(self._unacked_messages) == before:
                gc.collect()  # dropped records refer to themselves
            if time.monotonic() - logged_at > TELL_SECONDS:
                logged_at = time.monotonic()
                _LOGGER.info("%d records are still in work", len(self._unacked_messages))
        await self.commit_and_end_transactions()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let the base class wait for records in progress and commit, and only then forget them."""
        await super().on_partitions_revoked(revoked)
        self._forget(revoked)

    async def perform_seek(self) -> None:
        """Go back to the committed position; earlier deliveries become invalid."""
        self._forget({*self._unfinished, *self._next, *self._acked})
        await super().perform_seek()

    async def seek(self, partition: TP, offset: int) -> None:
        """Go to an offset; earlier deliveries become invalid."""
        self._forget([partition])
        await super().seek(partition, offset)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: offsets that are never delivered, such as control markers, need no bookkeeping here."""

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not (acked or tp in self._refused) or tp not in self._next:
            return None
        self._refused.discard(tp)
        # the compiled stream iterator writes `_acked` directly, past `ack`
        for offset in acked:
            self._unfinished[tp].pop(offset, None)
        acked.clear()
        self._acked_index[tp].clear()
        return min(self._unfinished[tp], default=self._next[tp])

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        self.last_poll = time.monotonic()
        # those are not asked for, and would be left out for all that time although their agents are soon idle
        timeout = min(timeout, FULL_SECONDS) if self._buffered_partitions else timeout
        wanted = active_partitions and self._with_room(active_partitions)
        if wanted == active_partitions:
            return await super()._getmany(active_partitions, timeout)
        if not wanted:  # which would ask for all
            await self.sleep(FULL_SECONDS)
            return {}
        return await super()._getmany(wanted, min(timeout, FULL_SECONDS))

    def _with_room(self, partitions: set[TP]) -> set[TP]:
        """The partitions that do not have too many bytes of unfinished records."""
        held: dict[str, int] = defaultdict(int)
        for tp, unfinished in self._unfinished.items():
            held[tp.topic] += sum(reference.size for reference in unfinished.values() if reference() is not None)
        return {tp for tp in partitions if held[tp.topic] < MOST_HELD_BYTES}

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return ReadCommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def _commit_offsets(self, offsets: Any, start_new_transaction: bool = True) -> bool:
        """Commit, and repeat a refused commit next time, since there may be no further acks to trigger it."""
        before = {tp: self._committed_offset[tp] for tp in offsets}
        confirmed = await super()._commit_offsets(offsets, start_new_transaction)
        if not confirmed:
            self._committed_offset.update(before)
            self._refused.update(offsets)
        return bool(confirmed)

    async def _commit(self, offsets: Any) -> bool:
        confirmed = await super()._commit(offsets)
        if confirmed:
            self._confirmed.update(offsets)
        return confirmed

    async def fetching(self) -> dict[TP, OffsetProgress]:
        """The fetch progress of each partition: queries the broker, raises the errors of Kafka's client."""
        assigned = self.assignment()
        ends = await self.highwaters(*assigned) if assigned else {}
        return {tp: OffsetProgress(self._fetched(tp), end) for tp, end in ends.items()}

    def committing(self) -> dict[TP, OffsetProgress]:
        """The commit progress of each partition."""
        done = {tp: min(self._unfinished[tp], default=following) for tp, following in list(self._next.items())}
        return {tp: OffsetProgress(self._confirmed.get(tp), offset) for tp, offset in done.items()}

    def unfinished_from(self, tp: TP, offset: int) -> int:
        """The first unfinished offset of a partition; `offset` where that is unknown."""
        return min(self._unfinished[tp], default=offset)

    def in_hand(self, tp: TP) -> int:
        """The number of records of a partition that were delivered and are not finished."""
        return len(self._unfinished.get(tp, ()))

    def confirmed(self, tp: TP) -> int | None:
        """The committed offset of a partition, None before its first commit."""
        return self._confirmed.get(tp)

    def _fetched(self, tp: TP) -> int | None:
        """The fetched position, including control markers, which are not delivered; None before the first fetch."""
        consumer = self._thread._consumer
        subscription = consumer and consumer._subscription.subscription
        assignment = subscription and subscription.assignment
        if assignment is None or tp not in assignment.tps:
            return None
        state = assignment.state_value(tp)
        return int(state.position) if state.has_valid_position else None

    @property
    def coordinating(self) -> bool:
        """Whether aiokafka's group coordination task is alive; without it Faust idles and looks healthy."""
        consumer = self._thread._consumer
        coordinator = getattr(consumer, "_coordinator", None)
        task: asyncio.Task[None] | None = getattr(coordinator, "_coordination_task", None)
        return task is None or not task.done()


class SafeTransport(driver.Transport):
    """The transport of every Faust app of the service."""

    Consumer = WatermarkConsumer


class ScribeApp(faust.App):
    """A Faust app on the safe transport."""

    logger = _LOGGER

    def _new_transport(self) -> Any:
        return SafeTransport(self.conf.broker_consumer, self)

    @property
    def watermarks(self) -> WatermarkConsumer:
        """The consumer, typed as WatermarkConsumer."""
        return cast(WatermarkConsumer, self.consumer)
