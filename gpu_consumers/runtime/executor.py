"""One delivery from its bytes to the records that end it: decode, run the stage, settle what went wrong, encode."""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from gpu_consumers.core.delivery.crash_suspects import MOST_DEATHS
from gpu_consumers.core.delivery.error_policy import ErrorPolicy, Settlement, classify, smaller
from gpu_consumers.core.delivery.fairness import SchedulingInfo, ticket_of
from gpu_consumers.core.delivery.first_seen import DuplicateVerdict
from gpu_consumers.core.delivery.messages import Delivery, Emission, Job, StageRunner
from gpu_consumers.kafka.partitions import OwnedPartition
from gpu_consumers.kafka.progress import JobProgressReporter, ProgressReporter
from gpu_consumers.kafka.result_routing import ResultRouting, directed, unwritable
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.stall_detector import StallDetector
from producers.kafka.publisher import fits, record_bytes
from schemas.errors import Cancelled, Fatal, InvalidEvent, NotOwner, Outage, Permanent, Poison, ScribeError, Transient
from schemas.events import JobRequested, JobResult, Stage, TranscriptReady
from schemas.process.logs import bound
from schemas.process.wait_reasons import WaitReason
from schemas.wire.headers import RESULTS_TO, TRACEPARENT, is_for, trace_id
from schemas.wire.records import Record, record_of
from schemas.wire.serde import MAX_RECORD_BYTES, Serde

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobTask:
    """A delivery that waits for a worker, and the assignment under which it came."""

    delivery: Delivery
    partition: OwnedPartition


@dataclass(frozen=True, slots=True)
class Finished:
    """A delivery that was brought to an end; its records and its offset go into one transaction."""

    task: JobTask
    job: Job | None
    settlement: Settlement
    records: tuple[Record, ...]

    @property
    def outcome(self) -> str:
        """A label for metrics."""
        return self.settlement.outcome

    @property
    def bytes(self) -> int:
        """Size of what is to be written."""
        return sum(len(record.value or b"") for record in self.records)

    @property
    def elsewhere(self) -> str | None:
        """The topic of a stranger's choice to which a record of it goes, None when none does."""
        name = self.task.delivery.headers.get(RESULTS_TO)
        return name if any(record.topic == name for record in self.records) else None

    @property
    def audio_seconds(self) -> float | None:
        """How much audio was worked on, of a job that ended well; None when that is not known."""
        if self.outcome != "completed":
            return None
        audio = (e.event.audio for e in self.settlement.emissions if isinstance(e.event, JobResult | TranscriptReady))
        return next((each.duration for each in audio if each is not None), None)


class JobExecutor:
    """Runs one stage on deliveries, in any number of threads at once."""

    def __init__(
        self,
        runner: StageRunner,
        policy: ErrorPolicy,
        serde: Serde,
        progress: ProgressReporter,
        drain: Shutdown,
        duplicates: Deduplicator[JobTask] | None = None,
        *,
        destinations: ResultRouting | None = None,
        cancelled: Callable[[JobRequested], bool] = lambda _: False,
        pulse: StallDetector[JobTask] | None = None,
        outage_wait: float = 15.0,
    ) -> None:
        """`duplicates` is told by the committer what was written; `outage_wait` is the longest pause between two tries while an outside system is away, in seconds."""
        self._runner = runner
        self._policy = policy
        self._serde = serde
        self._progress = progress
        self._drain = drain
        self._duplicates = duplicates or Deduplicator()
        self._destinations = destinations or ResultRouting()
        self._cancelled = cancelled
        self._pulse = pulse or StallDetector()
        self._outage_wait = outage_wait

    def execute(self, task: JobTask) -> Finished | None:
        """The end of a delivery, or None when it is left to another owner, a later start or the end of its twin.

        Raises Fatal.
        """
        delivery = task.delivery
        if not is_for(delivery.headers, self._policy.group):
            return Finished(task, None, Settlement("not_ours"), ())
        fields = {"topic": delivery.topic, "partition": delivery.partition, "offset": delivery.offset}
        trace = trace_id(delivery.headers.get(TRACEPARENT))
        with bound(**fields, attempt=delivery.attempt, trace_id=trace):
            job: Job | None = None
            try:
                job = self._patiently(task, lambda: self._decoded(delivery))
                with bound(job_id=str(job.request.job_id), tenant=job.request.tenant):
                    return self._claimed(task, job)
            # whatever a stage or its libraries raise becomes an outcome: a worker thread must not die
            except Exception as error:  # noqa: BLE001
                finished = self._failed(task, job, error)
            if finished is None and job is not None:
                self._duplicates.ended(job, task, final=False)
            return finished

    def _decoded(self, delivery: Delivery) -> Job:
        """The job in a record, also of one that can only fail; raises Poison when it does not say whose it is."""
        try:
            return self._runner.decode(delivery)
        except InvalidEvent as error:
            if not isinstance(error.answer, JobResult):
                raise
            return Job(delivery, error.answer.request, error.answer.request, error.reason)

    def ticket(self, task: JobTask) -> SchedulingInfo:
        """What is to be known of a delivery before its turn; what cannot be decoded now waits like anything else.

        It asks no other system: all that comes waits for it.
        """
        if not self._serde.at_hand(task.delivery.value):
            return SchedulingInfo()
        try:
            job = self._runner.decode(task.delivery)
            return ticket_of(job.event, job.request)
        # it will be met again, and settled, when it is executed
        except Exception as error:  # noqa: BLE001
            log.debug("without a ticket: %s", error)
            return SchedulingInfo()

    def set_aside(self, task: JobTask, reason: str) -> Finished:
        """The end of a delivery that stands for what the client library cannot read."""
        return self._settled(task, None, Poison(reason))

    def redirect(self, finished: Sequence[Finished]) -> list[Finished]:
        """The same deliveries; those end otherwise whose results were to go to a topic that is gone. Raises Outage."""
        self._destinations.forget()
        return [self._redirected(each) for each in finished]

    def _redirected(self, finished: Finished) -> Finished:
        refusal = self._destinations.refusal(finished.task.delivery.headers) if finished.elsewhere else None
        return finished if refusal is None else self._astray(finished, refusal)

    def deny(self, finished: Finished) -> Finished:
        """Another end for a delivery whose results were to go to a topic that the broker does not let us write."""
        return self._astray(finished, unwritable(finished.elsewhere or ""))

    def _astray(self, finished: Finished, error: Permanent) -> Finished:
        settlement = self._policy.dead_letter(finished.task.delivery, error)
        return self._ended(finished.task, finished.job, settlement)

    def refuse(self, finished: Finished) -> Finished:
        """Another end for a delivery of which the broker found a record too large."""
        error = Permanent("result_too_large", "a record of it is larger than the broker takes")
        try:
            return self._lesser(finished.task, finished.job, finished.settlement, error)
        except (Fatal, Outage):
            raise
        # it runs in the poll thread, which must not die of one record either
        except Exception as escaped:  # noqa: BLE001
            return self._buried(finished.task, finished.job, escaped)

    def _claimed(self, task: JobTask, job: Job) -> Finished | None:
        """The work, unless another record of the same job is in work or has been brought to its end."""
        refusal = self._patiently(task, lambda: self._destinations.refusal(task.delivery.headers))
        if refusal is not None:
            return self._ended(task, job, self._policy.dead_letter(task.delivery, refusal))
        match self._duplicates.claim(job, task):
            case DuplicateVerdict.WAIT:
                return None
            case DuplicateVerdict.SKIP:
                log.info("the same job was here before")
                return Finished(task, job, Settlement("duplicate"), ())
        return self._run(task, job)

    def _run(self, task: JobTask, job: Job) -> Finished:
        """The work of the stage; an outage is waited for, and then the work is tried again in place."""
        if job.invalid is not None:
            raise job.invalid
        if task.partition.starts.condemned(task.delivery.offset):
            log.error("quarantined: %d processes died while it ran alone", MOST_DEATHS)
            return self._ended(task, job, self._policy.quarantine(task.delivery, job, datetime.now(UTC)))
        reporter = self._progress.start(job.request, task.delivery.attempt)
        work = _TaskWork(task, job.request, reporter, self._drain, self._cancelled, self._pulse)
        work.check_wanted()
        _check_expiry(job, datetime.now(UTC))

        def run() -> tuple[Emission, ...]:
            work.check_wanted()  # an outage may have lasted long
            return self._runner.run(job, work)

        emissions = self._patiently(task, run)
        return self._ended(task, job, Settlement("completed", emissions))

    def _patiently(self, task: JobTask, call: Callable[[], T]) -> T:
        """`call`, again after every Outage, until the process drains or the partition is lost."""
        attempt = 0
        while True:
            try:
                return call()
            except Outage as error:
                if self._drain.requested.is_set() or not task.partition.owned:
                    raise
                attempt += 1
                log.warning("waiting for an outside system, attempt %d: %s", attempt, error)
                self._pulse.beat(task)
                with self._pulse.held(task, WaitReason.OUTAGE):
                    self._drain.requested.wait(_pause(attempt, self._outage_wait))

    def _failed(self, task: JobTask, job: Job | None, error: Exception) -> Finished | None:
        """What an error means for the delivery, even if that cannot be found out; raises Fatal."""
        try:
            return self._judged(task, job, error)
        except Fatal:
            raise
        except (NotOwner, Outage):
            # the schema registry is away, and the process drains
            return None
        except Exception as escaped:  # noqa: BLE001
            return self._buried(task, job, escaped)

    def _judged(self, task: JobTask, job: Job | None, error: Exception) -> Finished | None:
        ours = classify(error)
        if isinstance(ours, Fatal):
            raise ours from error
        if isinstance(ours, (NotOwner, Outage)):
            if self._drain.requested.is_set() or not task.partition.owned:
                log.info("left to the next owner: %s", ours)
                return None
            ours = Transient(f"given up by its stage: {ours}")
        level = logging.ERROR if ours is not error else logging.WARNING
        level = logging.INFO if isinstance(ours, Cancelled) else level
        log.log(level, "failed: %s", ours, exc_info=error if ours is not error else None)
        return self._settled(task, job, ours)

    def _settled(self, task: JobTask, job: Job | None, error: ScribeError) -> Finished:
        return self._ended(task, job, self._policy.settle(error, task.delivery, job, datetime.now(UTC)))

    def _ended(self, task: JobTask, job: Job | None, settlement: Settlement) -> Finished:
        """The settlement as records; whatever is too large for one ends differently."""
        if job is not None:  # so that `refuse`, which may not wait, can write one whatever this end is
            self._patiently(task, partial(self._serde.learn, JobResult))
        encode = partial(self._encode, task.delivery)
        records = [self._patiently(task, partial(encode, emission)) for emission in settlement.emissions]
        if all(map(_readable, records)) and fits(settlement.forwards):
            return Finished(task, job, settlement, (*records, *settlement.forwards))
        size = max(map(record_bytes, (*records, *settlement.forwards)))
        return self._lesser(task, job, settlement, Permanent("result_too_large", f"{size} bytes"))

    def _lesser(self, task: JobTask, job: Job | None, settlement: Settlement, error: Permanent) -> Finished:
        """The next best end when a record of `settlement` is too large; raises Fatal when there is none."""
        if settlement.outcome == "completed":
            return self._settled(task, job, error)
        if (less := smaller(settlement)) is not None:
            return self._ended(task, job, less)
        if settlement.outcome == "retried":
            return self._settled(task, job, Permanent("request_too_large", "it leaves no room for another attempt"))
        if not settlement.emissions and all(record.value is None for record in settlement.forwards):
            raise Fatal(f"the broker refuses even an empty record for {[r.topic for r in settlement.forwards]}")
        return self._ended(task, job, self._policy.dead_letter(task.delivery, error))

    def _buried(self, task: JobTask, job: Job | None, escaped: Exception) -> Finished:
        """The end of a delivery that could not be settled: no record may end the process."""
        log.error("could not be settled: %s", type(escaped).__name__, exc_info=escaped)
        error = Permanent("internal", f"it could not be settled: {type(escaped).__name__}")
        return self._ended(task, job, self._policy.dead_letter(task.delivery, error))

    def _encode(self, delivery: Delivery, emission: Emission) -> Record:
        parent = delivery.headers.get(TRACEPARENT)
        group, now = self._policy.group, datetime.now(UTC)
        record = record_of(self._serde, emission.topic, emission.event, group, now, parent)
        return directed(record, emission.event, delivery.headers)


class _TaskWork:
    """What a stage sees of the runtime; implements gpu_consumers.core.delivery.messages.Work."""

    def __init__(
        self,
        task: JobTask,
        request: JobRequested,
        reporter: JobProgressReporter,
        drain: Shutdown,
        cancelled: Callable[[JobRequested], bool],
        pulse: StallDetector[JobTask],
    ) -> None:
        self._task = task
        self._pulse = pulse
        self._partition = task.partition
        self._offset = task.delivery.offset
        self.suspect = task.partition.starts.deaths(self._offset) is not None
        self._request = request
        self._cancelled = cancelled
        self._reporter = reporter
        self._drain = drain

    def report(self, stage: Stage, done_seconds: float, total_seconds: float | None) -> None:
        """See Work."""
        self._reporter.report(stage, done_seconds, total_seconds)

    def check(self) -> None:
        """See Work."""
        self._pulse.beat(self._task)
        if not self._partition.owned:
            raise NotOwner(f"{self._partition.topic} [{self._partition.partition}] went to another process")
        if self._drain.over:
            raise NotOwner("the process ends before the job does")
        self.check_wanted()

    def advanced(self) -> None:
        """See Work."""
        if self._partition.starts.advanced(self._offset):
            self._partition.announcements.ask()

    def check_wanted(self) -> None:
        """Raise Cancelled when nobody wants the job any more."""
        if self._cancelled(self._request):
            raise Cancelled("as ordered")


def _check_expiry(job: Job, now: datetime) -> None:
    expires = job.request.expires_at
    # what is transcribed already has had its turn
    if isinstance(job.event, JobRequested) and expires is not None and expires <= now:
        raise Permanent("expired", f"it was to be started before {expires.isoformat()}")


def _readable(record: Record) -> bool:
    """Whether the broker takes a record of ours and its readers decode it."""
    return fits((record,)) and len(record.value or b"") <= MAX_RECORD_BYTES


def _pause(attempt: int, longest: float) -> float:
    """Seconds before the next try: growing, and each worker's own, so that they do not all come back at once."""
    growing = 0.5 * 2.0 ** min(attempt - 1, 10)
    return min(longest, growing + random.random())  # noqa: S311 - no secret
