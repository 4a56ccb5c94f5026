"""Mistakes planted into real processes; nothing of it is in the service.

tests.chaos.launch calls `plant` before the process runs, so that all else of it is as it is.
"""

import os
import signal
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any
from uuid import uuid4

from tests.chaos import mistakes_of_askers
from tests.chaos.planting import FIRST_LIFE, Mistake, death, put


def plant(names: str, what: str) -> None:
    """Put mistakes (their names, separated by commas) into this process of kind `what`."""
    for name in names.split(","):
        mistake = MISTAKES[name]
        if mistake.into == what:
            mistake.plant()


def _offsets_first() -> None:
    from gpu_consumers.kafka.transactional_producer import TransactionalProducer

    commit, die = TransactionalProducer.commit, death(1)  # a slow broker may have few commits for all jobs

    def offsets_first(self: Any, records: Sequence[Any], groups: Sequence[Any]) -> None:
        commit(self, [], groups)
        if records:
            die()
            commit(self, records, [])

    put(TransactionalProducer, "commit", offsets_first)


def _outside(chosen: Callable[[Any], bool], passes: int) -> None:
    """Records that do not belong to the transaction that moves the offsets."""
    from gpu_consumers.kafka.transactional_producer import TransactionalProducer
    from producers.kafka.publisher import Publisher
    from schemas.settings.kafka import KafkaSettings
    from schemas.settings.loading import load

    commit, die, publisher = TransactionalProducer.commit, death(passes), Publisher(load(KafkaSettings))

    def outside(self: Any, records: Sequence[Any], groups: Sequence[Any]) -> None:
        if loose := [record for record in records if chosen(record)]:
            publisher.publish(*loose)
            die()
        commit(self, [record for record in records if not chosen(record)], groups)

    put(TransactionalProducer, "commit", outside)


def _results_outside() -> None:
    _outside(lambda record: record.topic.endswith(".results"), 4)


def _retries_outside() -> None:
    _outside(lambda record: ".retry." in record.topic, 2)


def _read_uncommitted() -> None:
    from gpu_consumers import service
    from gpu_consumers.runtime import poll_loop

    config = poll_loop.consumer_config
    put(service, "consumer_config", lambda *args: {**config(*args), "isolation.level": "read_uncommitted"})


def _dies_inside() -> None:
    """No mistake: the process dies in a transaction whose records the broker has."""
    from gpu_consumers.kafka.transactional_producer import TransactionalProducer

    commit, counted = TransactionalProducer.commit, count(1)

    def dies(self: Any, records: Sequence[Any], groups: Sequence[Any]) -> None:
        wanted = any(record.topic.endswith(".transcripts") for record in records)
        if wanted and next(counted) == 3 and os.environ.get("CHAOS_LIFE") == FIRST_LIFE:
            self._producer.begin_transaction()
            for record in records:
                self._producer.produce(record.topic, record.value, record.key)
            self._producer.flush(5)
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self, records, groups)

    put(TransactionalProducer, "commit", dies)


def _narrow() -> None:
    """No mistake: after its first life the process takes one record at a time, which bares what is wrong with bitmaps."""
    from gpu_consumers.runtime.intake import Intake

    if os.environ.get("CHAOS_LIFE") != FIRST_LIFE:
        put(Intake, "_full", lambda self: self._assignment.in_flight >= 1)


def _pruned() -> None:
    from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position

    def position(self: Any, finishing: Any = ()) -> Position:
        finished = self._done.union(finishing)
        unfinished = self.in_flight - finished
        base = min(unfinished) if unfinished else max(self._base, self._next)
        return Position(base, frozenset(offset for offset in finished if offset > base))

    put(PartitionOffsets, "position", position)


def _no_bitmap() -> None:
    from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position

    sound = PartitionOffsets.position

    def position(self: Any, finishing: Any = ()) -> Position:
        return Position(sound(self, finishing).base)

    put(PartitionOffsets, "position", position)


def _past_in_flight() -> None:
    from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position

    def position(self: Any, finishing: Any = ()) -> Position:
        return Position(max(self._base, self._next), frozenset())

    put(PartitionOffsets, "position", position)


def _foreign_trusted() -> None:
    from gpu_consumers.core.delivery import offsets

    put(offsets, "parts_of", lambda metadata: (metadata.split(":", 1)[-1], "", "") if metadata else ("", "", ""))


def _marks_stay() -> None:
    from gpu_consumers.core.delivery.crash_suspects import CrashSuspects

    marks = CrashSuspects.marks
    put(CrashSuspects, "marks", lambda self, finishing=(), *, leaving=False: marks(self, finishing))
    put(CrashSuspects, "abandon", lambda self, offset: None)


def _id_of_first_run() -> None:
    from gpu_consumers.engines import fake
    from schemas.events import event_id

    put(fake, "event_id", lambda job_id, kind, run, subject="": event_id(job_id, kind, 1, subject))


def _random_ids() -> None:
    from gpu_consumers.engines import fake

    put(fake, "event_id", lambda *_: uuid4())


def _letter_without_bytes() -> None:
    from dataclasses import replace

    from gpu_consumers.core.delivery.error_policy import ErrorPolicy, without_value

    dead = ErrorPolicy._dead

    def without(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = dead(self, *args, **kwargs)
        return replace(found, forwards=tuple(map(without_value, found.forwards)))

    put(ErrorPolicy, "_dead", without)


def _marked_first() -> None:
    from producers.relay import Relay

    relay, die = Relay._relay, death(3)

    async def marked_first(self: Any, session: Any, rows: Any) -> int:
        await session.mark_published(rows)
        die()
        return await relay(self, session, rows)

    put(Relay, "_relay", marked_first)


def _not_remembered() -> None:
    from sink.jobs import results

    async def nothing(*_: Any) -> None:
        """Forgets what was applied."""

    put(results, "_remember", nothing)


def _acks_first() -> None:
    import asyncio

    from streams.agents.persist import Persist

    ended, later = Persist.ended, set()

    async def acks_first(self: Any, event: Any) -> str:
        async def work() -> None:
            await asyncio.sleep(2.5)
            await ended(self, event)

        later.add(asyncio.create_task(work()))
        return "applied"

    put(Persist, "ended", acks_first)


def _other_end() -> None:
    from streams.agents.persist import Persist

    async def requested(self: Any, event: Any) -> str:
        """Begins a job anew whenever it is asked for."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "INSERT INTO job_events (job_id, run, state) SELECT job_id, 1, 'queued' FROM jobs WHERE job_id = %s",
                [event.job_id],
            )
        return str(await self._requests.add(event))

    put(Persist, "requested", requested)


def _no_gate() -> None:
    from streams.webhooks.dispatcher import Deliveries

    lease = Deliveries.lease

    async def opened(self: Any, connection: Any, free: int, own: Any) -> Any:
        await connection.execute("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE next_attempt_at IS NULL")
        return await lease(self, connection, free, own)

    put(Deliveries, "lease", opened)


def _posts_twice() -> None:
    from streams.webhooks import dispatcher
    from streams.webhooks.attempt import attempt

    async def twice(*args: Any) -> Any:
        await attempt(*args)
        return await attempt(*args)

    put(dispatcher, "attempt", twice)


MISTAKES: dict[str, Mistake] = {
    "offsets before results": Mistake("gpu", _offsets_first),
    "results outside the transaction": Mistake("gpu", _results_outside),
    "retries outside the transaction": Mistake("gpu", _retries_outside),
    "reads uncommitted": Mistake("gpu", _read_uncommitted),
    "narrow": Mistake("gpu", _narrow),
    "dies inside": Mistake("gpu", _dies_inside),
    "restored bitmap is pruned": Mistake("gpu", _pruned),
    "bitmap is not written": Mistake("gpu", _no_bitmap),
    "offsets past work in flight": Mistake("gpu", _past_in_flight),
    "foreign metadata is trusted": Mistake("gpu", _foreign_trusted),
    "marks stay after a drain": Mistake("gpu", _marks_stay),
    "a second run reuses the id": Mistake("gpu", _id_of_first_run),
    "event ids are random": Mistake("gpu", _random_ids),
    "dead letters without bytes": Mistake("gpu", _letter_without_bytes),
    "the relay marks first": Mistake("relay", _marked_first),
    "persist forgets what it applied": Mistake("persist", _not_remembered),
    "persist acks first": Mistake("persist", _acks_first),
    "a job begins twice": Mistake("persist", _other_end),
    "webhooks have no gate": Mistake("dispatch", _no_gate),
    "webhooks are posted twice": Mistake("dispatch", _posts_twice),
    **mistakes_of_askers.MISTAKES,
}
