"""Proves the checker: it sees every planted mistake, and accuses nobody in the same run without it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local.stack import Stack
from schemas import topics
from tests.chaos.names import renamed
from tests.chaos.parts import Parts
from tests.chaos.planted import BUGS, Bug
from tests.chaos.run import Result, Run

FOREIGN_BITS = 64  # offsets that a foreign bitmap calls finished


@dataclass(frozen=True)
class Proof:
    """What became of a mistake: whether its promise was broken with it, and without it."""

    name: str
    caught: bool
    accused: bool | None
    """None: not tried."""
    first: str = ""

    @property
    def holds(self) -> bool:
        """Whether it was seen, and nothing else was."""
        return self.caught and not self.accused


def proven(name: str, stack: Stack, folder: Path, say: Console, *, sound_too: bool) -> Proof:
    """Run with one mistake, and on request without it."""
    bug = BUGS[name]
    broken = _run(bug, name, stack, folder / "planted", say).broken.get(bug.promise, ())
    accused = None
    if sound_too:
        accused = bug.promise in _run(bug, "", stack, folder / "sound", say).broken
    return Proof(name, bool(broken), accused, broken[0] if broken else "")


def _run(bug: Bug, mistake: str, stack: Stack, folder: Path, say: Console) -> Result:
    return Run(
        bug.plan,
        stack,
        folder,
        f"proof-{uuid4().hex[:8]}",
        say,
        planted=",".join(filter(None, (bug.beside, mistake))),
        partitions=bug.partitions,
        workers=bug.workers,
        processes=bug.processes,
        patience=bug.patience,
        prepare=_foreign if bug.foreign_metadata else _nothing,
        extra=bug.extra,
        failpoints=bug.failpoints,
    ).done()


def _nothing(_: Parts) -> None:
    """Before most runs."""


def _foreign(parts: Parts) -> None:
    """Somebody else committed for our group, with metadata of their own."""
    group = renamed(topics.TRANSCRIBERS, parts.prefix)
    consumer = Consumer({"bootstrap.servers": parts.stack.kafka_bootstrap, "group.id": group})
    bitmap = base64.b64encode(b"r" + b"\xff" * (FOREIGN_BITS // 8)).decode()
    place = TopicPartition(renamed(topics.JOBS, parts.prefix), 0, 0, metadata=f"other:{bitmap}")
    consumer.commit(offsets=[place], asynchronous=False)
    consumer.close()


def shown(proofs: list[Proof]) -> Table:
    """The proofs as a table."""
    table = Table("mistake", "promise", "seen", "without it", title="Planted mistakes", title_justify="left")
    for proof in proofs:
        seen = Text("seen", "green") if proof.caught else Text("NOT SEEN", "bold red")
        without = {None: Text("-"), False: Text("held", "green"), True: Text("ACCUSED", "bold red")}[proof.accused]
        table.add_row(proof.name, BUGS[proof.name].promise, seen, without)
    return table


Told = Callable[[Proof], None]


def all_proven(stack: Stack, folder: Path, say: Console, report: Told) -> list[Proof]:
    """Every mistake, one after the other on one stack."""
    proofs = []
    for number, name in enumerate(BUGS):
        proofs.append(proven(name, stack, folder / str(number), say, sound_too=True))
        report(proofs[-1])
    return proofs
