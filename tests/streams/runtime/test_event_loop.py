"""The event loop: what is handled, what waits for what, and what is set aside beside it."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from faust.exceptions import ProducerSendError

from schemas.errors import Outage, Permanent
from schemas.events import JobRequested
from schemas.process.wait_reasons import WaitReason
from schemas.retries.schedules import RECORD_TRIES, RECORDS
from schemas.settings.stores import PostgresSettings
from schemas.wire.headers import ONLY_FOR, REPLAY_ID, RESULTS_TO, Origin
from schemas.wire.serde import Serde
from sink.postgres.database import Database
from sink.records import skips
from sink.records.marks import RecordMarks
from streams.kafka.record_batches import Unreadable
from streams.kafka.transport import ScribeApp
from streams.runtime.app import REBALANCE_SECONDS
from streams.runtime.event_loop import HANDLER_SECONDS, IN_WORK_BYTES, EventLoop, _Work
from streams.runtime.inbound import InboundRecord
from streams.runtime.last_resort import LastResort, Subject
from tests.samples import BARE_REQUEST


def test_no_record_holds_up_a_rebalance() -> None:
    """One handler and one wait end before the rebalance gives its member up."""
    assert HANDLER_SECONDS + RECORDS.cap < REBALANCE_SECONDS


def test_a_record_that_was_sent_again_for_another_group_is_acked_and_not_handled(tmp_path: Path) -> None:
    """Nor is one whose result goes elsewhere; a stranger's order that was never sent again is none."""
    handled, acked = [], []
    again = {REPLAY_ID: b"r"}

    async def handle(event: JobRequested) -> str:
        handled.append(event)
        return "applied"

    def event(group: str, **headers: bytes) -> Any:
        message = SimpleNamespace(topic="t", partition=0, offset=0, key=None, value=Serde().encode(BARE_REQUEST))
        message.headers = [(ONLY_FOR, group.encode()), *headers.items()]
        return SimpleNamespace(message=message, ack=lambda: acked.append(group))

    async def events() -> AsyncIterator[Any]:
        yield event("another", **again)
        yield event("stranger's")
        yield event("g", **again)
        yield event("g", **again, **{RESULTS_TO: b"scribe.results.trial"})

    stream = SimpleNamespace(noack=lambda: SimpleNamespace(events=events))
    asyncio.run(EventLoop(ScribeApp("g", datadir=str(tmp_path)), Serde(), "g").run(stream, JobRequested, handle))
    assert (handled, acked) == ([BARE_REQUEST] * 2, ["another", "stranger's", "g", "g"])


def test_a_record_that_is_given_up_waits_for_nothing_any_more(tmp_path: Path) -> None:
    """Its partition went away during an outage: `waiting` would keep the process from being ready for ever."""

    class Gone(ScribeApp):
        """An app whose partitions are gone, seen at the first pause."""

        seen: str | None = None

        async def sleep(self, _: object) -> None:
            self.seen = event_loop.waiting

        @property
        def watermarks(self) -> Any:
            return SimpleNamespace(flow_active=False)

    async def away(_: JobRequested) -> str:
        raise Outage("on purpose")

    app = Gone("g", datadir=str(tmp_path))
    event_loop = EventLoop(app, Serde(), "g")
    inbound = InboundRecord(Origin("t", 0, 0), None, Serde().encode(BARE_REQUEST))
    settled = asyncio.run(event_loop._settle(inbound, _Work(JobRequested, away, None)))
    assert (settled, app.seen, event_loop.waiting) == (False, "on purpose", None)


class Writing(ScribeApp):
    """An app that keeps what it is to write."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.written: list[dict[str, bytes]] = []

    @property
    def watermarks(self) -> Any:
        return SimpleNamespace(flow_active=True, unfinished_from=lambda _, offset: offset, confirmed=lambda _: None)

    @property  # type: ignore[misc]
    def producer(self) -> Any:
        async def send_and_wait(*record: Any) -> None:
            self.written.append(record[-1])

        return SimpleNamespace(send_and_wait=send_and_wait)


NO_EVENTS = (None, b"", b"junk", b"no Avro at all", Unreadable.truncated(b"\0\0\0\0\1bytes", "cut off"))


def test_what_is_no_event_is_set_aside_beside_a_suspect_that_hangs(tmp_path: Path, database: str) -> None:
    """A process has died, so all records are suspects, and thousands of those with nothing in them may be among them."""

    async def never(_: JobRequested) -> str:
        raise AssertionError

    async def main() -> Writing:
        app = Writing("g", datadir=str(tmp_path))
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
            await RecordMarks(opened, "g", "died").claim(Origin("t", 0, 0))
            resort = LastResort(RecordMarks(opened, "g", "next"))
            event_loop, work = EventLoop(app, Serde(), "g", resort=resort), _Work(JobRequested, never, None)
            suspect = InboundRecord(Origin("t", 0, 0), None, Serde().encode(BARE_REQUEST)).subject
            await resort.claim(suspect, 0)
            async with asyncio.timeout(60), resort.running(suspect):
                found = [InboundRecord(Origin("t", 0, 1 + n), b"key", value) for n, value in enumerate(NO_EVENTS)]
                assert all(await asyncio.gather(*(event_loop._settle(inbound, work) for inbound in found)))
            while resort._soon:
                await asyncio.wait(resort._soon)
            # a process that comes after it writes none of them again
            after = LastResort(RecordMarks(opened, "g", "after"))
            await after.claim(suspect, 0)
            assert all(after.is_settled(inbound.subject) for inbound in found)
        return app

    written = asyncio.run(main()).written
    assert {headers["scribe-error-code"] for headers in written} == {b"undecodable"}
    assert sorted(int(headers["scribe-orig-offset"]) for headers in written) == list(range(1, 1 + len(NO_EVENTS)))


def test_of_suspects_only_the_one_that_runs_is_marked(tmp_path: Path, database: str) -> None:
    """Else the one before is blamed too when it ends the process, and set aside with it."""
    requests = [replace(BARE_REQUEST, job_id=uuid4()) for _ in range(3)]
    marked: list[list[int]] = []

    async def main() -> None:
        app = Writing("g", datadir=str(tmp_path))
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
            await RecordMarks(opened, "g", "died").claim(Origin("t", 0, 0))

            async def handle(_: JobRequested) -> str:
                async with opened.connection() as connection:
                    cursor = await connection.execute("SELECT record_offset FROM record_marks WHERE state = 'alone'")
                    marked.append([row["record_offset"] for row in await cursor.fetchall()])
                return "applied"

            class Slow(LastResort):
                """Notes good ends when all have run, as beside a busy database."""

                async def ended_well(self, subject: Subject) -> None:
                    while len(marked) < len(requests):
                        await asyncio.sleep(0.01)
                    await super().ended_well(subject)

            resort = Slow(RecordMarks(opened, "g", "next"))
            event_loop, work = EventLoop(app, Serde(), "g", resort=resort), _Work(JobRequested, handle, None)
            found = [
                InboundRecord(Origin("t", 0, offset), None, Serde().encode(request))
                for offset, request in enumerate(requests)
            ]
            await resort.claim(found[0].subject, 0)
            async with asyncio.timeout(60):
                assert all(await asyncio.gather(*(event_loop._settle(inbound, work) for inbound in found)))

    asyncio.run(main())
    assert sorted(marked) == [[0], [1], [2]]


class Followed(dict[str, str]):
    """Headers of which can be told whether anybody still holds them."""


def test_a_dead_letter_that_must_be_cut_leaves_nothing_of_its_record_in_memory(tmp_path: Path) -> None:
    """Circles of references are looked for seldom in these processes, and a record may have megabytes."""

    class Refusing(Writing):
        """An app whose broker takes no large record."""

        @property  # type: ignore[misc]
        def producer(self) -> Any:
            async def send_and_wait(*record: Any) -> None:
                if record[2]:
                    raise ProducerSendError("refused") from MessageSizeTooLargeError("large")
                self.written.append(record[-1])

            return SimpleNamespace(send_and_wait=send_and_wait)

    async def main() -> None:
        app = Refusing("g", datadir=str(tmp_path))
        event_loop = EventLoop(app, Serde(), "g")
        inbound = InboundRecord(Origin("t", 0, 0), None, Unreadable.truncated(b"large", "cut off"), Followed())
        alive = weakref.ref(inbound.headers)
        assert await event_loop._settle(inbound, _Work(JobRequested, _never, None))
        assert [headers["scribe-value-omitted"] for headers in app.written] == [b"5"]
        del inbound
        assert alive() is None

    gc.collect()
    gc.disable()
    try:
        asyncio.run(main())
    finally:
        gc.enable()


async def _never(_: JobRequested) -> str:
    raise AssertionError


def test_a_record_that_alone_takes_too_long_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others have their effect meanwhile, so nothing is away; while none has, it may be an outage, and it waits."""
    monkeypatch.setattr("streams.runtime.event_loop.HANDLER_SECONDS", 0.05)
    tries: list[int] = []

    async def handle(event: JobRequested) -> str:
        if event == BARE_REQUEST:
            tries.append(1)
            if len(tries) > RECORD_TRIES:  # so often it was taken for an outage
                others.set()
            await asyncio.Event().wait()
        return "applied"

    async def main() -> list[dict[str, bytes]]:
        app = Writing("g", datadir=str(tmp_path))
        event_loop, work = EventLoop(app, Serde(), "g"), _Work(JobRequested, handle, None)
        slow = InboundRecord(Origin("t", 0, 0), None, Serde().encode(BARE_REQUEST))
        quick = Serde().encode(replace(BARE_REQUEST, job_id=uuid4()))
        waiting = asyncio.create_task(event_loop._settle(slow, work))
        await others.wait()
        offset = 1
        while not waiting.done():
            assert await event_loop._settle(InboundRecord(Origin("t", 0, offset), None, quick), work)
            await asyncio.sleep(0.01)
            offset += 1
        assert waiting.result()
        return app.written

    others = asyncio.Event()
    (letter,) = asyncio.run(main())
    assert (letter["scribe-error-code"], letter["scribe-orig-offset"]) == (b"internal", b"0")
    assert b"while other records had theirs" in letter["scribe-error-message"]
    assert len(tries) >= 2 * RECORD_TRIES


def test_an_operator_passes_over_a_record_whose_dead_letter_waits_for_its_consequence(
    tmp_path: Path, database: str
) -> None:
    """The dead letter is written; what follows from it meets an outage that does not end."""
    place = Origin("t", 0, 0)

    async def wrong(_: JobRequested) -> str:
        raise Permanent("invalid_request")

    async def away(_event: JobRequested, _letter: object) -> None:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
            await opened.run(lambda connection: skips.order(connection, "g", place, "ops@example.com"))
        for resort in used:
            await resort.refresh()
        raise Outage("on purpose")

    async def main() -> bool:
        async with Database.open(PostgresSettings.model_validate({"postgres_dsn": database})) as opened:
            used.append(LastResort(RecordMarks(opened, "g", "p")))
            event_loop = EventLoop(app, Serde(), "g", resort=used[0])
            inbound = InboundRecord(place, None, Serde().encode(BARE_REQUEST))
            settled = await event_loop._settle(inbound, _Work(JobRequested, wrong, away))
            found = await opened.run(lambda connection: skips.find(connection, "g", place))
            assert found is not None
            assert found.done_at is not None
            return settled

    app = Writing("g", datadir=str(tmp_path))
    used: list[LastResort] = []
    assert asyncio.run(main())
    assert [letter["scribe-error-code"] for letter in app.written] == [b"invalid_request"]


def test_records_that_wait_for_memory_or_for_a_suspect_are_counted(tmp_path: Path) -> None:
    async def run() -> None:
        app = ScribeApp("g", datadir=str(tmp_path))
        event_loop = EventLoop(app, Serde(), "g")

        async def beside(exclusive: bool) -> None:
            async with event_loop._resort._isolation.turn(exclusive=exclusive):
                pass

        async def large() -> None:
            async with event_loop._in_work.taken(IN_WORK_BYTES):
                pass

        assert event_loop.held(0.0) == ()
        async with event_loop._resort._isolation.turn(exclusive=True), event_loop._in_work.taken(1):
            tasks = [asyncio.create_task(work) for work in (beside(True), beside(False), beside(False), large())]
            await asyncio.sleep(0)
            assert {each.reason: each.jobs for each in event_loop.held(0.0)} == {
                WaitReason.SUSPECT: 1,
                WaitReason.ISOLATION: 2,
                WaitReason.MEMORY_BUDGET: 1,
            }
        await asyncio.gather(*tasks)
        assert event_loop.held(0.0) == ()

    asyncio.run(run())
