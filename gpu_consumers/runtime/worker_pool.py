"""Worker threads of one stage: each queued delivery comes back finished or is dropped."""

import contextvars
import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

from gpu_consumers.core.delivery.fairness import SchedulingInfo
from gpu_consumers.runtime.stall_detector import StallDetector
from gpu_consumers.runtime.task_queue import SharedIsolation, TaskQueue
from gpu_consumers.runtime.tasks import Finished, JobTask
from schemas.metrics import WORKERS
from schemas.process.wait_reasons import WaitReason

log = logging.getLogger(__name__)


def _unknown(_: JobTask) -> SchedulingInfo:
    return SchedulingInfo()


class WorkerPool:
    """Executes tasks in a fixed number of threads; `finished` holds results for the poll thread to write."""

    def __init__(
        self,
        name: str,
        workers: int,
        execute: Callable[[JobTask], Finished | None],
        *,
        scheduling_info: Callable[[JobTask], SchedulingInfo] = _unknown,
        isolation: SharedIsolation | None = None,
        stall_detector: StallDetector[JobTask] | None = None,
    ) -> None:
        """Create the pool; `scheduling_info` runs in its own thread, as it decodes; `isolation` is process-wide."""
        self._execute = execute
        self._scheduling_info = scheduling_info
        self._stall_detector: StallDetector[JobTask] = stall_detector or StallDetector()
        self._arriving: SimpleQueue[JobTask | None] = SimpleQueue()
        self._queue = TaskQueue(workers, isolation or SharedIsolation(), name=name)
        self._lock = Lock()
        self._busy = 0
        WORKERS.labels(name, "all").set(workers)
        WORKERS.labels(name, "busy").set_function(lambda: self._busy)
        self._threads = [self._thread(self._work, f"{name}-{number}") for number in range(workers)]
        self._threads.append(self._thread(self._admit, f"{name}-arriving"))
        self.finished: SimpleQueue[Finished] = SimpleQueue()
        self.failure: BaseException | None = None

    @property
    def busy(self) -> int:
        """The number of workers with a task."""
        return self._busy

    @property
    def hanging(self) -> list[JobTask]:
        """Tasks without a heartbeat; they count against their records even when the process ends in good order."""
        stalled = self._stall_detector.stalled()
        for task in stalled:
            task.partition.suspects.hang(task.delivery.offset)
        return stalled

    def working(self) -> list[JobTask]:
        """The tasks that workers are working on."""
        return self._stall_detector.working()

    def waiting(self) -> list[tuple[JobTask, WaitReason]]:
        """The tasks that wait for or in a worker, with their reasons."""
        return [*self._queue.waiting(), *self._stall_detector.waiting()]

    def start(self) -> None:
        """Start the threads; they end with the process at the latest."""
        for thread in self._threads:
            thread.start()

    def submit(self, task: JobTask) -> None:
        """Queue a task; never waits."""
        self._arriving.put(task)

    def discard(self) -> None:
        """Discard tasks that no worker has begun, and all later ones; their offsets stay uncommitted."""
        self._queue.discard()

    def stop(self) -> None:
        """End the threads, each after its current task."""
        self.discard()
        self._arriving.put(None)
        self._queue.close()

    def join(self, timeout: float = 5.0) -> None:
        """Wait for the threads to end, each for at most `timeout` seconds."""
        for thread in self._threads:
            thread.join(timeout)

    def _admit(self) -> None:
        while (task := self._arriving.get()) is not None:
            self._queue.put(task, self._scheduling_info(task))

    def _work(self) -> None:
        while (task := self._queue.take()) is not None:
            with self._lock:
                self._busy += 1
            try:
                finished = self._executed(task) if self._marks_committed(task) else None
            # it is Fatal or a bug of ours: the poll thread ends the process, and nothing of this task is written
            except BaseException as error:  # noqa: BLE001
                self.failure = error
                self._queue.close()
                return
            if finished is None:
                task.partition.suspects.abandon(task.delivery.offset)
            else:
                self.finished.put(finished)
            with self._lock:
                self._busy -= 1
            self._await_commit(task, finished)
            if finished is None:
                self._queue.done(task)
            else:
                self._queue.done(task, finished.audio_seconds, finished.settlement.service_fault)

    def _executed(self, task: JobTask) -> Finished | None:
        with self._stall_detector.track(task):
            return self._execute(task)

    def _marks_committed(self, task: JobTask) -> bool:
        """Wait until the required marks are committed; False when the partition is lost meanwhile.

        Ownership of the partition is committed before anything runs. Where an owner died before, each start is
        committed as well.
        """
        partition = task.partition
        number = partition.commit_barrier.request() if partition.suspects.write_ahead else 1
        with self._stall_detector.held(task, WaitReason.COMMIT_BARRIER):
            return partition.commit_barrier.wait(number, lambda: partition.owned)

    @staticmethod
    def _await_commit(task: JobTask, finished: Finished | None) -> None:
        """Wait until the outcome of a suspect, or that it has none, is committed: only then does its turn end.

        If a task that starts next killed the process before that, its death would count against the suspect as well.
        """
        partition, offset = task.partition, task.delivery.offset
        if partition.suspects.deaths(offset) is None:
            return
        number = partition.commit_barrier.request()
        if finished is None:
            partition.commit_barrier.wait(number, lambda: partition.owned)
        else:
            # the next commit may not hold it yet
            partition.commit_barrier.wait_until(
                lambda: partition.suspects.deaths(offset) is None, lambda: partition.owned
            )

    @staticmethod
    def _thread(work: Callable[[], None], name: str) -> Thread:
        # threads start without the log fields of their process otherwise
        context = contextvars.copy_context()
        return Thread(target=lambda: context.run(work), name=name, daemon=True)
