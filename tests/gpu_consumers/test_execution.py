"""One delivery from bytes to records: every way it can end, without a broker."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Timer

import pytest

from gpu_consumers.core.offsets import PartitionOffsets, Position
from gpu_consumers.core.settle import SettlePolicy
from gpu_consumers.core.work import Delivery, Emission, Job, Work
from gpu_consumers.drain import Drain
from gpu_consumers.execution import Finished, JobExecutor, Task
from gpu_consumers.fake import FakeStage
from gpu_consumers.partitions import OwnedPartition
from gpu_consumers.progress import ProgressReporter
from schemas.errors import Fatal, NotOwner
from schemas.events import JobRequested, JobResult, Outcome
from schemas.headers import TRACEPARENT, VALUE_OMITTED, new_traceparent, trace_id
from schemas.records import Record
from schemas.retry import RetryPolicy
from schemas.serde import Serde
from tests.samples import BARE_REQUEST

SERDE = Serde()
GROUP = "scribe.transcribers"


class Bench:
    """An executor with the fake stage, and what it told about progress."""

    def __init__(self, stage: FakeStage | None = None, outage_wait: float = 0.01) -> None:
        self.drain = Drain(60)
        self.offered: list[Record] = []
        self.partition = OwnedPartition("scribe.jobs", 0, PartitionOffsets(Position(0)), None, None)
        progress = ProgressReporter(self._offer, SERDE, "worker")
        policy = SettlePolicy(GROUP, retry=RetryPolicy(GROUP))
        runner = stage or FakeStage(SERDE)
        self.executor = JobExecutor(runner, policy, SERDE, progress, self.drain, outage_wait=outage_wait)

    def _offer(self, record: Record) -> bool:
        self.offered.append(record)
        return True

    def deliver(self, value: bytes | None, headers: dict[str, str] | None = None) -> Finished | None:
        return self.executor.execute(Task(Delivery("scribe.jobs", 0, 5, b"key", value, headers or {}), self.partition))

    def order(self, request: JobRequested = BARE_REQUEST, attempt: int = 1, **orders: str) -> Finished | None:
        metadata = {name.replace("_", "-"): value for name, value in orders.items()}
        return self.deliver(SERDE.encode(replace(request, metadata=metadata)), {"scribe-attempt": str(attempt)})


def result_of(finished: Finished | None) -> JobResult:
    assert finished is not None
    return SERDE.decode(finished.records[0].value, JobResult)


def test_a_job_becomes_a_result_record() -> None:
    finished = Bench().order()
    result = result_of(finished)
    assert (result.job_id, result.outcome) == (BARE_REQUEST.job_id, Outcome.COMPLETED)
    assert finished is not None
    assert (finished.outcome, finished.records[0].topic) == ("completed", "scribe.results")
    assert finished.results == (result,)


def test_the_result_continues_the_trace() -> None:
    parent = new_traceparent()
    finished = Bench().deliver(SERDE.encode(BARE_REQUEST), {TRACEPARENT: parent})
    assert finished is not None
    made = finished.records[0].headers[TRACEPARENT]
    assert trace_id(made) == trace_id(parent)
    assert made != parent


@pytest.mark.parametrize("value", [None, b"", b"nonsense", b"\x00\x00\x00\x00\x99nonsense"])
def test_what_cannot_be_decoded_is_a_dead_letter(value: bytes | None) -> None:
    finished = Bench().deliver(value)
    assert finished is not None
    assert (finished.outcome, finished.job) == ("dead_lettered", None)
    [record] = finished.records
    assert (record.topic, record.value) == (f"{GROUP}.dlq", value)


@pytest.mark.parametrize(
    ("outcome", "ends", "code"),
    [
        ("permanent", "failed", "media_no_audio"),
        ("large", "failed", "result_too_large"),
        ("poison", "dead_lettered", "internal"),
    ],
)
def test_ends_that_the_client_is_told(outcome: str, ends: str, code: str) -> None:
    finished = Bench().order(fake_outcome=outcome)
    assert finished is not None
    assert finished.outcome == ends
    error = result_of(finished).error
    assert error is not None
    assert error.code == code


@pytest.mark.parametrize("outcome", ["transient", "unexpected"])
def test_what_may_pass_is_tried_again_later(outcome: str) -> None:
    finished = Bench().order(fake_outcome=outcome)
    assert finished is not None
    assert (finished.outcome, finished.records[0].topic) == ("retried", f"{GROUP}.retry.1m")


def test_an_expired_job_is_not_begun() -> None:
    request = replace(BARE_REQUEST, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    bench = Bench()
    error = result_of(bench.order(request, fake_outcome="kill")).error
    assert error is not None
    assert error.code == "expired"


def test_an_outage_is_waited_for_in_place() -> None:
    """No attempt is spent: the result comes of the first delivery."""
    assert result_of(Bench().order(fake_outcome="outage", fake_until="4")).outcome is Outcome.COMPLETED


def test_an_outage_ends_with_the_drain_and_writes_nothing() -> None:
    bench = Bench(outage_wait=60)
    timer = Timer(0.05, bench.drain.request)
    timer.start()
    assert bench.order(fake_outcome="outage", fake_until="99") is None
    timer.join()


def test_an_outage_ends_with_the_partition() -> None:
    bench = Bench()
    bench.partition.owned = False
    assert bench.order(fake_outcome="outage", fake_until="99") is None


def test_a_job_of_a_lost_partition_is_dropped() -> None:
    bench = Bench()
    bench.partition.owned = False
    assert bench.order() is None


def test_a_job_stops_when_the_time_to_drain_is_over() -> None:
    bench = Bench()
    bench.drain.abandon()
    assert bench.order(fake_seconds="60") is None


def test_a_lost_gpu_is_fatal() -> None:
    with pytest.raises(Fatal, match="illegal memory access"):
        Bench().order(fake_outcome="cuda")


class GivesUp(FakeStage):
    """A stage that says NotOwner although the partition is ours."""

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        raise NotOwner("a lease of its own")


def test_a_record_that_its_stage_gives_up_is_not_stuck() -> None:
    finished = Bench(GivesUp(SERDE)).order()
    assert finished is not None
    assert finished.outcome == "retried"


def test_a_failed_result_without_room_loses_its_metadata() -> None:
    """The request is within the limit, the failed result that carries it is not."""
    finished = Bench().order(fake_outcome="permanent", note="x" * 999_780)
    result = result_of(finished)
    assert result.error is not None
    assert (result.error.code, result.request.metadata) == ("media_no_audio", {})


def test_a_job_whose_failure_has_no_room_is_a_dead_letter() -> None:
    huge = replace(BARE_REQUEST, source=replace(BARE_REQUEST.source, uri="https://a.example/" + "x" * 999_700))
    finished = Bench().order(huge, fake_outcome="permanent")
    assert finished is not None
    assert finished.outcome == "dead_lettered"
    [record] = finished.records
    assert record.topic == f"{GROUP}.dlq"


def test_a_poison_record_of_the_largest_size_still_reaches_the_dead_letters() -> None:
    finished = Bench().deliver(b"x" * 1_047_900)
    assert finished is not None
    [record] = finished.records
    assert (record.value, record.headers[VALUE_OMITTED]) == (None, "1047900")


def test_records_that_the_broker_refuses_end_differently_each_time() -> None:
    """A result, then its failure, then an empty dead letter; after that nothing is left to try."""
    bench = Bench()
    finished = bench.order()
    assert finished is not None
    failed = bench.executor.refuse(finished)
    assert result_of(failed).error is not None
    dead = bench.executor.refuse(failed)
    assert [record.value for record in dead.records] == [None]
    with pytest.raises(Fatal, match="refuses even"):
        bench.executor.refuse(dead)


def test_progress_is_offered_while_the_job_runs() -> None:
    bench = Bench()
    bench.order(fake_seconds="0.05")
    assert bench.offered[0].topic == "scribe.progress"
