"""The worker threads of one stage: deliveries wait in a queue, and every one comes back finished or dropped."""

import contextvars
import logging
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from gpu_consumers.execution import Finished, Task

log = logging.getLogger(__name__)


class WorkerPool:
    """So many threads that execute tasks; `finished` holds what the poll thread has to write."""

    def __init__(self, name: str, workers: int, execute: Callable[[Task], Finished | None]) -> None:
        self._execute = execute
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._lock = Lock()
        self._busy = 0
        self._threads = [self._thread(f"{name}-{number}") for number in range(workers)]
        self.finished: SimpleQueue[Finished] = SimpleQueue()
        self.failure: BaseException | None = None

    @property
    def busy(self) -> int:
        """Workers that are at a task."""
        return self._busy

    def start(self) -> None:
        """Start the threads; they end with the process at the latest."""
        for thread in self._threads:
            thread.start()

    def submit(self, task: Task) -> None:
        """Queue a task; never waits."""
        self._tasks.put(task)

    def discard(self) -> None:
        """Forget what no worker has begun; its offsets stay uncommitted."""
        while self._next(block=False) is not None:
            pass

    def stop(self) -> None:
        """End the threads, each after the task it is at."""
        self.discard()
        for _ in self._threads:
            self._tasks.put(None)

    def join(self, timeout: float = 5.0) -> None:
        """Wait for the threads to end, each for at most `timeout` seconds."""
        for thread in self._threads:
            thread.join(timeout)

    def _next(self, block: bool) -> Task | None:
        try:
            return self._tasks.get(block)
        except Empty:
            return None

    def _work(self) -> None:
        while (task := self._next(block=True)) is not None:
            # a partition may be lost while its deliveries wait
            if not task.partition.owned:
                continue
            with self._lock:
                self._busy += 1
            try:
                finished = self._execute(task)
            # it is Fatal or a bug of ours: the poll thread ends the process, and nothing of this task is written
            except BaseException as error:  # noqa: BLE001
                self.failure = error
                return
            if finished is not None:
                self.finished.put(finished)
            with self._lock:
                self._busy -= 1

    def _thread(self, name: str) -> Thread:
        # threads start without the log fields of their process otherwise
        context = contextvars.copy_context()
        return Thread(target=lambda: context.run(self._work), name=name, daemon=True)
