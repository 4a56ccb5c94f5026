"""Work of a stage on one task: progress reports, stop checks, and checkpointed progress."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gpu_consumers.core.delivery.messages import Emission, Job, StageRunner
from gpu_consumers.kafka.progress import ProgressReporter
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.stall_detector import StallDetector
from gpu_consumers.runtime.tasks import JobTask
from schemas.errors import Cancelled, NotOwner, Permanent
from schemas.events import JobRequested, Stage


def never_cancelled(_: JobRequested) -> bool:
    """Report no job as cancelled, where no cancellation orders are read."""
    return False


@dataclass(frozen=True, slots=True)
class WorkParts:
    """Collaborators of the work on all tasks of a group."""

    progress: ProgressReporter
    shutdown: Shutdown
    stall_detector: StallDetector[JobTask] = field(default_factory=StallDetector)
    cancelled: Callable[[JobRequested], bool] = never_cancelled


class TaskWork:
    """Work on one task in one worker thread; implements gpu_consumers.core.delivery.messages.Work."""

    def __init__(self, task: JobTask, job: Job, parts: WorkParts) -> None:
        self._task = task
        self._job = job
        self._parts = parts
        self.suspect = task.partition.suspects.deaths(task.delivery.offset) is not None
        self._reporter = parts.progress.start(job.request, task.delivery.attempt)

    def check_start(self) -> None:
        """Raise Cancelled when the job is cancelled, Permanent when it has expired."""
        self._check_wanted()
        expires = self._job.request.expires_at
        # a job that was transcribed in time does not expire
        if isinstance(self._job.event, JobRequested) and expires is not None and expires <= datetime.now(UTC):
            raise Permanent("expired", f"it was to be started before {expires.isoformat()}")

    def run(self, runner: StageRunner) -> tuple[Emission, ...]:
        """Let the stage do the work, at the start or again after an outage; raises as StageRunner.run."""
        self._check_wanted()  # an outage may have lasted long
        return runner.run(self._job, self)

    def report(self, stage: Stage, done_seconds: float, total_seconds: float | None) -> None:
        """See Work."""
        self._reporter.report(stage, done_seconds, total_seconds)

    def check(self) -> None:
        """See Work."""
        self._parts.stall_detector.heartbeat(self._task)
        partition = self._task.partition
        if not partition.owned:
            raise NotOwner(f"{partition.topic} [{partition.partition}] went to another process")
        if self._parts.shutdown.deadline_passed:
            raise NotOwner("the process ends before the job does")
        self._check_wanted()

    def advanced(self) -> None:
        """See Work."""
        if self._task.partition.suspects.advanced(self._task.delivery.offset):
            self._task.partition.commit_barrier.request()

    def _check_wanted(self) -> None:
        if self._parts.cancelled(self._job.request):
            raise Cancelled("as ordered")
