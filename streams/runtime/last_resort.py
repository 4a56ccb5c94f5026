"""The last resort of a Faust app: what ended its process again and again, or what an operator names, is set aside unrun.

An exception that leaves `EventLoop`, and a handler that lets go of nothing, name their record: at the second time it is
set aside. A process that is simply gone leaves nothing but its name: then the records that it may have had in work run
alone, each with a mark before, and one whose process dies twice while it runs so is set aside. What is ours for every
record condemns none: as long as no other record ends well, one is set aside at most.
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
    """Why a record is set aside unrun; `bare`: without looking into it, and without what follows from it."""

    code: str
    message: str
    bare: bool = False


def digest_of(key: bytes | None, value: bytes | None) -> bytes:
    """What tells a record from another one at the same offset of a topic that was made anew."""
    return hashlib.sha256(b"%d %b%b" % (len(key or b""), key or b"", value or b"")).digest()[:16]


@dataclass(frozen=True, slots=True)
class Subject:
    """A record as the last resort knows it."""

    place: Origin
    digest: bytes

    @property
    def partition(self) -> tuple[str, int]:
        """Where it lies."""
        return self.place.topic, self.place.partition


class LastResort:
    """Of one app in one process. Methods raise Outage; without `marks` nobody is ever suspected."""

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
        self._condemned: dict[Origin, bool] = {}
        self._proven = False  # since a record was last set aside for deaths
        self._owes_proof = False  # one was, and none has ended well since, in this process or another

    @property
    def waiting(self) -> tuple[int, int]:
        """How many suspects wait to be alone, and how many records for the turn of one to end."""
        return self._isolation.waiting

    async def claim(self, subject: Subject, committed: int) -> None:
        """Before the first record of a partition: take it, and learn what is suspected there above `committed`."""
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
        """Whether its partition was taken."""
        return self._marks is None or subject.partition in self._known

    def mark(self, subject: Subject) -> RecordMark | None:
        """What is known of a record; None when it may run beside others."""
        known = self._known.get(subject.partition, {}).get(subject.place.offset)
        if known is not None and known.digest == subject.digest:
            return known
        suspected = subject.place.offset < self._below.get(subject.partition, 0)
        return RecordMark(0, subject.digest) if suspected else None

    def is_settled(self, subject: Subject) -> bool:
        """Whether its dead letter was written by a process that could not commit it any more."""
        mark = self.mark(subject)
        return mark is not None and mark.settled

    def is_named(self, subject: Subject) -> bool:
        """Whether it has ended processes by itself, or an operator wants it to be passed over."""
        mark = self.mark(subject)
        return (mark is not None and mark.deaths > 0) or subject.place in self._skips

    def verdict(self, subject: Subject) -> ResortVerdict | None:
        """Why it is not run, None when it is."""
        mark = self.mark(subject)
        bare = mark is not None and mark.deaths >= BARE_DEATHS
        if (by := self._skips.get(subject.place)) is not None:
            return ResortVerdict("skipped", f"passed over by {by}", bare)
        if subject.place in self._condemned:
            return ResortVerdict("quarantined", Permanent("quarantined").message, bare)
        return None

    async def judge(self, subject: Subject, gone: Callable[[], bool]) -> None:
        """Condemn a record that has ended processes, once it shows that it was not the processes that were wrong.

        `gone` tells that nothing of it matters any more.
        """
        mark = self.mark(subject)
        if self._marks is None or mark is None or mark.deaths < MOST_DEATHS:
            return
        end = time.monotonic() + self._patience
        while not (self._proven or gone() or time.monotonic() > end):
            await asyncio.sleep(min(0.1, self._patience))
        if self._proven or not await self._marks.unproven():
            self._condemned[subject.place] = self._proven
        else:
            log.error("not set aside, although processes ended: no record has ended well since the last one that was")

    @asynccontextmanager
    async def running(self, subject: Subject | None) -> AsyncIterator[bool]:
        """Around one attempt at a record: whether its turn had to be waited for. A suspect is alone."""
        if subject is None:
            yield False
            return
        mark = self.mark(subject)
        async with self._isolation.turn(alone=mark is not None) as waited:
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

    async def _rest(self, subject: Subject, mark: RecordMark) -> None:
        if self._marks is None:
            return
        with suppress(Outage, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self._marks.rest(subject.place, mark)

    async def ended_well(self, subject: Subject) -> None:
        """A record came to its end by its handler."""
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
        """Its dead letter is written, and all that follows is done; its partition is `committed` up to there."""
        if self._marks is None:
            return
        proven = self._condemned.get(subject.place)
        mark = self.mark(subject) or RecordMark(0, subject.digest)
        if proven is None:
            await self._settling.add(SettledRecord(subject.place, mark, committed))
        else:
            await self._marks.settle(subject.place, mark, unproven=not proven, below=committed)
            self._condemned.pop(subject.place, None)
            self._proven, self._owes_proof = False, not proven
        if subject.place in self._skips:
            await self._marks.skipped(subject.place)
            self._skips.pop(subject.place, None)

    def set_aside_soon(self, subject: Subject, committed: int | None) -> None:
        """The same of a record of which nothing is run, waiting for nothing: a second dead letter of it does no harm."""
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
        """Look which records operators pass over."""
        if self._marks is not None:
            self._skips = await self._marks.skips()

    async def revoked(self, partitions: set[TP]) -> None:
        """The partitions go to others, in good order."""
        for tp in partitions:
            self._known.pop((tp.topic, tp.partition), None)
            self._below.pop((tp.topic, tp.partition), None)
        await self._give_back({(tp.topic, tp.partition) for tp in partitions})

    async def leave(self) -> None:
        """The process ends in good order."""
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
        """From another thread, before the process is ended by force: what it dies of (None: of nothing in work)."""
        if self._marks is None:
            return
        told = []
        if blamed is not None:
            mark = self.mark(blamed) or RecordMark(0, blamed.digest)
            told = [(blamed.place, replace(mark, deaths=mark.deaths + 1))]
        try:
            self._marks.last_words(told)
        except psycopg.Error as error:
            log.warning("the next owner will take it for a crash of whatever was in work: %s", error)
