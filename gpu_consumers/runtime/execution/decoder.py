"""Decoder: the job in a record, and its scheduling info."""

import logging
from dataclasses import dataclass

from gpu_consumers.core.delivery.fairness import SchedulingInfo, scheduling_info_of
from gpu_consumers.core.delivery.messages import Delivery, Job, StageRunner
from gpu_consumers.runtime.tasks import JobTask
from schemas.errors import InvalidEvent
from schemas.events import JobResult
from schemas.wire.serde import Serde

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobDecoder:
    """Decodes the records of one stage, in any number of threads at once."""

    runner: StageRunner
    serde: Serde

    def decode(self, delivery: Delivery) -> Job:
        """The job in a record, also one that can only fail; raises Outage, or Poison when the record names no job."""
        try:
            return self.runner.decode(delivery)
        except InvalidEvent as error:
            if not isinstance(error.answer, JobResult):
                raise
            return Job(delivery, error.answer.request, error.answer.request, error.reason)

    def scheduling_info(self, task: JobTask) -> SchedulingInfo:
        """The scheduling info of a delivery; one that cannot be decoded now is scheduled like any other.

        No other system is asked: all later records wait for this one.
        """
        if not self.serde.at_hand(task.delivery.value):
            return SchedulingInfo()
        try:
            job = self.runner.decode(task.delivery)
            return scheduling_info_of(job.event, job.request)
        # the error comes again, and is settled, when the task is executed
        except Exception as error:  # noqa: BLE001
            log.debug("scheduled as unknown: %s", error)
            return SchedulingInfo()
