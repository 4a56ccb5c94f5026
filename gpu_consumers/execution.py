"""One delivery from its bytes to the records that end it: decode, run the stage, settle what went wrong, encode."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    wait_exponential_jitter,
)

from gpu_consumers.core.settle import Settlement, SettlePolicy, classify, slim, without_value
from gpu_consumers.core.work import Delivery, Emission, Job, StageRunner
from gpu_consumers.drain import Drain
from gpu_consumers.partitions import OwnedPartition
from gpu_consumers.progress import JobProgressReporter, ProgressReporter
from producers.publisher import fits, record_bytes
from schemas.errors import Fatal, NotOwner, Outage, Permanent, ScribeError, Transient
from schemas.events import JobResult, Stage
from schemas.headers import TRACEPARENT, trace_id
from schemas.logs import bound
from schemas.records import Record, record_of
from schemas.serde import MAX_RECORD_BYTES, Serde

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Task:
    """A delivery that waits for a worker, and the assignment under which it came."""

    delivery: Delivery
    partition: OwnedPartition


@dataclass(frozen=True, slots=True)
class Finished:
    """A delivery that was brought to an end; its records and its offset go into one transaction."""

    task: Task
    job: Job | None
    outcome: str
    records: tuple[Record, ...]
    results: tuple[JobResult, ...] = ()

    @property
    def bytes(self) -> int:
        """Size of what is to be written."""
        return sum(len(record.value or b"") for record in self.records)


class JobExecutor:
    """Runs one stage on deliveries, in any number of threads at once."""

    def __init__(
        self,
        runner: StageRunner,
        policy: SettlePolicy,
        serde: Serde,
        progress: ProgressReporter,
        drain: Drain,
        *,
        outage_wait: float = 15.0,
    ) -> None:
        """`outage_wait` is the longest pause between two tries while an outside system is away, in seconds."""
        self._runner = runner
        self._policy = policy
        self._serde = serde
        self._progress = progress
        self._drain = drain
        self._outage_wait = outage_wait

    def execute(self, task: Task) -> Finished | None:
        """The end of a delivery, or None when it is left to another owner or a later start; raises Fatal."""
        delivery = task.delivery
        fields = {"topic": delivery.topic, "partition": delivery.partition, "offset": delivery.offset}
        trace = trace_id(delivery.headers.get(TRACEPARENT))
        with bound(**fields, attempt=delivery.attempt, trace_id=trace):
            job: Job | None = None
            try:
                job = self._patiently(task, lambda: self._runner.decode(delivery))
                with bound(job_id=str(job.request.job_id), tenant=job.request.tenant):
                    return self._run(task, job)
            # whatever a stage or its libraries raise becomes an outcome: a worker thread must not die
            except Exception as error:  # noqa: BLE001
                return self._failed(task, job, error)

    def refuse(self, finished: Finished) -> Finished:
        """Another end for a delivery of which the broker found a record too large."""
        error = Permanent("result_too_large", "a record of it is larger than the broker takes")
        if finished.outcome == "completed":
            return self._settled(finished.task, finished.job, error)
        if all(record.value is None for record in finished.records):
            raise Fatal(f"the broker refuses even an empty record for {[r.topic for r in finished.records]}")
        settlement = self._policy.dead_letter(finished.task.delivery, error)
        return self._ended(finished.task, finished.job, _emptied(settlement))

    def _run(self, task: Task, job: Job) -> Finished:
        """The work of the stage; an outage is waited for, and then the work is tried again in place."""
        _check_expiry(job, datetime.now(UTC))
        reporter = self._progress.start(job.request, task.delivery.attempt)
        work = _TaskWork(task, reporter, self._drain)
        emissions = self._patiently(task, lambda: self._runner.run(job, work))
        return self._ended(task, job, Settlement("completed", emissions))

    def _patiently(self, task: Task, call: Callable[[], T]) -> T:
        """`call`, again after every Outage, until the process drains or the partition is lost."""
        retrying = Retrying(
            retry=retry_if_exception_type(Outage),
            wait=wait_exponential_jitter(multiplier=0.5, max=self._outage_wait),
            sleep=sleep_using_event(self._drain.requested),
            stop=lambda _: self._drain.requested.is_set() or not task.partition.owned,
            before_sleep=_log_outage,
            reraise=True,
        )
        return retrying(call)

    def _failed(self, task: Task, job: Job | None, error: Exception) -> Finished | None:
        """What an error means for the delivery; raises Fatal."""
        ours = classify(error)
        if isinstance(ours, Fatal):
            raise ours from error
        if isinstance(ours, (NotOwner, Outage)):
            if self._drain.requested.is_set() or not task.partition.owned:
                log.info("left to the next owner: %s", ours)
                return None
            ours = Transient(f"given up by its stage: {ours}")
        level = logging.ERROR if ours is not error else logging.WARNING
        log.log(level, "failed: %s", ours, exc_info=error if ours is not error else None)
        try:
            return self._settled(task, job, ours)
        except Outage:
            # the schema registry is away, and the process drains
            return None

    def _settled(self, task: Task, job: Job | None, error: ScribeError) -> Finished:
        return self._ended(task, job, self._policy.settle(error, task.delivery, job, datetime.now(UTC)))

    def _ended(self, task: Task, job: Job | None, settlement: Settlement) -> Finished:
        """The settlement as records; whatever is too large for one ends differently."""
        encode = partial(self._encode, task.delivery)
        records = [self._patiently(task, partial(encode, emission)) for emission in settlement.emissions]
        if not all(map(_readable, records)):
            return self._oversized(task, job, settlement, max(map(record_bytes, records)))
        forwards = settlement.forwards if fits(settlement.forwards) else _emptied(settlement).forwards
        results = tuple(e.event for e in settlement.emissions if isinstance(e.event, JobResult))
        return Finished(task, job, settlement.outcome, (*records, *forwards), results)

    def _oversized(self, task: Task, job: Job | None, settlement: Settlement, size: int) -> Finished:
        error = Permanent("result_too_large", f"{size} bytes")
        if settlement.outcome == "completed":
            return self._settled(task, job, error)
        slimmer = tuple(map(_slim, settlement.emissions))
        if slimmer != settlement.emissions:
            return self._ended(task, job, replace(settlement, emissions=slimmer))
        return self._ended(task, job, self._policy.dead_letter(task.delivery, error))

    def _encode(self, delivery: Delivery, emission: Emission) -> Record:
        parent = delivery.headers.get(TRACEPARENT)
        return record_of(self._serde, emission.topic, emission.event, self._policy.group, datetime.now(UTC), parent)


class _TaskWork:
    """What a stage sees of the runtime; implements gpu_consumers.core.work.Work."""

    def __init__(self, task: Task, reporter: JobProgressReporter, drain: Drain) -> None:
        self._partition = task.partition
        self._reporter = reporter
        self._drain = drain

    def report(self, stage: Stage, done_seconds: float, total_seconds: float | None) -> None:
        """See Work."""
        self._reporter.report(stage, done_seconds, total_seconds)

    def check(self) -> None:
        """See Work."""
        if not self._partition.owned:
            raise NotOwner(f"{self._partition.topic} [{self._partition.partition}] went to another process")
        if self._drain.over:
            raise NotOwner("the process ends before the job does")


def _check_expiry(job: Job, now: datetime) -> None:
    expires = job.request.expires_at
    if expires is not None and expires <= now:
        raise Permanent("expired", f"it was to be started before {expires.isoformat()}")


def _readable(record: Record) -> bool:
    """Whether the broker takes a record of ours and its readers decode it."""
    return fits((record,)) and len(record.value or b"") <= MAX_RECORD_BYTES


def _slim(emission: Emission) -> Emission:
    return replace(emission, event=slim(emission.event)) if isinstance(emission.event, JobResult) else emission


def _emptied(settlement: Settlement) -> Settlement:
    return replace(settlement, forwards=tuple(map(without_value, settlement.forwards)))


def _log_outage(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("waiting for an outside system, attempt %d: %s", state.attempt_number, error)
