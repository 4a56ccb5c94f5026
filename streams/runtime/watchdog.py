"""Watchdog: ends a Faust process without progress, which otherwise looks healthy and recovers only by a restart."""

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from enum import StrEnum

from aiokafka.errors import KafkaError
from faust.types import TP

from schemas import metrics
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate, PartitionState, WaitReport
from sink.process.termination import end_by_force
from streams.kafka.progress import ConsumerProgress, Place
from streams.kafka.transport import ScribeApp, WatermarkConsumer
from streams.runtime.event_loop import EventLoop

log = logging.getLogger(__name__)

FULL_SECONDS = 5.0  # without a poll: there is no room for more records
ANSWER_SECONDS = 10.0  # for the broker to tell the ends of partitions
CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WatchdogLimits:
    """The longest permitted age of each sign of life, in seconds."""

    tick: float = 60
    poll: float = 300
    handling: float = 300
    rebalance: float = 300
    fetching: float = 600
    committing: float = 300
    stopping: float = 90
    measure: float = 15
    """How often the partitions are looked at."""


@dataclass(frozen=True, slots=True)
class LivenessSample:
    """Ages of the signs of life in seconds; `stopping` is None until the app stops, `waiting`: an outage holds records.

    `handling`: of the oldest attempt at a record; `settled`: since the last record came to its end.
    `fetching` and `committing`: how long the slowest partition that is behind has not moved.
    """

    tick: float
    poll: float
    handling: float
    settled: float
    rebalance: float
    fetching: float
    committing: float
    stopping: float | None
    coordinating: bool
    waiting: bool


class Cause(StrEnum):
    """Causes of a stall."""

    LOOP = "loop"  # some record in work holds the event loop
    RECORD = "record"  # the oldest record in work lets go of nothing
    OUTSIDE = "outside"  # no record


def stall_reason(vitals: LivenessSample, limits: WatchdogLimits) -> str | None:
    """The reason why the process must end, None when it is alive."""
    found = _stall_cause(vitals, limits)
    return found and found[1]


def cause(vitals: LivenessSample, limits: WatchdogLimits) -> Cause | None:
    """The cause of the stall, None when there is none."""
    found = _stall_cause(vitals, limits)
    return found and found[0]


def _stall_cause(vitals: LivenessSample, limits: WatchdogLimits) -> tuple[Cause, str] | None:
    if vitals.stopping is not None:
        too_long = vitals.stopping > limits.stopping
        return (Cause.OUTSIDE, f"it has been stopping for {vitals.stopping:.0f} s") if too_long else None
    if vitals.tick > limits.tick:
        return Cause.LOOP, f"the event loop has stood still for {vitals.tick:.0f} s"
    if not vitals.coordinating:
        return Cause.OUTSIDE, "the membership in the consumer group has died"
    if vitals.rebalance > limits.rebalance:
        return Cause.OUTSIDE, f"a rebalance has taken {vitals.rebalance:.0f} s"
    if vitals.handling > limits.handling:
        return Cause.RECORD, f"a record has been in work for {vitals.handling:.0f} s and does not let go"
    # full buffers stop the polls, which is right as long as records wait for an outage, or come to their ends slowly
    if min(vitals.poll, vitals.settled) > limits.poll and not vitals.waiting:
        return Cause.OUTSIDE, f"no record was asked for in {vitals.poll:.0f} s"
    if vitals.fetching > limits.fetching:
        return Cause.OUTSIDE, f"a partition that has records has brought none for {vitals.fetching:.0f} s"
    if vitals.committing > limits.committing:
        return Cause.OUTSIDE, f"work that is done was not committed for {vitals.committing:.0f} s"
    return None


def closed_gates(*, joined: bool, flowing: bool, waiting: bool) -> tuple[WaitReason, ...]:
    """The reasons why an app processes nothing; none when it does. `flowing`: no rebalance is in progress."""
    gates = ((WaitReason.STARTING, not joined), (WaitReason.REBALANCE, not flowing), (WaitReason.OUTAGE, waiting))
    return tuple(reason for reason, closed in gates if closed)


class Watchdog:
    """Watches one app from a thread of its own; ends the process by force when it stalls."""

    def __init__(self, app: ScribeApp, event_loop: EventLoop, limits: WatchdogLimits | None = None) -> None:
        self._app = app
        self._event_loop = event_loop
        self._limits = limits or WatchdogLimits()
        self._ticked = time.monotonic()
        self._settled = time.monotonic()
        self._stopping: float | None = None
        # None until the first assignment: Faust makes its consumer for the thread that first asks for it
        self._consumer: WatermarkConsumer | None = None
        self._fetching, self._committing = ConsumerProgress[TP](), ConsumerProgress[TP]()
        self._fetch_age = self._commit_age = 0.0
        self._partitions: tuple[PartitionState, ...] = ()

    def start(self) -> None:
        """Start watching; called in the app's event loop."""
        self._app.on_partitions_assigned.connect(self._on_assigned, weak=False)
        self._app.add_future(self._tick())
        self._app.add_future(self._measure())
        self._app.add_future(self._event_loop.follow())
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def vitals(self, now: float) -> LivenessSample:
        """The signs of life at `now` (monotonic seconds)."""
        if self._app.should_stop and self._stopping is None:
            self._stopping = now
        consumer = self._consumer
        return LivenessSample(
            tick=now - self._ticked,
            poll=now - consumer.last_poll if consumer else 0.0,
            handling=self._event_loop.handling(now),
            settled=self._event_loop.settled(now),
            rebalance=now - self._settled,
            fetching=self._fetch_age,
            committing=self._commit_age,
            stopping=None if self._stopping is None else now - self._stopping,
            coordinating=consumer is None or consumer.coordinating,
            waiting=self._event_loop.waiting is not None,
        )

    def fatal_reason(self) -> str | None:
        """The reason why the process is about to end."""
        return stall_reason(self.vitals(time.monotonic()), self._limits)

    def not_ready(self) -> str | None:
        """The reason why the process is not working now."""
        if self._consumer is None:
            return "not yet in the consumer group"
        return self._event_loop.waiting

    def waits(self) -> WaitReport:
        """The report of waiting work, with reasons; partitions as of the last look."""
        closed = closed_gates(
            joined=self._consumer is not None,
            flowing=self._consumer is None or self._consumer.flow_active,
            waiting=self._event_loop.waiting is not None,
        )
        gates = tuple(ClosedGate(self._app.conf.id, reason) for reason in closed)
        return WaitReport(self._event_loop.held(time.monotonic()), gates, self._partitions)

    async def _tick(self) -> None:
        while not self._app.should_stop:
            self._ticked = time.monotonic()
            # before the first assignment Faust does not call it a rebalance
            if not self._app.rebalancing:
                self._settled = self._ticked
            await asyncio.sleep(1.0)

    async def _measure(self) -> None:
        while not self._app.should_stop:
            await asyncio.sleep(self._limits.measure)
            if self._consumer is not None:
                await self._observe(self._consumer)

    async def _observe(self, consumer: WatermarkConsumer) -> None:
        """Observe each partition; while records wait, or the broker does not answer, standing still is no stall."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                fetching = await consumer.fetching()
        except (TimeoutError, KafkaError) as error:
            log.info("the ends of the partitions are not known: %s", error)
            fetching = {}
        now = time.monotonic()
        unable = self._event_loop.waiting is not None or not consumer.flow_active or not fetching
        # full buffers stop the polls, about which there is a rule of its own
        excused = unable or now - consumer.last_poll > FULL_SECONDS
        committing = consumer.committing()
        self._fetch_age = self._fetching.observe(fetching, now, excused=excused)
        self._commit_age = self._committing.observe(committing, now, excused=unable)
        app = self._app.conf.id
        self._partitions = tuple(
            _state(app, tp, committing.get(tp), place, consumer.in_hand(tp)) for tp, place in fetching.items()
        )
        lag = sum(
            Place(committing[tp].reached if tp in committing else place.reached, place.goal).behind
            for tp, place in fetching.items()
        )
        metrics.CONSUMER_LAG.labels(group=app).set(lag if fetching else float("nan"))
        metrics.CONSUMER_PARTITIONS.labels(group=app).set(len(consumer.assignment()))
        metrics.CONSUMER_UNCOMMITTED.labels(group=app).set(self._commit_age)

    async def _on_assigned(self, *_: object, **__: object) -> None:
        self._consumer = self._app.watermarks
        metrics.REBALANCES.labels(group=self._app.conf.id).inc()

    def _watch(self) -> None:
        while True:
            vitals = self.vitals(time.monotonic())
            if reason := stall_reason(vitals, self._limits):
                self._say_why(cause(vitals, self._limits))
                end_by_force(reason)
            time.sleep(CHECK_SECONDS)

    def _say_why(self, why: Cause | None) -> None:
        # which of those in work holds the loop is found by the next process, which runs them one by one
        if why is not Cause.LOOP:
            self._event_loop.last_words(of_work=why is Cause.RECORD)


def _state(group: str, tp: TP, done: Place | None, fetched: Place, in_hand: int) -> PartitionState:
    """A partition with the number of its unfinished records: offsets would count control markers too."""
    reached = fetched.reached if done is None else done.reached
    return PartitionState(group, tp.topic, tp.partition, reached, in_hand)
