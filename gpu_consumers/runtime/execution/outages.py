"""Outage retry: a worker repeats a call in place while an outside system is away."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.stall_detector import StallDetector
from gpu_consumers.runtime.tasks import JobTask
from schemas.errors import Outage
from schemas.process.wait_reasons import WaitReason
from schemas.retries.backoff import Backoff
from schemas.retries.schedules import GPU_OUTAGES

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OutageRetry:
    """Repeats calls for a task until the process shuts down or the task's partition is lost."""

    shutdown: Shutdown
    stall_detector: StallDetector[JobTask]
    waits: Backoff = GPU_OUTAGES

    def retry(self, task: JobTask, call: Callable[[], T]) -> T:
        """The result of `call`, repeated after every Outage; raises the last Outage when the retries end."""
        attempt = 0
        while True:
            try:
                return call()
            except Outage as error:
                if self.ends_for(task):
                    raise
                attempt += 1
                log.warning("waiting for an outside system, attempt %d: %s", attempt, error)
                self.stall_detector.heartbeat(task)
                with self.stall_detector.held(task, WaitReason.OUTAGE):
                    self.shutdown.requested.wait(self.waits.wait(attempt, random.random()))  # noqa: S311 - no secret

    def ends_for(self, task: JobTask) -> bool:
        """Whether a task is left to the next owner of its partition."""
        return self.shutdown.requested.is_set() or not task.partition.owned
