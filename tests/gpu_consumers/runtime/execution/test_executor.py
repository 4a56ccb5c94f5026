"""One delivery from bytes to records: every way it can end, without a broker."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread, Timer
from typing import Any

import pytest

from gpu_consumers.core.delivery.error_policy import ErrorPolicy, Settlement
from gpu_consumers.core.delivery.fairness import SchedulingInfo
from gpu_consumers.core.delivery.messages import Delivery, Emission, Job, Work
from gpu_consumers.core.delivery.offsets import PartitionOffsets, Position
from gpu_consumers.engines.fake import FakeStage
from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.kafka.progress import ProgressReporter
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.execution.executor import create_executor
from gpu_consumers.runtime.execution.work import WorkParts
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.tasks import Finished, JobTask
from producers.kafka.publisher import fits
from schemas.errors import Fatal, NotOwner, Outage, ScribeError
from schemas.events import JobRequested, JobResult, Outcome, TranscriptReady
from schemas.process.wait_reasons import WaitReason
from schemas.retries.backoff import Backoff
from schemas.retries.topic_ladder import RetryPolicy
from schemas.wire.avro_reading import Schema, current_schema
from schemas.wire.headers import ONLY_FOR, TRACEPARENT, VALUE_OMITTED, new_traceparent, trace_id
from schemas.wire.records import Record
from schemas.wire.serde import ManifestStore, Serde
from tests.foreign import raw
from tests.samples import BARE_REQUEST, FULL_REQUEST, SAMPLES

SERDE = Serde()
GROUP = "scribe.transcribers"
READY = SAMPLES["TranscriptReady-full"]
READY_REQUEST = FULL_REQUEST  # which travels in it


class ExecutorHarness:
    """An executor with the fake stage, and what it told about progress."""

    def __init__(
        self,
        stage: FakeStage | None = None,
        outage_wait: float = 0.01,
        policy: ErrorPolicy | None = None,
        serde: Serde = SERDE,
    ) -> None:
        self.shutdown = Shutdown(60)
        self.offered: list[Record] = []
        self.partition = OwnedPartition("scribe.jobs", 0, PartitionOffsets(Position(0)), None, None)
        progress = ProgressReporter(self._offer, SERDE, "worker")
        policy = policy or ErrorPolicy(GROUP, retry=RetryPolicy(GROUP))
        runner = stage or FakeStage(serde)
        self.duplicates: Deduplicator[JobTask] = Deduplicator()
        work = WorkParts(progress, self.shutdown)
        waits = Backoff(first=outage_wait, cap=outage_wait)
        self.executor = create_executor(runner, policy, serde, work, self.duplicates, waits=waits)

    def _offer(self, record: Record) -> bool:
        self.offered.append(record)
        return True

    def deliver(self, value: bytes | None, headers: dict[str, str] | None = None) -> Finished | None:
        return self.executor.execute(
            JobTask(Delivery("scribe.jobs", 0, 5, b"key", value, headers or {}), self.partition)
        )

    def order(self, request: JobRequested = BARE_REQUEST, attempt: int = 1, **orders: str) -> Finished | None:
        return self.deliver(ordered(request, **orders), {"scribe-attempt": str(attempt)})


def ordered(request: JobRequested = BARE_REQUEST, **orders: str) -> bytes:
    metadata = {name.replace("_", "-"): value for name, value in orders.items()}
    return SERDE.encode(replace(request, metadata=metadata))


class Diarizing(FakeStage):
    """Takes what the first stage made."""

    def decode(self, delivery: Delivery) -> Job:
        event = SERDE.decode(delivery.value, TranscriptReady)
        return Job(delivery, event, event.request)


def result_of(finished: Finished | None) -> JobResult:
    assert finished is not None
    return SERDE.decode(finished.records[0].value, JobResult)


def test_a_job_becomes_a_result_record() -> None:
    finished = ExecutorHarness().order()
    result = result_of(finished)
    assert (result.job_id, result.outcome) == (BARE_REQUEST.job_id, Outcome.COMPLETED)
    assert finished is not None
    assert (finished.outcome, finished.records[0].topic) == ("completed", "scribe.results")


def test_a_record_that_was_sent_again_for_another_group_is_passed_over() -> None:
    """Whatever is in it."""
    for value in (ordered(), b"nonsense", None):
        finished = ExecutorHarness().deliver(value, {ONLY_FOR: "scribe.persist"})
        assert finished is not None
        assert (finished.outcome, finished.records) == ("not_ours", ())
    assert result_of(ExecutorHarness().deliver(ordered(), {ONLY_FOR: GROUP})).outcome is Outcome.COMPLETED


def test_the_result_continues_the_trace() -> None:
    parent = new_traceparent()
    finished = ExecutorHarness().deliver(SERDE.encode(BARE_REQUEST), {TRACEPARENT: parent})
    assert finished is not None
    made = finished.records[0].headers[TRACEPARENT]
    assert trace_id(made) == trace_id(parent)
    assert made != parent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", "URGENT"),
        ("enhancement.enhancement_id", "zzz"),
        ("expires_at", 2**63 - 1),
        ("requested_at", -(2**62)),
        ("run", 2**31),
    ],
)
def test_a_record_with_a_wrong_value_is_a_failed_result_and_no_dead_letter(field: str, value: object) -> None:
    parent = new_traceparent()
    finished = ExecutorHarness().deliver(raw(FULL_REQUEST, {field: value}), {TRACEPARENT: parent})
    assert finished is not None
    assert finished.outcome == "failed"
    assert finished.settlement.service_fault is None
    [record] = finished.records
    assert (record.topic, trace_id(record.headers[TRACEPARENT])) == ("scribe.results", trace_id(parent))
    result = result_of(finished)
    assert (result.job_id, result.tenant, result.outcome) == (FULL_REQUEST.job_id, "acme", Outcome.FAILED)
    assert result.error is not None
    assert result.error.code == "invalid_request"
    assert field in result.error.message
    assert result.request.webhook_url == FULL_REQUEST.webhook_url


def test_a_transcript_with_a_wrong_value_fails_its_job() -> None:
    finished = ExecutorHarness(Diarizing(SERDE)).deliver(raw(READY, {"completed_at": 2**63 - 1}))
    result = result_of(finished)
    assert finished is not None
    assert (finished.outcome, len(finished.records)) == ("failed", 1)
    assert (result.job_id, result.error and result.error.code) == (READY_REQUEST.job_id, "invalid_request")


def test_the_failed_result_of_a_record_as_large_as_a_broker_takes_fits_into_one() -> None:
    result = result_of(ExecutorHarness().deliver(raw(FULL_REQUEST, {"options.prompt": "p" * 1_040_000})))
    assert (result.request.webhook_url, result.error and result.error.code) == (
        FULL_REQUEST.webhook_url,
        "request_too_large",
    )


def test_a_wrong_value_in_a_record_of_nobody_is_a_dead_letter_with_the_field_named() -> None:
    finished = ExecutorHarness().deliver(raw(FULL_REQUEST, {"job_id": "zzz"}))
    assert finished is not None
    [record] = finished.records
    assert (finished.outcome, record.topic) == ("dead_lettered", f"{GROUP}.dlq")
    assert record.headers["scribe-error-code"] == "invalid_request"
    assert "job_id" in record.headers["scribe-error-message"]


@pytest.mark.parametrize("value", [None, b"", b"nonsense", b"\x00\x00\x00\x00\x99nonsense"])
def test_what_cannot_be_decoded_is_a_dead_letter(value: bytes | None) -> None:
    finished = ExecutorHarness().deliver(value)
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
    finished = ExecutorHarness().order(fake_outcome=outcome)
    assert finished is not None
    assert finished.outcome == ends
    error = result_of(finished).error
    assert error is not None
    assert error.code == code


@pytest.mark.parametrize("outcome", ["transient", "unexpected"])
def test_what_may_pass_is_tried_again_later(outcome: str) -> None:
    finished = ExecutorHarness().order(fake_outcome=outcome)
    assert finished is not None
    assert (finished.outcome, finished.records[0].topic) == ("retried", f"{GROUP}.retry.1m")


def test_an_expired_job_is_not_begun() -> None:
    request = replace(BARE_REQUEST, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    bench = ExecutorHarness()
    error = result_of(bench.order(request, fake_outcome="kill")).error
    assert error is not None
    assert error.code == "expired"


def test_an_outage_is_waited_for_in_place() -> None:
    """No attempt is spent: the result comes of the first delivery."""
    assert result_of(ExecutorHarness().order(fake_outcome="outage", fake_until="4")).outcome is Outcome.COMPLETED


def test_a_job_that_waits_for_an_outage_says_so() -> None:
    bench = ExecutorHarness(outage_wait=60)
    waits: list[WaitReason] = []

    def look() -> None:
        deadline = time.monotonic() + 60
        while not waits and time.monotonic() < deadline:
            waits.extend(reason for _, reason in bench.executor.work.stall_detector.waiting())
        bench.shutdown.request()

    looking = Thread(target=look)
    looking.start()
    assert bench.order(fake_outcome="outage", fake_until="99") is None
    looking.join(60)
    assert waits == [WaitReason.OUTAGE]
    assert bench.executor.work.stall_detector.waiting() == []


def test_an_outage_ends_with_the_drain_and_writes_nothing() -> None:
    bench = ExecutorHarness(outage_wait=60)
    timer = Timer(0.05, bench.shutdown.request)
    timer.start()
    assert bench.order(fake_outcome="outage", fake_until="99") is None
    timer.join()


def test_an_outage_ends_with_the_partition() -> None:
    bench = ExecutorHarness()
    bench.partition.owned = False
    assert bench.order(fake_outcome="outage", fake_until="99") is None


def test_a_job_of_a_lost_partition_is_dropped() -> None:
    bench = ExecutorHarness()
    bench.partition.owned = False
    assert bench.order() is None


def test_a_job_stops_when_the_time_to_drain_is_over() -> None:
    bench = ExecutorHarness()
    bench.shutdown.abort()
    assert bench.order(fake_seconds="60") is None


def test_a_lost_gpu_is_fatal() -> None:
    with pytest.raises(Fatal, match="illegal memory access"):
        ExecutorHarness().order(fake_outcome="cuda")


class GivesUp(FakeStage):
    """A stage that says NotOwner although the partition is ours."""

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        raise NotOwner("a lease of its own")


def test_a_record_that_its_stage_gives_up_is_not_stuck() -> None:
    finished = ExecutorHarness(GivesUp(SERDE)).order()
    assert finished is not None
    assert finished.outcome == "retried"


def test_a_failed_result_without_room_loses_its_metadata() -> None:
    """The request is within the limit, the failed result that carries it is not."""
    finished = ExecutorHarness().order(fake_outcome="permanent", note="x" * 999_780)
    result = result_of(finished)
    assert result.error is not None
    assert (result.error.code, result.request.metadata) == ("media_no_audio", {})


def test_a_job_whose_failure_has_no_room_fails_with_less_of_its_request() -> None:
    huge = replace(BARE_REQUEST, source=replace(BARE_REQUEST.source, uri="https://a.example/" + "x" * 999_700))
    finished = ExecutorHarness().order(huge, fake_outcome="permanent")
    assert finished is not None
    assert finished.outcome == "failed"
    result = result_of(finished)
    assert result.error is not None
    assert result.error.code == "media_no_audio"


CROWD = {f"x-{number}": "a" * 1000 for number in range(2000)}


@pytest.mark.parametrize("value", [b"nonsense", b"x" * 1_040_000])
def test_the_headers_of_a_stranger_do_not_keep_a_dead_letter_from_being_written(value: bytes) -> None:
    """The broker's limit is of compressed bytes: so many headers do arrive."""
    finished = ExecutorHarness().deliver(value, CROWD)
    assert finished is not None
    [record] = finished.records
    assert (record.topic, record.value) == (f"{GROUP}.dlq", value)
    assert fits((record,))


def test_a_retry_drops_foreign_headers_before_its_value() -> None:
    finished = ExecutorHarness().deliver(ordered(fake_outcome="transient"), CROWD)
    assert finished is not None
    [record] = finished.records
    assert (finished.outcome, record.value) == ("retried", ordered(fake_outcome="transient"))
    assert fits((record,))


def test_a_job_that_no_retry_can_carry_fails() -> None:
    """Without its value the next attempt would be poison, and the client would never hear of the job."""
    bench = ExecutorHarness()
    finished = bench.order(fake_outcome="transient")
    assert finished is not None
    assert finished.outcome == "retried"
    failed = bench.executor.ends.refuse(finished)
    assert failed.outcome == "failed"
    error = result_of(failed).error
    assert error is not None
    assert error.code == "request_too_large"


class Unsettled(ErrorPolicy):
    """A policy with a bug."""

    def settle(self, error: ScribeError, delivery: Delivery, job: Job | None, now: datetime) -> Settlement:
        raise ZeroDivisionError


def test_an_error_while_settling_ends_as_a_dead_letter_with_the_original_bytes() -> None:
    bench = ExecutorHarness(policy=Unsettled(GROUP, retry=RetryPolicy(GROUP)))
    finished = bench.order(fake_outcome="permanent")
    assert finished is not None
    [record] = finished.records
    assert (finished.outcome, record.topic) == ("dead_lettered", f"{GROUP}.dlq")
    assert record.value == ordered(fake_outcome="permanent")


@pytest.mark.parametrize("uri", ["https://[", "https://exa\u2100mple/"])
def test_no_address_ends_the_process(uri: str) -> None:
    request = replace(BARE_REQUEST, source=replace(BARE_REQUEST.source, uri=uri))
    assert result_of(ExecutorHarness().order(request, fake_outcome="permanent")).request.source.uri == uri


def test_a_transcribed_job_does_not_expire() -> None:
    """Its turn has come: the words are there."""
    expired = replace(BARE_REQUEST, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert isinstance(READY, TranscriptReady)
    ready = replace(READY, request=expired)
    assert result_of(ExecutorHarness(Diarizing(SERDE)).deliver(SERDE.encode(ready))).outcome is Outcome.COMPLETED


def test_a_poison_record_of_the_largest_size_still_reaches_the_dead_letters() -> None:
    finished = ExecutorHarness().deliver(b"x" * 1_047_900)
    assert finished is not None
    [record] = finished.records
    assert (record.value, record.headers[VALUE_OMITTED]) == (None, "1047900")


def test_records_that_the_broker_refuses_end_differently_each_time() -> None:
    """A result, its failure, that without free texts, a dead letter, an empty one; then nothing is left to try."""
    bench = ExecutorHarness()
    finished = bench.order(note="x")
    assert finished is not None
    failed = bench.executor.ends.refuse(finished)
    assert result_of(failed).request.metadata == {"note": "x"}
    slimmed = bench.executor.ends.refuse(failed)
    assert (slimmed.outcome, result_of(slimmed).request.metadata) == ("failed", {})
    assert result_of(slimmed).error == result_of(failed).error
    whole = bench.executor.ends.refuse(slimmed)
    assert [record.value for record in whole.records] == [ordered(note="x")]
    dead = bench.executor.ends.refuse(whole)
    assert [record.value for record in dead.records] == [None]
    with pytest.raises(Fatal, match="refuses even"):
        bench.executor.ends.refuse(dead)


class Registry(ManifestStore):
    """Schema ids that have to be asked for, of a registry that may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked: list[str | int] = []
        self._known: set[str | int] = set()

    def id_of(self, event_name: str) -> int:
        self._ask(event_name)
        return super().id_of(event_name)

    def schema_of(self, schema_id: int) -> Schema:
        self._ask(schema_id)
        return super().schema_of(schema_id)

    def knows(self, schema_id: int) -> bool:
        return schema_id in self._known

    def writer_for(self, event_name: str, plain: dict[str, Any]) -> tuple[int, Schema]:
        return self.id_of(event_name), current_schema(event_name)

    def _ask(self, what: str | int) -> None:
        if what not in self._known:
            self.asked.append(what)
            if self.away:
                raise Outage("the registry is away")
            self._known.add(what)


def test_another_end_is_found_without_asking_the_registry() -> None:
    """For the thread that asks for it must go on polling."""
    registry = Registry()
    bench = ExecutorHarness(serde=Serde(registry))
    finished = bench.order(fake_outcome="transient", attempt=1)
    assert finished is not None
    assert finished.outcome == "retried"
    registry.away = True
    bench.shutdown.request()  # else it would wait for ever
    assert result_of(bench.executor.ends.refuse(finished)).outcome is Outcome.FAILED


def test_for_scheduling_nobody_is_asked() -> None:
    """All that comes waits for it: what is not known here gets an ordinary one."""
    registry = Registry()
    bench = ExecutorHarness(serde=Serde(registry))
    task = JobTask(Delivery("scribe.jobs", 0, 5, b"key", ordered()), bench.partition)
    assert (bench.executor.decoder.scheduling_info(task), registry.asked) == (SchedulingInfo(), [])
    bench.executor.execute(task)
    assert bench.executor.decoder.scheduling_info(task).tenant == BARE_REQUEST.tenant


class MeetsItsDuplicate(FakeStage):
    """Another record of the same job comes to another worker while this one is at work."""

    duplicate: Callable[[], Finished | None]

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        assert self.duplicate() is None
        return super().run(job, work)


@pytest.mark.parametrize("fate", ["committed", "retried", "dropped"])
def test_a_duplicate_waits_for_the_end_of_the_first(fate: str) -> None:
    """It is skipped only when that is written; else it is worked on itself."""
    stage = MeetsItsDuplicate(SERDE)
    bench = ExecutorHarness(stage)
    value = ordered(fake_outcome="transient" if fate == "retried" else "completed")
    first, duplicate = (JobTask(Delivery("scribe.jobs", 0, n, b"key", value), bench.partition) for n in (5, 6))
    stage.duplicate = lambda: bench.executor.execute(duplicate)
    finished = bench.executor.execute(first)
    assert finished is not None
    assert finished.job is not None
    assert bench.duplicates.released() == []
    bench.duplicates.ended(finished.job, first, fate != "dropped" and finished.settlement.final)
    assert bench.duplicates.released() == [duplicate]
    stage.duplicate = lambda: None
    second = bench.executor.execute(duplicate)
    assert second is not None
    expected = {"committed": "duplicate", "retried": "retried", "dropped": "completed"}
    assert second.outcome == expected[fate]
    assert bool(second.records) is (fate != "committed")


def test_a_duplicate_is_released_when_the_first_writes_nothing() -> None:
    stage = MeetsItsDuplicate(SERDE)
    bench = ExecutorHarness(stage)
    lost = OwnedPartition("scribe.jobs", 0, PartitionOffsets(Position(0)), None, None, owned=False)
    first, duplicate = (
        JobTask(Delivery("a", 0, 5, None, ordered()), lost),
        JobTask(Delivery("b", 0, 5, None, ordered()), lost),
    )
    stage.duplicate = lambda: bench.executor.execute(duplicate)
    assert bench.executor.execute(first) is None
    assert bench.duplicates.released() == [duplicate]


def test_progress_is_offered_while_the_job_runs() -> None:
    bench = ExecutorHarness()
    bench.order(fake_seconds="0.05")
    assert bench.offered[0].topic == "scribe.progress"
