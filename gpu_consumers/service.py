"""The GPU process: one group consumer per stage on its own thread, ended together."""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Event as Flag
from threading import Thread
from types import FrameType

from confluent_kafka import Consumer

from gpu_consumers.core.delivery.admission import GroupGate
from gpu_consumers.core.delivery.error_policy import ErrorPolicy
from gpu_consumers.core.delivery.messages import StageRunner
from gpu_consumers.kafka.partitions import Assignment
from gpu_consumers.kafka.progress import ProgressReporter
from gpu_consumers.kafka.result_routing import ResultRouting
from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from gpu_consumers.runtime.committer import Committer
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.executor import JobExecutor, JobTask
from gpu_consumers.runtime.poll_loop import GroupConsumer, consumer_config
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.stall_detector import StallDetector
from gpu_consumers.runtime.task_queue import SharedIsolation
from gpu_consumers.runtime.worker_pool import WorkerPool
from producers.kafka.admin import TopicAdmin
from producers.kafka.publisher import client_log
from producers.kafka.unreadable_batches import UnreadableBatches
from schemas.errors import Fatal
from schemas.events import JobRequested
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate, WaitReport, merged
from schemas.retries.topic_ladder import RetryPolicy
from schemas.settings import KafkaSettings
from schemas.topics import RESULTS, RETRY_DELAYS, retry_topic
from schemas.wire.serde import Serde

log = logging.getLogger(__name__)
FAILED = 70  # the exit status of a process that must be started anew
CLOSING_SECONDS = 20.0  # for the last transaction and the goodbye to the group, after the time to drain


@dataclass(frozen=True, slots=True)
class Runtime:
    """What all groups of a process share."""

    kafka: KafkaSettings
    serde: Serde
    progress: ProgressReporter
    drain: Shutdown
    worker: str
    results: str = RESULTS
    time_scale: float = field(default=1.0, kw_only=True)
    room: SharedIsolation = field(default_factory=SharedIsolation, kw_only=True)
    cancelled: Callable[[JobRequested], bool] = field(default=lambda _: False, kw_only=True)
    informed: Callable[[], bool] = field(default=lambda: True, kw_only=True)
    """Whether it is known by now what was cancelled before the start, and what tenants may do."""


def transactional_id(group: str, worker: str) -> str:
    """One for each group of each process, the same after a restart when the worker's name is."""
    return f"scribe-gpu.{group}.{worker}"


def create_group(runner: StageRunner, runtime: Runtime, producer: TransactionalProducer | None = None) -> GroupConsumer:
    """The consumer group of one stage; without a given producer its transactional.id is made of group and worker."""
    client_id = f"{runner.group}.{runtime.worker}"
    retry = RetryPolicy(runner.group, time_scale=runtime.time_scale)
    policy = ErrorPolicy(runner.group, runtime.results, retry=retry)
    duplicates: Deduplicator[JobTask] = Deduplicator()
    admin = cache(lambda: TopicAdmin(runtime.kafka))
    destinations = ResultRouting(lambda topic: topic in admin().partitions([topic]))
    pulse: StallDetector[JobTask] = StallDetector()
    executor = JobExecutor(
        runner,
        policy,
        runtime.serde,
        runtime.progress,
        runtime.drain,
        duplicates,
        destinations=destinations,
        cancelled=runtime.cancelled,
        pulse=pulse,
    )
    consumer = Consumer(consumer_config(runtime.kafka, runner.group, client_id), logger=client_log)
    producer = producer or TransactionalProducer(runtime.kafka, transactional_id(runner.group, runtime.worker))
    assignment = Assignment()
    return GroupConsumer(
        runner.group,
        runner.topics,
        consumer=consumer,
        producer=producer,
        assignment=assignment,
        committer=Committer(
            runner.group,
            consumer,
            producer,
            assignment,
            executor.refuse,
            duplicates,
            partition_epochs=runtime.kafka.kafka_partition_epochs,
            redirect=executor.redirect,
            deny=executor.deny,
        ),
        pool=WorkerPool(
            runner.group, runner.workers, executor.execute, ticket=executor.ticket, room=runtime.room, pulse=pulse
        ),
        gate=GroupGate(),
        duplicates=duplicates,
        retry_delays={retry_topic(runner.group, step): RETRY_DELAYS[step] * runtime.time_scale for step in retry.steps},
        drain=runtime.drain,
        unreadable=UnreadableBatches(runtime.kafka, client_id),
        set_aside=executor.set_aside,
        informed=runtime.informed,
        topic_ids=lambda names: admin().ids(names),
    )


class GpuService:
    """Runs the groups until a signal or an error ends all of them."""

    def __init__(self, drain: Shutdown) -> None:
        self._drain = drain
        self._groups: Sequence[GroupConsumer] = ()
        self._ended = Flag()
        self._error: BaseException | None = None

    def handle_signals(self) -> None:
        """SIGTERM and SIGINT drain; a second one ends the process by its default action, at once."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def run(self, groups: Sequence[GroupConsumer]) -> int:
        """Work until the end; the exit status of the process."""
        self._groups = groups
        threads = [Thread(target=self._run, args=(group,), name=group.group, daemon=True) for group in groups]
        for thread in threads:
            thread.start()
        # short waits: signals are handled between them
        while not (self._drain.requested.is_set() or self._ended.wait(0.2)):
            pass
        self._join(threads)
        return FAILED if self._error is not None else 0

    def live(self) -> str | None:
        """Which groups make no progress."""
        stuck = [f"{group.group} does not poll" for group in self._groups if group.stuck]
        hanging = [f"{group.group}: {count} jobs hang" for group in self._groups if (count := group.hanging)]
        return ", ".join((*stuck, *hanging)) or None

    def ready(self) -> str | None:
        """What is missing before the process works, or that it ends."""
        if self._drain.requested.is_set():
            return "draining"
        if not self._groups:
            return "loading models"
        absent = [f"{group.group} {missing}" for group in self._groups if (missing := group.missing)]
        uninformed = [
            f"{group.group} does not hear of cancels or policies" for group in self._groups if not group.informed
        ]
        return ", ".join((*absent, *uninformed)) or None

    def waits(self) -> WaitReport:
        """What waits in the process, and why."""
        if not self._groups:
            return WaitReport(closed=(ClosedGate("scribe-gpu", WaitReason.STARTING),))
        return merged(group.waits() for group in self._groups)

    def _run(self, group: GroupConsumer) -> None:
        try:
            group.run()
        # it decides the exit status of the process, whatever it is
        except BaseException as error:
            log.critical("%s ends the process: %s", group.group, error, exc_info=error)
            self._error = error
            self._drain.abandon()
        finally:
            self._ended.set()

    def _join(self, threads: Sequence[Thread]) -> None:
        """Wait for the time to drain, then for the goodbyes; the process ends even if one of them hangs."""
        while not self._drain.over and any(thread.is_alive() for thread in threads):
            time.sleep(0.05)
        deadline = time.monotonic() + (2.0 if self._drain.abandoned else CLOSING_SECONDS)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self._error = self._error or Fatal(f"{thread.name} did not end in time")
                log.error("%s", self._error)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        self._drain.request()
