"""Every execution of a job as a line in a file, written by the GPU processes: what was begun and what came of it."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from gpu_consumers.core.delivery.messages import Delivery, Emission, Job, StageRunner, Work
from schemas.errors import NotOwner


@dataclass(slots=True)
class Execution:
    """One try of a stage at a record; times in unix seconds, `ended_at` is None when nobody heard of its end."""

    job_id: UUID
    stage: str
    record: str
    """topic/partition/offset"""
    worker: str
    pid: int
    begun_at: float
    ended_at: float | None = None
    how: str = ""


class Logged:
    """A stage that writes down what it does; implements gpu_consumers.core.delivery.messages.StageRunner."""

    def __init__(self, runner: StageRunner, path: Path, worker: str, stage: str) -> None:
        self.group, self.topics, self.workers = runner.group, runner.topics, runner.workers
        self._runner = runner
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._worker = worker
        self._stage = stage

    def decode(self, delivery: Delivery) -> Job:
        """See StageRunner."""
        return self._runner.decode(delivery)

    def run(self, job: Job, work: Work) -> tuple[Emission, ...]:
        """See StageRunner."""
        self._write("begin", job)
        try:
            emissions = self._runner.run(job, work)
        except NotOwner:
            self._write("dropped", job)
            raise
        except Exception:  # stages raise whatever they like; it is written down and passes
            self._write("failed", job)
            raise
        self._write("done", job)
        return emissions

    def _write(self, what: str, job: Job) -> None:
        delivery = job.delivery
        record = f"{delivery.topic}/{delivery.partition}/{delivery.offset}"
        words = (f"{time.time():.4f}", what, job.request.job_id, self._stage, record, self._worker, os.getpid())
        os.write(self._file, ("\t".join(map(str, words)) + "\n").encode())


def read(path: Path) -> list[Execution]:
    """All executions in the order of their beginnings."""
    return list(_paired(path.read_text().splitlines())) if path.exists() else []


def _paired(lines: list[str]) -> Iterator[Execution]:
    open_now: dict[tuple[str, str], Execution] = {}
    found: list[Execution] = []
    for line in lines:
        at, what, job_id, stage, record, worker, pid = line.split("\t")
        key = (record, pid)
        if what == "begin":
            open_now[key] = Execution(UUID(job_id), stage, record, worker, int(pid), float(at))
            found.append(open_now[key])
        elif execution := open_now.pop(key, None):
            execution.ended_at, execution.how = float(at), what
    yield from found
