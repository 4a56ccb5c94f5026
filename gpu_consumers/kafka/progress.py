"""Progress events: one when a stage begins, then at most one a second per job, without ever delaying the job."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from schemas.events import JobProgress, JobRequested, Stage, event_id
from schemas.topics import PROGRESS
from schemas.wire.records import Record, record_of
from schemas.wire.serde import Serde

log = logging.getLogger(__name__)


class Offer(Protocol):
    """Takes a record without waiting; producers.kafka.publisher.Publisher.offer is one."""

    def __call__(self, record: Record) -> bool:
        """Whether the record was taken."""


class ProgressReporter:
    """Creates the reporters of single jobs; one for the whole process."""

    def __init__(
        self,
        offer: Offer,
        serde: Serde,
        worker: str,
        *,
        topic: str = PROGRESS,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create the reporter; `interval` is in seconds, like the result of `clock`."""
        self._offer = offer
        self._serde = serde
        self._topic = topic
        self.worker = worker
        self.interval = interval
        self.clock = clock

    def start(self, request: JobRequested, attempt: int) -> "JobProgressReporter":
        """The reporter of one attempt at one job."""
        return JobProgressReporter(self, request, attempt)

    def send(self, event: JobProgress) -> None:
        """Offer an event; one that cannot be sent now is dropped."""
        self._offer(record_of(self._serde, self._topic, event, self.worker, event.at))


class JobProgressReporter:
    """Selects and numbers the reports of a job that are sent; used by one worker thread."""

    def __init__(self, reporter: ProgressReporter, request: JobRequested, attempt: int) -> None:
        self._reporter = reporter
        self._request = request
        self._attempt = attempt
        self._sequence = 0
        self._stage: Stage | None = None
        self._sent_at = 0.0

    def report(self, stage: Stage, done_seconds: float, total_seconds: float | None) -> None:
        """Report the progress of the job, in seconds of audio."""
        now = self._reporter.clock()
        finished = total_seconds is not None and done_seconds >= total_seconds
        if stage is self._stage and not finished and now - self._sent_at < self._reporter.interval:
            return
        self._stage, self._sent_at = stage, now
        self._sequence += 1
        try:
            self._reporter.send(self._event(stage, done_seconds, total_seconds))
        except Exception:  # a report is a courtesy: nothing about it may fail the job
            log.exception("progress could not be reported")

    def _event(self, stage: Stage, done_seconds: float, total_seconds: float | None) -> JobProgress:
        request = self._request
        subject = f"{stage.value}/{self._attempt}/{self._sequence}"
        return JobProgress(
            event_id=event_id(request.job_id, JobProgress.KIND, request.run, subject),
            job_id=request.job_id,
            run=request.run,
            tenant=request.tenant,
            stage=stage,
            attempt=self._attempt,
            sequence=self._sequence,
            done_seconds=done_seconds,
            total_seconds=total_seconds,
            worker=self._reporter.worker,
            at=datetime.now(UTC),
        )
