"""Which offset the safe transport commits, case by case: what stock Faust loses is not lost."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP, ConsumerMessage

from schemas.errors import Fatal
from schemas.settings.kafka import KafkaSettings
from streams.kafka import transport
from streams.kafka.transport import SafeTransport, ScribeApp, WatermarkConsumer
from streams.runtime.app import create_app

TP0 = TP("t", 0)


class ConsumerHarness:
    """A consumer without a broker: records are delivered and acked by hand."""

    def __init__(self, app: ScribeApp) -> None:
        self.app = app
        app.topics._acking_topics.add("t")  # type: ignore[attr-defined]
        self.during_revocation: Callable[[], Any] = lambda: None
        self.taken: list[ConsumerMessage] = []
        self.consumer = WatermarkConsumer(
            cast(SafeTransport, app.transport),
            self._take,
            on_partitions_revoked=self._revoked,
            on_partitions_assigned=self._revoked,
        )
        app.consumer = self.consumer
        self.consumer.seek_to_committed = self._committed  # type: ignore[method-assign]

    async def _take(self, message: ConsumerMessage) -> None:
        self.taken.append(message)

    async def _revoked(self, *_: object) -> None:
        if inspect.isawaitable(found := self.during_revocation()):
            await found

    async def _committed(self) -> dict[TP, int]:
        return {}

    async def deliver(self, *offsets: int, value: bytes = b"", headers: Any = None) -> list[ConsumerMessage]:
        messages = []
        for offset in offsets:
            message = ConsumerMessage("t", 0, offset, 0.0, 0, headers, None, value, None, tp=TP0)
            self.consumer.track_message(message)
            await self.consumer.callback(message)
            messages.append(message)
        return messages

    def ack(self, *messages: ConsumerMessage) -> int | None:
        for message in messages:
            self.consumer.ack(message)
        return self.consumer._new_offset(TP0)

    def ack_later(self, *messages: ConsumerMessage) -> None:
        """Ack them, and leave it to the next commit to look."""
        for message in messages:
            self.consumer.ack(message)

    def answering(self, *answers: bool) -> list[dict[TP, int]]:
        """The broker takes commits or refuses them; what it is asked for."""
        asked: list[dict[TP, int]] = []
        left = list(answers)

        async def commit(offsets: Mapping[TP, int]) -> bool:
            asked.append(dict(offsets))
            return left.pop(0)

        async def flush() -> None:
            """There is nothing to send."""

        self.consumer._thread.commit = commit  # type: ignore[method-assign]
        self.consumer.assignment = lambda: {TP0}  # type: ignore[method-assign]
        self.app.producer.flush = flush  # type: ignore[method-assign]
        return asked


Case = Callable[[ConsumerHarness], Coroutine[Any, Any, None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Case], None]:
    """Run a case in a loop of its own, with an app that was made inside."""

    async def main(case: Case) -> None:
        bench = ConsumerHarness(
            create_app("g", KafkaSettings(kafka_bootstrap="127.0.0.1:1"), tmp_path / "made" / "here")
        )
        try:
            await case(bench)
        finally:
            # the consumer's thread, never started here, has made itself a loop
            bench.consumer._thread.thread_loop.close()

    return lambda case: asyncio.run(main(case))


Run = Callable[[Case], None]


def test_nothing_is_committed_beyond_a_record_in_work(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        bench.consumer._committed_offset[TP0] = 2585
        _, *later = await bench.deliver(2585, 2586, 2587, 2588, 2589)
        assert bench.ack(*later) == 2585
        assert not bench.consumer._should_commit(TP0, 2585)

    run(case)


def test_without_any_commit_the_first_unfinished_record_is_the_position(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        _, _, seven, eight = await bench.deliver(5, 6, 7, 8)
        assert bench.ack(seven, eight) == 5

    run(case)


def test_a_control_marker_is_in_no_hand(run: Run) -> None:
    """An idle partition of transactions has none."""

    async def case(bench: ConsumerHarness) -> None:
        assert bench.consumer.in_hand(TP0) == 0
        ten, eleven = await bench.deliver(10, 11)
        await bench.consumer._add_gap(TP0, 12, 13)
        assert bench.consumer.in_hand(TP0) == 2
        assert bench.ack(ten) == 11
        assert bench.consumer.in_hand(TP0) == 1
        bench.ack(eleven)
        assert bench.consumer.in_hand(TP0) == 0

    run(case)


def test_a_control_marker_finishes_no_record_behind_it(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        bench.consumer._committed_offset[TP0] = 10
        (ten,) = await bench.deliver(10)
        await bench.consumer._add_gap(TP0, 11, 12)
        twelve, thirteen = await bench.deliver(12, 13)
        assert bench.ack(ten, thirteen) == 12
        assert bench.ack(twelve) == 14

    run(case)


def test_an_ack_from_before_a_seek_moves_nothing(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        *_, old = await bench.deliver(5, 6, 7)
        await bench.consumer.perform_seek()
        assert bench.ack(old) is None
        assert old.acked
        assert old not in bench.consumer.unacked

    run(case)


def test_only_acks_of_the_newest_delivery_count(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        old5, old6, _ = await bench.deliver(5, 6, 7)
        await bench.consumer.perform_seek()
        new5, new6, new7 = await bench.deliver(5, 6, 7)
        assert [bench.ack(m) for m in (old6, old5, new5, new7, new6)] == [None, None, 6, 6, 8]

    run(case)


def test_records_finished_during_a_revocation_are_committed_and_later_acks_are_not(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        five, six, _, eight = await bench.deliver(5, 6, 7, 8)
        seen: list[int | None] = []
        bench.during_revocation = lambda: seen.extend([bench.ack(six), bench.ack(five)])
        await bench.consumer.on_partitions_revoked({TP0})
        assert seen == [5, 7]
        assert bench.ack(eight) is None

    run(case)


def test_a_commit_that_is_refused_is_made_the_next_time_although_nothing_more_is_acked(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        asked = bench.answering(False, True)
        bench.ack_later(*await bench.deliver(5))
        assert [await bench.consumer.commit() for _ in range(3)] == [False, True, False]
        assert asked == [{TP0: 6}, {TP0: 6}]

    run(case)


def test_what_a_revocation_could_not_commit_is_committed_when_it_is_done_again(run: Run) -> None:
    """In a group that has committed nothing yet, where no seek tells Faust better."""

    async def case(bench: ConsumerHarness) -> None:
        asked = bench.answering(False, True)
        messages = await bench.deliver(5)

        async def end_in_time() -> None:
            bench.ack_later(*messages)
            await bench.consumer.commit()

        bench.during_revocation = end_in_time
        await bench.consumer.on_partitions_revoked({TP0})
        await bench.consumer.perform_seek()
        bench.ack_later(*await bench.deliver(5))
        assert await bench.consumer.commit()
        assert asked == [{TP0: 6}, {TP0: 6}]

    run(case)


def test_acks_that_go_past_the_consumer_are_seen_too(run: Run) -> None:
    """The compiled stream iterator appends to `_acked` itself."""

    async def case(bench: ConsumerHarness) -> None:
        await bench.deliver(5, 6)
        bench.consumer._acked[TP0].append(5)
        assert bench.consumer._new_offset(TP0) == 6

    run(case)


def test_seeking_one_partition_forgets_its_deliveries(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        (five,) = await bench.deliver(5)
        bench.consumer._seek = bench._committed  # type: ignore[assignment, method-assign]
        with pytest.raises(TypeError):  # the stub takes no arguments: only what happens before it matters
            await bench.consumer.seek(TP0, 3)
        assert bench.ack(five) is None

    run(case)


def test_an_abandoned_record_is_not_waited_for_and_not_committed(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        five, six = await bench.deliver(5, 6)
        bench.consumer.abandon(five)
        assert five not in bench.consumer.unacked
        assert bench.ack(six) == 5

    run(case)


def test_a_dropped_record_keeps_the_position_before_it(run: Run) -> None:
    """A record that nobody holds any more was lost by an agent, not finished."""

    async def case(bench: ConsumerHarness) -> None:
        messages = await bench.deliver(5, 6)
        bench.taken.clear()
        six = messages.pop()
        messages.clear()
        assert bench.ack(six) == 5

    run(case)


def test_the_app_runs_on_the_safe_transport(run: Run) -> None:
    async def case(bench: ConsumerHarness) -> None:
        assert isinstance(bench.app.transport, SafeTransport)
        assert bench.app.transport.Consumer is WatermarkConsumer

    run(case)


def test_another_version_of_faust_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "version", lambda _: "0.16.0")
    with pytest.raises(Fatal, match=r"0\.16\.0"):
        transport.check_version()


def test_full_buffers_of_some_partitions_shorten_the_wait_for_the_others(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def getmany(_: object, partitions: set[TP] | None, timeout: float) -> dict[TP, list[object]]:
        waits.append(timeout)
        return {}

    monkeypatch.setattr(Consumer, "_getmany", getmany)

    async def case(bench: ConsumerHarness) -> None:
        await bench.consumer._getmany({TP0}, 1.0)
        bench.consumer.on_buffer_full(TP0)
        await bench.consumer._getmany(set(), 1.0)
        bench.consumer.on_buffer_drop(TP0)
        await bench.consumer._getmany({TP0}, 1.0)
        assert waits == [1.0, transport.FULL_SECONDS, 1.0]

    run(case)


@pytest.mark.parametrize("where", ["value", "headers"])
def test_a_topic_with_too_many_bytes_in_work_is_not_asked_for_more_and_others_are(
    run: Run, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """What comes is a few hundred bytes and becomes megabytes: counting records limits nothing."""
    asked: list[set[TP] | None] = []
    other, whole = TP("u", 0), bytes(4_000_000)
    large: Any = {"value": whole} if where == "value" else {"headers": (("name", whole),)}

    async def getmany(_: object, partitions: set[TP] | None, timeout: float) -> dict[TP, list[object]]:
        asked.append(partitions)
        return {}

    monkeypatch.setattr(Consumer, "_getmany", getmany)

    async def case(bench: ConsumerHarness) -> None:
        messages = []
        for offset in range(transport.MOST_HELD_BYTES // len(whole)):
            assert await bench.consumer._getmany({TP0, TP("t", 1)}, 1.0) == {}
            messages += await bench.deliver(offset, **large)
        expected: list[set[TP] | None] = [{TP0, TP("t", 1)}] * len(messages)
        assert asked == expected
        assert await bench.consumer._getmany({TP0, TP("t", 1)}, 1.0) == {}
        assert await bench.consumer._getmany({TP0, other}, 1.0) == {}
        bench.ack(messages[0])
        await bench.consumer._getmany({TP0}, 1.0)
        await bench.deliver(100, **large)
        await bench.consumer._getmany(None, 1.0)
        assert asked == [*expected, {other}, {TP0}, None]

    run(case)
