"""The runs that bare planted mistakes: with each of them the checker must see its promise broken, and without it held."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plan import Door, Fault, Kind, Plan, Shares


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
    "jobs are announced later": Bug(
        "every job that the REST door accepted has its row and its record",
        _plan(6, 1, door=Door.REST),
        processes=("gpu-0", "api", "relay", "persist"),
    ),
    "the door takes ids of its own": Bug(
        "a request that is sent again makes no second job",
        _plan(6, 1, door=Door.REST),
        processes=("gpu-0", "api", "relay", "persist"),
        patience=3,
    ),
    "a cancel is only marked": Bug(
        "every cancel that was accepted reaches the GPU processes",
        _plan(6, 1, door=Door.REST, rest_cancel=1.0, work=0.5),
        processes=("gpu-0", "api", "relay", "persist"),
    ),
    "a cancel ends its job at the door": Bug(
        "the row of a job agrees with the first visible result of its last run",
        _plan(6, 1, door=Door.REST, rest_cancel=1.0, work=0.5),
        processes=("gpu-0", "api", "relay", "persist"),
    ),
    "cancels are not heard": Bug("a cancelled job stops within seconds", _plan(8, 0.5, cancel=1.0, work=1.5)),
    "a replay that goes on begins anew": Bug(
        "whoever asks for a new run gets one, and only one",
        _plan(8, 1, replays=1, replay=1.0, replay_breaks=("replay.after_publish",)),
        processes=("gpu-0", "persist"),
    ),
    "large results are not kept": Bug(
        "every transcript that is named is there, and no other",
        _plan(4, 0.5, large=1.0),
        processes=("gpu-0", "persist"),
    ),
}
