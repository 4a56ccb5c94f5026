"""The worker threads of one stage: deliveries wait in a queue, and every one comes back finished or dropped."""

import contextvars
import logging
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

from gpu_consumers.core.delivery.fairness import SchedulingInfo
from gpu_consumers.runtime.executor import Finished, JobTask
from gpu_consumers.runtime.stall_detector import StallDetector
from gpu_consumers.runtime.task_queue import SharedIsolation, TaskQueue
from schemas.process.wait_reasons import WaitReason

log = logging.getLogger(__name__)


def _no_ticket(_: JobTask) -> SchedulingInfo:
    return SchedulingInfo()


class WorkerPool:
    """So many threads that execute tasks; `finished` holds what the poll thread has to write."""

    def __init__(
        self,
        name: str,
        workers: int,
        execute: Callable[[JobTask], Finished | None],
        *,
        ticket: Callable[[JobTask], SchedulingInfo] = _no_ticket,
        room: SharedIsolation | None = None,
        pulse: StallDetector[JobTask] | None = None,
    ) -> None:
        """`ticket` is called in a thread of its own, for it decodes; `room` is that of the process."""
        self._execute = execute
        self._ticket = ticket
        self._pulse: StallDetector[JobTask] = pulse or StallDetector()
        self._arriving: SimpleQueue[JobTask | None] = SimpleQueue()
        self._queue = TaskQueue(workers, room or SharedIsolation(), name=name)
        self._lock = Lock()
        self._busy = 0
        self._threads = [self._thread(self._work, f"{name}-{number}") for number in range(workers)]
        self._threads.append(self._thread(self._admit, f"{name}-arriving"))
        self.finished: SimpleQueue[Finished] = SimpleQueue()
        self.failure: BaseException | None = None

    @property
    def busy(self) -> int:
        """Workers that are at a task."""
        return self._busy

    @property
    def hanging(self) -> list[JobTask]:
        """What does not move any more; it counts against the record even when the process leaves in good order."""
        silent = self._pulse.silent()
        for task in silent:
            task.partition.starts.hang(task.delivery.offset)
        return silent

    def working(self) -> list[JobTask]:
        """What workers work on."""
        return self._pulse.working()

    def waiting(self) -> list[tuple[JobTask, WaitReason]]:
        """What waits for a worker, or with one, and for what."""
        return [*self._queue.waiting(), *self._pulse.waiting()]

    def start(self) -> None:
        """Start the threads; they end with the process at the latest."""
        for thread in self._threads:
            thread.start()

    def submit(self, task: JobTask) -> None:
        """Queue a task; never waits."""
        self._arriving.put(task)

    def discard(self) -> None:
        """Forget what no worker has begun, and whatever is submitted later; its offsets stay uncommitted."""
        self._queue.discard()

    def stop(self) -> None:
        """End the threads, each after the task it is at."""
        self.discard()
        self._arriving.put(None)
        self._queue.close()

    def join(self, timeout: float = 5.0) -> None:
        """Wait for the threads to end, each for at most `timeout` seconds."""
        for thread in self._threads:
            thread.join(timeout)

    def _admit(self) -> None:
        while (task := self._arriving.get()) is not None:
            self._queue.put(task, self._ticket(task))

    def _work(self) -> None:
        while (task := self._queue.take()) is not None:
            with self._lock:
                self._busy += 1
            try:
                finished = self._executed(task) if self._announced(task) else None
            # it is Fatal or a bug of ours: the poll thread ends the process, and nothing of this task is written
            except BaseException as error:  # noqa: BLE001
                self.failure = error
                self._queue.close()
                return
            if finished is None:
                task.partition.starts.abandon(task.delivery.offset)
                self._queue.done(task)
            else:
                self.finished.put(finished)
                self._queue.done(task, finished.audio_seconds, finished.settlement.troubled)
            with self._lock:
                self._busy -= 1

    def _executed(self, task: JobTask) -> Finished | None:
        with self._pulse.of(task):
            return self._execute(task)

    def _announced(self, task: JobTask) -> bool:
        """Wait until the marks say so much that the next owner can judge; False when the partition is lost meanwhile.

        That it has an owner is told before anything runs. Where one died before, each start is told before it.
        """
        partition = task.partition
        number = partition.announcements.ask() if partition.starts.careful else 1
        with self._pulse.held(task, WaitReason.COMMIT_BARRIER):
            return partition.announcements.wait(number, lambda: partition.owned)

    @staticmethod
    def _thread(work: Callable[[], None], name: str) -> Thread:
        # threads start without the log fields of their process otherwise
        context = contextvars.copy_context()
        return Thread(target=lambda: context.run(work), name=name, daemon=True)
