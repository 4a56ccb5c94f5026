"""Last resort of a Faust app: records that crashed their process repeatedly, or that operators skip, are not run.

An exception that leaves the event loop, and a handler that hangs, name their record, which is set aside at the second
time. A process that vanishes leaves only its name: the records that it may have had in progress then run exclusively,
each with a mark before, and one whose process dies twice while it runs so is set aside. Faults that affect every record
quarantine none: until another record ends well, at most one is set aside.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import psycopg
from faust.types import TP

from schemas.errors import Outage, Permanent, Transient
from schemas.wire.headers import Origin
from sink.records.marks import ClaimedRecord, RecordMark, RecordMarks, SettledRecord
from streams.runtime.group_commit import GroupCommit, GroupLimits
from streams.runtime.isolation import SharedExclusiveLock

log = logging.getLogger(__name__)

MOST_DEATHS = 2  # then a record is set aside, with what follows from that for its job
BARE_DEATHS = 3  # then without, for that was what the third process died of
PATIENCE = 10.0  # seconds for another record to end well, which tells that it is not the process
GOODBYE_SECONDS = 5.0
# a batch of a few KB is ten thousand records that are no events, and all of them are set aside
SETTLING = GroupLimits(items=500, running=1)
MOST_SOON = 500  # of those marks, written beside the work; more of them are not written at all
SKIPS_SECONDS = 5.0  # between looks at what operators pass over


@dataclass(frozen=True, slots=True)
class ResortVerdict:
    """The reason why a record is dead-lettered without being run; `bare`: not even decoded, and without follow-up."""

    code: str
    message: str
    bare: bool = False


def digest_of(key: bytes | None, value: bytes | None) -> bytes:
    """A digest that distinguishes a record from another one at the same offset of a recreated topic."""
    return hashlib.sha256(b"%d %b%b" % (len(key or b""), key or b"", value or b"")).digest()[:16]


@dataclass(frozen=True, slots=True)
class Subject:
    """The identity of a record in the last resort."""

    place: Origin
    digest: bytes

    @property
    def partition(self) -> tuple[str, int]:
        """The partition of the record."""
        return self.place.topic, self.place.partition


class LastResort:
    """The last resort of one app in one process. Methods raise Outage; without `marks` no record is ever suspected."""

    def __init__(self, marks: RecordMarks | None, *, patience: float = PATIENCE) -> None:
        self._marks = marks
        self._patience = patience
        self._isolation = SharedExclusiveLock()
        self._claiming = asyncio.Lock()
        self._settling: GroupCommit[SettledRecord, None] = GroupCommit(
            "marks", self._settle, key=lambda settled: settled.place, limits=SETTLING
        )
        self._soon: set[asyncio.Task[None]] = set()
        self._below: dict[tuple[str, int], int] = {}
        self._known: dict[tuple[str, int], dict[int, RecordMark]] = {}
        self._skips: dict[Origin, str] = {}
        self._quarantined: dict[Origin, bool] = {}
        self._proven = False  # since a record was last set aside for deaths
        self._owes_proof = False  # one was, and none has ended well since, in this process or another

    @property
    def waiting(self) -> tuple[int, int]:
        """The number of suspects that wait for an exclusive turn, and of records that wait for such a turn to end."""
        return self._isolation.waiting

    async def claim(self, subject: Subject, committed: int) -> None:
        """Take a partition before its first record runs, and load its suspects above `committed`."""
        if self._marks is None or subject.partition in self._known:
            return
        async with self._claiming:
            if subject.partition in self._known:
                return
            claimed = await self._marks.claim(replace(subject.place, offset=min(committed, subject.place.offset)))
            self._owes_proof = await self._marks.unproven()
            self._skips = await self._marks.skips()
            self._note(subject.partition, claimed)

    def _note(self, partition: tuple[str, int], claimed: ClaimedRecord) -> None:
        if suspects := [offset for offset, mark in claimed.marks.items() if not mark.settled]:
            log.warning("%s/%d: suspects, which run alone: %s", *partition, suspects)
        self._below[partition] = claimed.suspected_below
        self._known[partition] = dict(claimed.marks)

    def has(self, subject: Subject) -> bool:
        """Whether the record's partition was taken."""
        return self._marks is None or subject.partition in self._known

    def mark(self, subject: Subject) -> RecordMark | None:
        """The mark of a suspect; None for a record that may run beside others."""
        known = self._known.get(subject.partition, {}).get(subject.place.offset)
        if known is not None and known.digest == subject.digest:
            return known
        suspected = subject.place.offset < self._below.get(subject.partition, 0)
        return RecordMark(0, subject.digest) if suspected else None

    def is_settled(self, subject: Subject) -> bool:
        """Whether the record's dead letter was already written, by a process that could not commit it."""
        mark = self.mark(subject)
        return mark is not None and mark.settled

    def is_named(self, subject: Subject) -> bool:
        """Whether the record itself has crashed processes, or an operator wants to skip it."""
        mark = self.mark(subject)
        return (mark is not None and mark.deaths > 0) or self.is_skipped(subject)

    def is_skipped(self, subject: Subject) -> bool:
        """Whether an operator wants to skip the record."""
        return subject.place in self._skips

    def verdict(self, subject: Subject) -> ResortVerdict | None:
        """The reason not to run a record, None when it runs."""
        mark = self.mark(subject)
        bare = mark is not None and mark.deaths >= BARE_DEATHS
        if (requested_by := self._skips.get(subject.place)) is not None:
            return ResortVerdict("skipped", f"passed over by {requested_by}", bare)
        if subject.place in self._quarantined:
            return ResortVerdict("quarantined", Permanent("quarantined").message, bare)
        return None

    async def judge(self, subject: Subject, gone: Callable[[], bool]) -> None:
        """Quarantine a record that has crashed processes, once another record ends well and so clears the processes.

        `gone` tells that the record no longer matters.
        """
        mark = self.mark(subject)
        if self._marks is None or mark is None or mark.deaths < MOST_DEATHS:
            return
        end = time.monotonic() + self._patience
        while not (self._proven or gone() or time.monotonic() > end):
            await asyncio.sleep(min(0.1, self._patience))
        if self._proven or not await self._marks.unproven():
            self._quarantined[subject.place] = self._proven
        else:
            log.error("not set aside, although processes ended: no record has ended well since the last one that was")

    @asynccontextmanager
    async def running(self, subject: Subject | None) -> AsyncIterator[bool]:
        """Context of one attempt at a record; yields whether its turn had to wait. A suspect runs exclusively."""
        if subject is None:
            yield False
            return
        mark = self.mark(subject)
        async with self._isolation.turn(exclusive=mark is not None) as waited:
            if mark is not None and self._marks is not None:
                await self._marks.begin(subject.place, mark)
            try:
                yield waited
            except (Outage, Transient):
                if mark is not None:
                    await self._rest(subject, mark)
                raise
            except Exception:  # it ends the process
                blamed = self.mark(subject) or RecordMark(0, subject.digest)
                await self._rest(subject, replace(blamed, deaths=blamed.deaths + 1))
                raise

    async def handled(self, subject: Subject) -> None:
        """Note in a suspect's turn that its handler ended well: whatever ends the process next is not this record.

        That it ended well is noted for good after its turn (`ended_well`), when another suspect may already run.
        """
        if (mark := self.mark(subject)) is not None:
            await self._rest(subject, mark)

    async def _rest(self, subject: Subject, mark: RecordMark) -> None:
        if self._marks is None:
            return
        with suppress(Outage, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._marks.rest(subject.place, mark)

    async def ended_well(self, subject: Subject) -> None:
        """Note that a record was completed by its handler."""
        self._proven = True
        if self._marks is None:
            return
        if self._owes_proof:
            await self._marks.prove()
            self._owes_proof = False
        if self.mark(subject) is not None:
            await self._marks.end(subject.place)
            self._known.get(subject.partition, {}).pop(subject.place.offset, None)

    async def set_aside(self, subject: Subject, committed: int | None) -> None:
        """Note that a record's dead letter is written and handled; its partition is `committed` up to there."""
        if self._marks is None:
            return
        proven = self._quarantined.get(subject.place)
        mark = self.mark(subject) or RecordMark(0, subject.digest)
        if proven is None:
            await self._settling.add(SettledRecord(subject.place, mark, committed))
        else:
            await self._marks.settle(subject.place, mark, unproven=not proven, below=committed)
            self._quarantined.pop(subject.place, None)
            self._proven, self._owes_proof = False, not proven
        if subject.place in self._skips:
            await self._marks.skipped(subject.place)
            self._skips.pop(subject.place, None)

    def set_aside_soon(self, subject: Subject, committed: int | None) -> None:
        """Like `set_aside` without waiting, for a record that is not run: a second dead letter of it is harmless."""
        if self._marks is None or len(self._soon) >= MOST_SOON:
            return
        settled = SettledRecord(subject.place, RecordMark(0, subject.digest), committed)
        task = asyncio.get_running_loop().create_task(self._settled(settled))
        self._soon.add(task)
        task.add_done_callback(self._soon.discard)

    async def _settled(self, settled: SettledRecord) -> None:
        try:
            await self._settling.add(settled)
        except Exception as error:  # noqa: BLE001 - it would only have spared a second dead letter
            log.warning("no mark of offset %d: %s", settled.place.offset, error)

    async def _settle(self, ends: Sequence[SettledRecord]) -> Sequence[None]:
        if self._marks is not None:
            await self._marks.settle_all(ends)
        return [None] * len(ends)

    async def refresh(self) -> None:
        """Reload the operators' skip orders."""
        if self._marks is not None:
            self._skips = await self._marks.skips()

    async def revoked(self, partitions: set[TP]) -> None:
        """Release revoked partitions cleanly."""
        for tp in partitions:
            self._known.pop((tp.topic, tp.partition), None)
            self._below.pop((tp.topic, tp.partition), None)
        await self._give_back({(tp.topic, tp.partition) for tp in partitions})

    async def leave(self) -> None:
        """Release all partitions cleanly at the end of the process."""
        await self._give_back(None)

    async def _give_back(self, partitions: set[tuple[str, int]] | None) -> None:
        if self._marks is None:
            return
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._marks.give_back(partitions)
        except (Outage, TimeoutError) as error:
            log.warning("the next owner will take it for a crash: %s", error)

    def last_words(self, blamed: Subject | None) -> None:
        """Note the record at fault before a forced end, from another thread (None: no record in progress)."""
        if self._marks is None:
            return
        blame = []
        if blamed is not None:
            mark = self.mark(blamed) or RecordMark(0, blamed.digest)
            blame = [(blamed.place, replace(mark, deaths=mark.deaths + 1))]
        try:
            self._marks.last_words(blame)
        except psycopg.Error as error:
            log.warning("the next owner will take it for a crash of whatever was in work: %s", error)
