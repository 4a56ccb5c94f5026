"""Job ends: the records that end a delivery, and replacements for ends that cannot be written."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from gpu_consumers.core.delivery.crash_suspects import MOST_DEATHS
from gpu_consumers.core.delivery.error_policy import ErrorPolicy, Settlement, classify, shrunk
from gpu_consumers.core.delivery.messages import Delivery, Emission, Job
from gpu_consumers.kafka.result_routing import ResultRouting, routed, unwritable
from gpu_consumers.runtime.execution.outages import OutageRetry
from gpu_consumers.runtime.tasks import Finished, JobTask
from producers.kafka.publisher import fits, record_bytes
from schemas.errors import Cancelled, Fatal, NotOwner, Outage, Permanent, Poison, ScribeError, Transient
from schemas.events import JobResult
from schemas.wire.headers import TRACEPARENT
from schemas.wire.records import Record, record_of
from schemas.wire.serde import MAX_RECORD_BYTES, Serde

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobEnds:
    """Builds the ends of deliveries; every method raises Fatal when not even an empty dead letter can be written."""

    policy: ErrorPolicy
    serde: Serde
    routing: ResultRouting
    outages: OutageRetry

    def completed(self, task: JobTask, job: Job, emissions: tuple[Emission, ...]) -> Finished:
        """The end of a job whose stage has done its work."""
        return self._build_end(task, job, Settlement("completed", emissions))

    def duplicate(self, task: JobTask, job: Job) -> Finished:
        """The end of a job that another record has ended before: nothing is written."""
        log.info("the same job was here before")
        return Finished(task, job, Settlement("duplicate"), ())

    def not_ours(self, task: JobTask) -> Finished:
        """The end of a record that was replayed for another group: nothing is written."""
        return Finished(task, None, Settlement("not_ours"), ())

    def quarantined(self, task: JobTask, job: Job) -> Finished:
        """The end of a job whose record crashed every process that worked on it."""
        log.error("quarantined: %d processes died while it ran alone", MOST_DEATHS)
        return self._build_end(task, job, self.policy.quarantine(task.delivery, job, datetime.now(UTC)))

    def unroutable(self, task: JobTask, job: Job | None, rejection: Permanent) -> Finished:
        """The end of a job whose result no topic accepts."""
        return self._build_end(task, job, self.policy.dead_letter(task.delivery, rejection))

    def unreadable(self, task: JobTask, reason: str) -> Finished:
        """The end of a delivery that stands for records unreadable to the client library."""
        return self._settle(task, None, Poison(reason))

    def failed(self, task: JobTask, job: Job | None, error: Exception) -> Finished | None:
        """The end of a delivery for an error; None when it is left to the next owner. Raises Fatal."""
        try:
            if (ours := self._classify_failure(task, error)) is None:
                return None
            return self._build_end(task, job, self.policy.settle(ours, task.delivery, job, datetime.now(UTC)))
        except Fatal:
            raise
        except (NotOwner, Outage):
            # the schema registry is away, and the process shuts down
            return None
        except Exception as escaped:  # noqa: BLE001
            return self._dead_letter_unsettleable(task, job, escaped)

    def redirect(self, finished: Sequence[Finished]) -> list[Finished]:
        """Other ends for deliveries whose results were meant for a deleted topic. Raises Outage."""
        self.routing.forget()
        return [self._redirected(each) for each in finished]

    def deny(self, finished: Finished) -> Finished:
        """Another end for a delivery whose result was meant for a topic without write permission."""
        return self.unroutable(finished.task, finished.job, unwritable(finished.foreign_topic or ""))

    def refuse(self, finished: Finished) -> Finished:
        """Another end for a delivery with a record too large for the broker."""
        error = Permanent("result_too_large", "a record of it is larger than the broker takes")
        try:
            return self._fallback_end(finished.task, finished.job, finished.settlement, error)
        except (Fatal, Outage):
            raise
        # it runs in the poll thread, which must not die of one record either
        except Exception as escaped:  # noqa: BLE001
            return self._dead_letter_unsettleable(finished.task, finished.job, escaped)

    def _classify_failure(self, task: JobTask, error: Exception) -> ScribeError | None:
        """The error to settle; None when the task is left to the next owner. Raises Fatal."""
        ours = classify(error)
        if isinstance(ours, Fatal):
            raise ours from error
        if isinstance(ours, (NotOwner, Outage)):
            if self.outages.ends_for(task):
                log.info("left to the next owner: %s", ours)
                return None
            ours = Transient(f"given up by its stage: {ours}")
        level = logging.ERROR if ours is not error else logging.WARNING
        level = logging.INFO if isinstance(ours, Cancelled) else level
        log.log(level, "failed: %s", ours, exc_info=error if ours is not error else None)
        return ours

    def _settle(self, task: JobTask, job: Job | None, error: ScribeError) -> Finished:
        return self._build_end(task, job, self.policy.settle(error, task.delivery, job, datetime.now(UTC)))

    def _build_end(self, task: JobTask, job: Job | None, settlement: Settlement) -> Finished:
        """The settlement as records; another end if they would be too large."""
        if job is not None:  # so that `refuse`, which may not wait, can write a result whatever this end is
            self.outages.retry(task, partial(self.serde.learn, JobResult))
        encode = partial(self._encode, task.delivery)
        records = [self.outages.retry(task, partial(encode, each)) for each in settlement.emissions]
        # a record of ours must also be one that its readers decode
        readable = all(len(record.value or b"") <= MAX_RECORD_BYTES for record in records)
        if readable and all(fits((record,)) for record in records) and fits(settlement.forwards):
            return Finished(task, job, settlement, (*records, *settlement.forwards))
        size = max(map(record_bytes, (*records, *settlement.forwards)))
        return self._fallback_end(task, job, settlement, Permanent("result_too_large", f"{size} bytes"))

    def _fallback_end(self, task: JobTask, job: Job | None, settlement: Settlement, error: Permanent) -> Finished:
        """The next best end when a record of `settlement` is too large; raises Fatal when there is none."""
        if settlement.outcome == "completed":
            return self._settle(task, job, error)
        if (less := shrunk(settlement)) is not None:
            return self._build_end(task, job, less)
        if settlement.outcome == "retried":
            return self._settle(task, job, Permanent("request_too_large", "it leaves no room for another attempt"))
        if not settlement.emissions and all(record.value is None for record in settlement.forwards):
            raise Fatal(f"the broker refuses even an empty record for {[r.topic for r in settlement.forwards]}")
        return self._build_end(task, job, self.policy.dead_letter(task.delivery, error))

    def _dead_letter_unsettleable(self, task: JobTask, job: Job | None, escaped: Exception) -> Finished:
        """The end of a delivery that could not be settled: no record may end the process."""
        log.error("could not be settled: %s", type(escaped).__name__, exc_info=escaped)
        error = Permanent("internal", f"it could not be settled: {type(escaped).__name__}")
        return self._build_end(task, job, self.policy.dead_letter(task.delivery, error))

    def _redirected(self, finished: Finished) -> Finished:
        rejection = self.routing.rejection(finished.task.delivery.headers) if finished.foreign_topic else None
        return finished if rejection is None else self.unroutable(finished.task, finished.job, rejection)

    def _encode(self, delivery: Delivery, emission: Emission) -> Record:
        parent = delivery.headers.get(TRACEPARENT)
        record = record_of(self.serde, emission.topic, emission.event, self.policy.group, datetime.now(UTC), parent)
        return routed(record, emission.event, delivery.headers)
