"""Executor: takes one delivery from its bytes to the records that end it: decode, claim, run, end."""

from dataclasses import dataclass
from functools import partial

from gpu_consumers.core.delivery.error_policy import ErrorPolicy
from gpu_consumers.core.delivery.first_seen import DuplicateVerdict
from gpu_consumers.core.delivery.messages import Job, StageRunner
from gpu_consumers.kafka.result_routing import ResultRouting
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.execution.decoder import JobDecoder
from gpu_consumers.runtime.execution.ends import JobEnds
from gpu_consumers.runtime.execution.outages import OutageRetry
from gpu_consumers.runtime.execution.work import TaskWork, WorkParts
from gpu_consumers.runtime.tasks import Finished, JobTask
from schemas.process.logs import bound
from schemas.retries.backoff import Backoff
from schemas.retries.schedules import GPU_OUTAGES
from schemas.wire.headers import TRACEPARENT, is_for, trace_id
from schemas.wire.serde import Serde
from sink.process import tracing
from sink.process.span_names import ATTEMPT, JOB_ID, OUTCOME, TENANT, error_type, of_record
from sink.process.tracing import Span


@dataclass(frozen=True, slots=True)
class JobExecutor:
    """Runs one stage on deliveries, in any number of threads at once."""

    runner: StageRunner
    decoder: JobDecoder
    routing: ResultRouting
    duplicates: Deduplicator[JobTask]
    """The committer tells it which ends were written."""
    work: WorkParts
    outages: OutageRetry
    ends: JobEnds

    def execute(self, task: JobTask) -> Finished | None:
        """The end of a delivery; None when it is left to another owner, a later start or the end of its duplicate.

        Raises Fatal.
        """
        delivery = task.delivery
        if not is_for(delivery.headers, self.ends.policy.group):
            return self.ends.not_ours(task)
        parent = delivery.headers.get(TRACEPARENT)
        topic, partition, offset = delivery.topic, delivery.partition, delivery.offset
        names = of_record(topic, partition, offset, self.ends.policy.group) | {ATTEMPT: delivery.attempt}
        with (
            bound(topic=topic, partition=partition, offset=offset, attempt=delivery.attempt, trace_id=trace_id(parent)),
            tracing.span(f"process {topic}", "consumer", parent=parent, attributes=names) as span,
        ):
            finished = self._executed(task, span)
            span.set(OUTCOME, finished.outcome if finished else "left")
            return finished

    def _executed(self, task: JobTask, span: Span) -> Finished | None:
        try:
            job = self.outages.retry(task, partial(self.decoder.decode, task.delivery))
        except Exception as error:  # noqa: BLE001 - see below
            span.fail(error_type(error))
            return self.ends.failed(task, None, error)
        span.set(JOB_ID, str(job.request.job_id))
        span.set(TENANT, job.request.tenant)
        with bound(job_id=str(job.request.job_id), tenant=job.request.tenant):
            try:
                return self._process(task, job)
            # whatever a stage or its libraries raise becomes an outcome: a worker thread must not die
            except Exception as error:  # noqa: BLE001
                span.fail(error_type(error))
                finished = self.ends.failed(task, job, error)
            if finished is None:
                self.duplicates.ended(job, task, final=False)
            return finished

    def _process(self, task: JobTask, job: Job) -> Finished | None:
        """Claim the job, run the stage and end it; after an outage the work is retried in place."""
        rejection = self.outages.retry(task, partial(self.routing.rejection, task.delivery.headers))
        if rejection is not None:
            return self.ends.unroutable(task, job, rejection)
        match self.duplicates.claim(job, task):
            case DuplicateVerdict.WAIT:
                return None
            case DuplicateVerdict.SKIP:
                return self.ends.duplicate(task, job)
        if job.invalid is not None:
            raise job.invalid
        if task.partition.suspects.quarantined(task.delivery.offset):
            return self.ends.quarantined(task, job)
        work = TaskWork(task, job, self.work)
        work.check_start()
        emissions = self.outages.retry(task, partial(work.run, self.runner))
        return self.ends.completed(task, job, emissions)


def create_executor(
    runner: StageRunner,
    policy: ErrorPolicy,
    serde: Serde,
    work: WorkParts,
    duplicates: Deduplicator[JobTask],
    *,
    routing: ResultRouting | None = None,
    waits: Backoff = GPU_OUTAGES,
) -> JobExecutor:
    """The executor of a stage; `waits` are the pauses between retries during an outage."""
    routing = routing or ResultRouting()
    outages = OutageRetry(work.shutdown, work.stall_detector, waits)
    ends = JobEnds(policy, serde, routing, outages)
    return JobExecutor(runner, JobDecoder(runner, serde), routing, duplicates, work, outages, ends)
