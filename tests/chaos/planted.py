"""Mistakes planted into real processes, and the short run in which the checker must see each; nothing of it is in the service.

tests.chaos.launch calls `plant` before the process runs, so that all else of it is as it is.
"""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

from tests.chaos.plan import Door, Fault, Kind, Plan, Shares

FIRST_LIFE = "1"


def plant(names: str, what: str) -> None:
    """Put mistakes (their names, separated by commas) into this process of kind `what`."""
    for name in names.split(","):
        mistake = MISTAKES[name]
        if mistake.into == what:
            mistake.plant()


def _death(passes: int) -> Callable[[], None]:
    """A call that ends the process when it is made so often, unless it was started again."""
    counted = count(1)

    def call() -> None:
        if next(counted) == passes and os.environ.get("CHAOS_LIFE") == FIRST_LIFE:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def _put(where: Any, name: str, instead: Any) -> None:
    setattr(where, name, instead)


def _offsets_first() -> None:
    from gpu_consumers.transactions import TransactionalProducer

    commit, die = TransactionalProducer.commit, _death(4)

    def offsets_first(self: Any, records: Sequence[Any], groups: Sequence[Any]) -> None:
        commit(self, [], groups)
        if records:
            die()
            commit(self, records, [])

    _put(TransactionalProducer, "commit", offsets_first)


def _outside(chosen: Callable[[Any], bool], passes: int) -> None:
    """Records that do not belong to the transaction that moves the offsets."""
    from gpu_consumers.transactions import TransactionalProducer
    from producers.publisher import Publisher
    from schemas.settings import KafkaSettings, load

    commit, die, publisher = TransactionalProducer.commit, _death(passes), Publisher(load(KafkaSettings))

    def outside(self: Any, records: Sequence[Any], groups: Sequence[Any]) -> None:
        if loose := [record for record in records if chosen(record)]:
            publisher.publish(*loose)
            die()
        commit(self, [record for record in records if not chosen(record)], groups)

    _put(TransactionalProducer, "commit", outside)


def _results_outside() -> None:
    _outside(lambda record: record.topic.endswith(".results"), 4)


def _retries_outside() -> None:
    _outside(lambda record: ".retry." in record.topic, 2)


def _read_uncommitted() -> None:
    from gpu_consumers import consumer, service

    config = consumer.consumer_config
    _put(service, "consumer_config", lambda *args: {**config(*args), "isolation.level": "read_uncommitted"})


def _dies_inside() -> None:
    """No mistake: the process dies in a transaction whose records the broker has."""
    from gpu_consumers.transactions import TransactionalProducer

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

    _put(TransactionalProducer, "commit", dies)


def _narrow() -> None:
    """No mistake: after its first life the process takes one record at a time, which bares what is wrong with bitmaps."""
    from gpu_consumers.consumer import GroupConsumer

    if os.environ.get("CHAOS_LIFE") != FIRST_LIFE:
        _put(GroupConsumer, "_full", lambda self: self._assignment.in_flight >= 1)


def _pruned() -> None:
    from gpu_consumers.core.offsets import PartitionOffsets, Position

    def position(self: Any, finishing: Any = ()) -> Position:
        finished = self._done.union(finishing)
        unfinished = self.in_flight - finished
        base = min(unfinished) if unfinished else max(self._base, self._next)
        return Position(base, frozenset(offset for offset in finished if offset > base))

    _put(PartitionOffsets, "position", position)


def _no_bitmap() -> None:
    from gpu_consumers.core.offsets import PartitionOffsets, Position

    sound = PartitionOffsets.position

    def position(self: Any, finishing: Any = ()) -> Position:
        return Position(sound(self, finishing).base)

    _put(PartitionOffsets, "position", position)


def _past_in_flight() -> None:
    from gpu_consumers.core.offsets import PartitionOffsets, Position

    def position(self: Any, finishing: Any = ()) -> Position:
        return Position(max(self._base, self._next), frozenset())

    _put(PartitionOffsets, "position", position)


def _foreign_trusted() -> None:
    from gpu_consumers.core import offsets

    _put(offsets, "_parts", lambda metadata: (metadata.split(":", 1)[-1], "") if metadata else ("", ""))


def _marks_stay() -> None:
    from gpu_consumers.core.starts import Starts

    marks = Starts.marks
    _put(Starts, "marks", lambda self, finishing=(), *, leaving=False: marks(self, finishing))
    _put(Starts, "abandon", lambda self, offset: None)


def _id_of_first_run() -> None:
    from gpu_consumers import fake
    from schemas.events import event_id

    _put(fake, "event_id", lambda job_id, kind, run, subject="": event_id(job_id, kind, 1, subject))


def _random_ids() -> None:
    from gpu_consumers import fake

    _put(fake, "event_id", lambda *_: uuid4())


def _letter_without_bytes() -> None:
    from dataclasses import replace

    from gpu_consumers.core.settle import SettlePolicy, without_value

    dead = SettlePolicy._dead

    def without(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = dead(self, *args, **kwargs)
        return replace(found, forwards=tuple(map(without_value, found.forwards)))

    _put(SettlePolicy, "_dead", without)


def _marked_first() -> None:
    from producers.relay import Relay

    relay, die = Relay._relay, _death(3)

    async def marked_first(self: Any, session: Any, rows: Any) -> int:
        await session.mark_published(rows)
        die()
        return await relay(self, session, rows)

    _put(Relay, "_relay", marked_first)


def _not_remembered() -> None:
    from sink import results

    async def nothing(*_: Any) -> None:
        """Forgets what was applied."""

    _put(results, "_remember", nothing)


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

    _put(Persist, "ended", acks_first)


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

    _put(Persist, "requested", requested)


def _no_gate() -> None:
    from streams.dispatcher import Deliveries

    lease = Deliveries.lease

    async def opened(self: Any, connection: Any, free: int, own: Any) -> Any:
        await connection.execute("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE next_attempt_at IS NULL")
        return await lease(self, connection, free, own)

    _put(Deliveries, "lease", opened)


def _posts_twice() -> None:
    from streams import dispatcher
    from streams.attempt import attempt

    async def twice(*args: Any) -> Any:
        await attempt(*args)
        return await attempt(*args)

    _put(dispatcher, "attempt", twice)


@dataclass(frozen=True)
class Mistake:
    """What is planted, into which kind of process."""

    into: str
    plant: Callable[[], None]


@dataclass(frozen=True)
class Bug:
    """A mistake, the promise that it must be seen to break, and the run that bares it; `beside` is no mistake."""

    promise: str
    plan: Plan
    processes: tuple[str, ...] = ("gpu-0",)
    partitions: int = 2
    workers: int = 8
    beside: str = ""
    failpoints: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)
    foreign_metadata: bool = False
    patience: float = 4.0


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
}


def _plan(
    jobs: int = 24, seconds: float = 3, faults: tuple[Fault, ...] = (), *, work: float = 0.2, **more: Any
) -> Plan:
    shares = {"seconds": work, "transient": 0.0, "permanent": 0.0, "undecodable": 0.0, "diarize": 0.0, "webhook": 0.0}
    own = {name: more.pop(name) for name in tuple(more) if name in Shares.__dataclass_fields__}
    return Plan(7, jobs, seconds, Shares(**{**shares, **own}), {}, faults, more.pop("door", Door.KAFKA), **more)


_LONG_FIRST = {0: {"fake-seconds": "3", "fake-outcome": "completed"}}
BUGS: dict[str, Bug] = {
    "offsets before results": Bug("every accepted job has a visible result", _plan(16, 2), patience=3),
    "results outside the transaction": Bug("no record has two visible results", _plan()),
    "retries outside the transaction": Bug("no record is retried or set aside twice", _plan(transient=0.5)),
    "reads uncommitted": Bug(
        "nothing is worked on that was never committed",
        _plan(diarize=1.0),
        beside="dies inside",
    ),
    "restored bitmap is pruned": Bug(
        "no record has two visible results",
        _plan(12, 0.5, (Fault(2.2, Kind.KILL, "gpu-0"),), orders=_LONG_FIRST),
        partitions=1,
        beside="narrow",
        patience=9,
    ),
    "bitmap is not written": Bug(
        "finished work is not done again",
        _plan(12, 0.5, (Fault(2.2, Kind.KILL, "gpu-0"),), orders=_LONG_FIRST),
        partitions=1,
        patience=7,
    ),
    "offsets past work in flight": Bug(
        "every accepted job has a visible result", _plan(24, 2, (Fault(1.5, Kind.KILL, "gpu-0"),), work=1.0)
    ),
    "foreign metadata is trusted": Bug(
        "every accepted job has a visible result", _plan(), partitions=1, foreign_metadata=True
    ),
    "marks stay after a drain": Bug(
        "nobody innocent is set aside",
        _plan(
            1,
            0.5,
            tuple(Fault(at, Kind.DRAIN, "gpu-0") for at in (1.5, 6.5, 11.5)),
            orders={0: {"fake-seconds": "6", "fake-outcome": "completed"}},
        ),
        partitions=1,
        extra={"SCRIBE_DRAIN_SECONDS": "0.2"},
        patience=8,
    ),
    "a second run reuses the id": Bug(
        "every end bears the one id of its job and run", _plan(6, 1, rerun=1.0), processes=("gpu-0", "persist")
    ),
    "event ids are random": Bug("every end bears the one id of its job and run", _plan(6, 1)),
    "dead letters without bytes": Bug(
        "what cannot be decoded is set aside with its bytes", _plan(10, 1, undecodable=0.5)
    ),
    "the relay marks first": Bug(
        "every accepted job has a visible result", _plan(24, 4, door=Door.OUTBOX), processes=("gpu-0", "relay")
    ),
    "persist forgets what it applied": Bug(
        "every end is marked as applied in the transaction that applies it",
        _plan(6, 1),
        processes=("gpu-0", "persist"),
    ),
    "persist acks first": Bug(
        "every job has one row, which tells its end once",
        _plan(24, 4, (Fault(4.5, Kind.KILL, "persist"),)),
        processes=("gpu-0", "persist"),
    ),
    "a job begins twice": Bug(
        "the states of a job are a path of the state machine",
        _plan(6, 1, door=Door.OUTBOX),
        processes=("gpu-0", "persist", "relay"),
    ),
    "webhooks have no gate": Bug(
        "no webhook comes before its result can be read",
        _plan(8, 1, (Fault(0.0, Kind.STOP, "persist", 4),), webhook=1.0),
        processes=("gpu-0", "persist", "webhooks", "dispatch"),
        patience=6,
    ),
    "webhooks are posted twice": Bug(
        "no webhook is sent again without a reason",
        _plan(6, 1, webhook=1.0),
        processes=("gpu-0", "persist", "webhooks", "dispatch"),
    ),
}
