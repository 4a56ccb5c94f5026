"""The event loop of all agents: handles a record, waits during outages, dead-letters what can never work, acks last.

1. the handler's effect, 2. or the copy in the dead-letter topic, confirmed by the broker, and what follows from it,
3. then the ack. What ended processes before does not come to its handler any more (streams/runtime/last_resort.py).
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import psycopg
from faust.types import TP
from pydantic import ValidationError

from schemas import metrics
from schemas.errors import Fatal, InvalidEvent, Outage, Permanent, Poison, Transient
from schemas.events import Event
from schemas.process import logs
from schemas.process.failpoints import failpoint
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import Waiting
from schemas.retries.schedules import RECORDS
from schemas.topics import PROGRESS, dlq_topic
from schemas.wire.headers import (
    RESULTS_TO,
    TRACEPARENT,
    is_for,
)
from schemas.wire.serde import Serde
from sink.process import tracing
from sink.process.span_names import of_record
from streams.kafka.record_batches import Unreadable
from streams.kafka.transport import ScribeApp
from streams.runtime.dead_letters import DeadLetterReason, DeadLetterWriter, after_error
from streams.runtime.inbound import InboundRecord, inbound_of, log_fields, log_fields_of_event, release_contents
from streams.runtime.last_resort import SKIPS_SECONDS, LastResort, ResortVerdict, Subject
from streams.runtime.memory_budget import MemoryBudget

log = logging.getLogger(__name__)

E = TypeVar("E", bound=Event)
T = TypeVar("T")
Handler = Callable[[E], Awaitable[str]]
"""Brings one event to its end and names the effect; raises Outage, Transient, Permanent or Poison."""

OnDeadLetter = Callable[[E, "DeadLetterReason"], Awaitable[None]]
"""What else is done for an event once its dead letter is written; raises Outage to be called again."""

IN_WORK_BYTES = 8_000_000  # of records, which take about ten times as much when decoded
HANDLER_SECONDS = 60.0  # below the rebalance timeout, which waits for handlers
_TOO_SLOW = f"no effect within {HANDLER_SECONDS:g} s"


class EventLoop:
    """Runs the agents of one app; `dlq` defaults to the dead-letter topic of the app's group.

    Without a `resort` a record that crashes a process crashes each one that receives it.
    """

    def __init__(
        self, app: ScribeApp, serde: Serde, group: str, dlq: str | None = None, resort: LastResort | None = None
    ) -> None:
        self._app = app
        self._serde = serde
        self._group = group
        self._dead_letters = DeadLetterWriter(app, dlq or dlq_topic(group), group)
        self._waits: dict[object, str] = {}
        self._waits_since: dict[object, float] = {}
        self._begun: dict[object, tuple[float, Subject | None]] = {}
        self._settled_at = time.monotonic()
        self._effect_at = self._settled_at
        self._in_work = MemoryBudget(IN_WORK_BYTES)
        self._resort = resort or LastResort(None)
        app.on_partitions_revoked.connect(self._revoked, weak=False)

    @property
    def waiting(self) -> str | None:
        """The reason why records are waiting, None when none is."""
        return next(iter(self._waits.values()), None)

    def held(self, now: float) -> tuple[Waiting, ...]:
        """The number of records that wait at `now` (monotonic seconds), by reason."""
        suspects, others = self._resort.waiting
        away = len(self._waits)
        oldest = max((now - since for since in list(self._waits_since.values())), default=0.0)
        found = (
            (WaitReason.OUTAGE, away, oldest),
            (WaitReason.SUSPECT, suspects, 0.0),
            (WaitReason.ISOLATION, others, 0.0),
            (WaitReason.MEMORY_BUDGET, self._in_work.waiting, 0.0),
        )
        return tuple(Waiting(self._group, reason, number, age) for reason, number, age in found if number)

    def handling(self, now: float) -> float:
        """The age of the oldest attempt at a record at `now` (monotonic seconds); normally short."""
        return max((now - begun for begun, _ in list(self._begun.values())), default=0.0)

    def last_words(self, *, of_work: bool) -> None:
        """Note the record at fault before a forced end, from another thread: the oldest attempt, if it is `of_work`."""
        begun = sorted((since, subject) for since, subject in list(self._begun.values()) if subject is not None)
        self._resort.last_words(begun[0][1] if of_work and begun else None)

    async def follow(self) -> None:
        """Follow the operators' skip orders until the app stops."""
        while not self._app.should_stop:
            with suppress(Outage):
                await self._resort.refresh()
            await self._app.sleep(SKIPS_SECONDS)

    async def leave(self) -> None:
        """Note that the process ends cleanly, except for records already noted at fault."""
        await self._resort.leave()

    async def _revoked(self, *arguments: Any, **_: Any) -> None:
        await self._resort.revoked(set(arguments[-1]))

    def settled(self, now: float) -> float:
        """The time since a record was last completed."""
        return now - self._settled_at

    async def run(
        self,
        stream: Any,
        cls: type[E],
        handler: Handler[E],
        on_dead_letter: OnDeadLetter[E] | None = None,
        answer: Handler[Any] | None = None,
    ) -> None:
        """The body of an agent that reads events of class `cls`; `answer` handles the failed ends of invalid events.

        Without it such a record is set aside like any other that can never be applied.
        """
        work = _Work(cls, handler, on_dead_letter, answer)
        async for event in stream.noack().events():
            await self._met(event, work)
            release_contents(event.message)

    async def _met(self, event: Any, work: "_Work[E]") -> None:
        """Complete a delivery, and ack it unless it is left to another process."""
        inbound = inbound_of(event.message)
        failpoint("streams.after_receive")
        # the job of a record whose result goes elsewhere is none of the database's either
        if not is_for(inbound.headers, self._group) or RESULTS_TO in inbound.headers:
            metrics.RECORDS_PROCESSED.labels(group=self._group, outcome="not_ours").inc()
            event.ack()
            return
        timed = metrics.RECORD_SECONDS.labels(group=self._group).time()
        with logs.bound(**log_fields(inbound)), timed, _span(inbound, self._group):
            settled = await self._settle(inbound, work)
        if not settled:
            self._app.watermarks.abandon(event.message)
            return
        event.ack()
        failpoint("streams.after_ack")

    async def _settle(self, inbound: InboundRecord, work: "_Work[E]") -> bool:
        """Complete a record; False when its partition is revoked or the app stops before that."""
        subject = inbound.subject
        if not self._resort.has(subject) and await self._retry_until_settled(lambda _: self._claimed(subject)) is None:
            return False
        if self._resort.is_settled(subject):
            return self._counted("set_aside_before")
        refusal = inbound.refusal
        if refusal is not None and not self._resort.is_named(subject):
            # nothing of it is run, so it may be beside whatever is: there can be very many
            letter = DeadLetterReason("poison", "undecodable", refusal)
            refused = await self._retry_until_settled(lambda _: self._refused(inbound, subject, letter))
            return refused is not None and self._counted("dead_lettered")
        if await self._retry_until_settled(lambda _: self._judged(subject)) is None:
            return False
        end = await self._retry_until_settled(lambda tries: self._attempt(inbound, work, tries), subject)
        if end is None:
            return False
        if end.event is not None and end.letter is not None and work.on_dead_letter is not None:
            follow_up = partial(self._followed_up, subject, work.on_dead_letter, end.event, end.letter)
            if await self._retry_until_settled(lambda _: follow_up(), subject) is None:
                return False
        if await self._retry_until_settled(lambda _: self._noted(subject, end)) is None:
            return False
        return self._counted(end.effect)

    def _counted(self, effect: str) -> bool:
        self._settled_at = time.monotonic()
        metrics.RECORDS_PROCESSED.labels(group=self._group, outcome=effect).inc()
        return True

    async def _claimed(self, subject: Subject) -> bool:
        """Load the known marks of a partition before its first record runs."""
        committed = self._app.watermarks.unfinished_from(TP(*subject.partition), subject.place.offset)
        await self._resort.claim(subject, committed)
        return True

    async def _followed_up(
        self, subject: Subject, on_dead_letter: OnDeadLetter[E], event: E, letter: DeadLetterReason
    ) -> "_End[E]":
        """Run the follow-up of a written dead letter, unless an operator skips the record that waits for it.

        An order that is older than the dead letter has brought that about, and asks for what follows.
        """
        if letter.code != "skipped" and self._resort.is_skipped(subject):
            log.error("the dead letter stays without its consequence: an operator skips it")
            return _End("skipped")
        return await _tell(on_dead_letter, event, letter)

    async def _judged(self, subject: Subject) -> bool:
        await self._resort.judge(subject, self._is_over)
        return True

    async def _refused(self, inbound: InboundRecord, subject: Subject, letter: DeadLetterReason) -> bool:
        log.error("dead letter: %s: %s", letter.code, letter.message)
        await self._dead_letters.write(inbound, letter)
        self._resort.set_aside_soon(subject, self._app.watermarks.confirmed(TP(*subject.partition)))
        return True

    async def _noted(self, subject: Subject, end: "_End[E]") -> bool:
        """Store what the end of a record implies for its own mark and those of others."""
        if end.letter is None:
            await self._resort.ended_well(subject)
        else:
            await self._resort.set_aside(subject, self._app.watermarks.confirmed(TP(*subject.partition)))
        return True

    def _is_over(self) -> bool:
        """Whether the partition is revoked, or the app stops."""
        return not self._app.watermarks.flow_active or self._app.should_stop

    async def _retry_until_settled(
        self, step: Callable[[int], Awaitable[T]], subject: Subject | None = None
    ) -> T | None:
        """The result of `step`, given the number of its try, repeated during outages; None without time for that.

        With a `subject` it is an attempt at that record, and has its turn among others.
        """
        waits = failures = 0
        try:
            while True:
                try:
                    async with self._resort.running(subject) as waited:
                        if waited and self._is_over():
                            return None
                        self._begun[step] = (time.monotonic(), subject)
                        return await step(failures + 1)
                except (Outage, Transient) as error:
                    failures += isinstance(error, Transient)
                    # many records wait for the same thing: one of them says so
                    level = logging.DEBUG if str(error) in self._waits.values() else logging.WARNING
                    self._waits[step] = str(error)
                    self._waits_since.setdefault(step, time.monotonic())
                    log.log(level, "waiting: %s", error)
                finally:
                    self._begun.pop(step, None)
                if not await self._pause(waits):
                    return None
                waits += 1
        finally:
            self._waits.pop(step, None)
            self._waits_since.pop(step, None)

    async def _attempt(self, inbound: InboundRecord, work: "_Work[E]", tries: int) -> "_End[E]":
        """The end of a record, possibly its dead letter; raises Outage or Transient when it must wait."""
        if (verdict := self._resort.verdict(inbound.subject)) is not None:
            return await self._unrun(inbound, work, verdict)
        event: E | None = None
        try:
            async with self._turn(len(inbound.value or b"")):
                event, handle = await self._decoded(inbound, work)
                with logs.bound(attempt=tries, **log_fields_of_event(event)):
                    effect = await handle(event)
                    failpoint("streams.after_effect")
            self._effect_at = time.monotonic()
            await self._resort.handled(inbound.subject)
            return _End(effect)
        except Fatal:
            raise
        # whatever else a handler raises belongs to its record, which must not stop the others
        except Exception as error:
            letter = after_error(error, tries)
            if letter is None:
                raise
            if isinstance(error, InvalidEvent) and isinstance(error.answer, work.cls):
                event = error.answer
            expected = isinstance(error, (Transient, Permanent, Poison))
            private = isinstance(error, (psycopg.Error, ValidationError))  # their traceback ends with the values
            with logs.bound(attempt=tries, **(log_fields_of_event(event) if event else {})):
                log.error("dead letter: %s: %s", letter.code, letter.message, exc_info=not (expected or private))
            await self._dead_letters.write(inbound, letter)
            return _End("dead_lettered", event, letter)

    @asynccontextmanager
    async def _turn(self, size: int) -> AsyncIterator[None]:
        """Context of a handler: memory for its record of `size` bytes, and limited time.

        Raises Transient where its record alone takes longer, since others had their effect meanwhile; else Outage.
        """
        begun = math.inf
        try:
            async with asyncio.timeout(HANDLER_SECONDS), self._in_work.taken(size):
                begun = time.monotonic()
                yield
        except TimeoutError as error:
            if self._effect_at > begun:
                raise Transient(f"{_TOO_SLOW}, while other records had theirs") from error
            raise Outage(_TOO_SLOW) from error

    async def _unrun(self, inbound: InboundRecord, work: "_Work[E]", verdict: ResortVerdict) -> "_End[E]":
        """Dead-letter a record without its handler; its readable content determines the follow-up."""
        event: E | None = None
        if not verdict.bare:
            try:
                event = await self._event(inbound, work.cls)
            except InvalidEvent as error:
                event = error.answer if isinstance(error.answer, work.cls) else None
            except Poison:
                event = None
        letter = DeadLetterReason(
            "poison" if verdict.code == "quarantined" else "internal", verdict.code, verdict.message
        )
        log.error("dead letter: %s: %s", letter.code, letter.message)
        await self._dead_letters.write(inbound, letter)
        return _End(verdict.code, event, letter)

    async def _decoded(self, inbound: InboundRecord, work: "_Work[E]") -> "tuple[Any, Handler[Any]]":
        """The event and its handler, or the failed end that replaces an invalid event."""
        try:
            return await self._event(inbound, work.cls), work.handler
        except InvalidEvent as error:
            if work.answer is None or error.answer is None:
                raise
            log.warning("its job fails: %s", error.reason.message)
            return error.answer, work.answer

    async def _event(self, inbound: InboundRecord, cls: type[E]) -> E:
        if isinstance(inbound.value, Unreadable):
            raise Poison(inbound.value.reason)
        # in a thread: a registry may be asked for the schema
        return await asyncio.to_thread(self._serde.decode, inbound.value, cls)

    async def _pause(self, waits: int) -> bool:
        """Back off; False when the record no longer belongs to this process."""
        await self._app.sleep(RECORDS.wait(waits + 1, random.random()))  # noqa: S311 - spreads load, no secret
        return not self._is_over()


@dataclass(frozen=True, slots=True)
class _Work(Generic[E]):
    """The handlers of an agent."""

    cls: type[E]
    handler: Handler[E]
    on_dead_letter: OnDeadLetter[E] | None
    answer: Handler[Any] | None = None


@dataclass(frozen=True, slots=True)
class _End(Generic[E]):
    """The end of a record: the effect, and the event with its dead letter if there is one."""

    effect: str
    event: E | None = None
    letter: DeadLetterReason | None = None


async def _tell(on_dead_letter: OnDeadLetter[E], event: E, letter: DeadLetterReason) -> _End[E]:
    """Run the follow-up of a written dead letter; its errors are only logged."""
    try:
        async with asyncio.timeout(HANDLER_SECONDS):
            with logs.bound(**log_fields_of_event(event)):
                await on_dead_letter(event, letter)
    except (Outage, Fatal):
        raise
    except TimeoutError as error:
        raise Outage(_TOO_SLOW) from error
    except (Permanent, Poison) as error:  # where it came from says nothing: it is the record's own making
        log.warning("the dead letter stays without its consequence: %s", error)
    except Exception:  # the record is safe in its dead letter; the others must go on
        log.exception("the dead letter stays without its consequence")
    return _End("dead_lettered")


def _span(inbound: InboundRecord, group: str) -> AbstractContextManager[object]:
    """The span of a record; none for progress, of which there is more than anybody reads."""
    origin = inbound.origin
    if origin.topic == PROGRESS:
        return nullcontext()
    names = of_record(origin.topic, origin.partition, origin.offset, group)
    parent = inbound.headers.get(TRACEPARENT)
    return tracing.span(f"process {origin.topic}", "consumer", parent=parent, attributes=names)
