"""GPU process: one consumer group per stage, each on its own thread, started and ended together."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from threading import Thread

from confluent_kafka import Consumer

from gpu_consumers.core.delivery.admission import GroupGate
from gpu_consumers.core.delivery.error_policy import ErrorPolicy
from gpu_consumers.core.delivery.messages import StageRunner
from gpu_consumers.kafka.partitions import Assignment
from gpu_consumers.kafka.progress import ProgressReporter
from gpu_consumers.kafka.result_routing import ResultRouting
from gpu_consumers.kafka.topic_lookup import TopicLookup
from gpu_consumers.kafka.transactional_producer import TransactionalProducer
from gpu_consumers.runtime.committer import Committer
from gpu_consumers.runtime.deduplicator import Deduplicator
from gpu_consumers.runtime.execution.executor import JobExecutor, create_executor
from gpu_consumers.runtime.execution.work import WorkParts, never_cancelled
from gpu_consumers.runtime.intake import Intake, IntakeParts
from gpu_consumers.runtime.poll_loop import GroupConsumer, GroupParts, always_caught_up, consumer_config
from gpu_consumers.runtime.rebalance import Rebalance, RebalanceParts
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.task_queue import SharedIsolation
from gpu_consumers.runtime.worker_pool import WorkerPool
from producers.kafka.publisher import client_log
from producers.kafka.unreadable_batches import UnreadableBatches
from schemas.errors import Fatal
from schemas.events import JobRequested
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate, WaitReport, merged
from schemas.retries.schedules import LADDER, TopicLadder
from schemas.retries.topic_ladder import RetryPolicy
from schemas.settings.kafka import KafkaSettings
from schemas.topics import RESULTS
from schemas.wire.serde import Serde
from sink.records.kafka.rights import transactional_prefix

log = logging.getLogger(__name__)
FAILED = 70  # the exit status of a process that must be started anew
CLOSING_SECONDS = 20.0  # to end the last transaction and leave the group, after the time to drain
STOP_SECONDS = CLOSING_SECONDS + 10  # after the time to drain, until the process is ended by force


@dataclass(frozen=True, slots=True)
class Runtime:
    """Collaborators that all groups of a process share."""

    kafka: KafkaSettings
    serde: Serde
    progress: ProgressReporter
    shutdown: Shutdown
    worker: str
    results: str = RESULTS
    ladder: TopicLadder = field(default=LADDER, kw_only=True)
    time_scale: float = field(default=1.0, kw_only=True)
    isolation: SharedIsolation = field(default_factory=SharedIsolation, kw_only=True)
    cancelled: Callable[[JobRequested], bool] = field(default=never_cancelled, kw_only=True)
    caught_up: Callable[[], bool] = field(default=always_caught_up, kw_only=True)
    """Whether it is known by now what was cancelled before the start, and what tenants may do."""


def transactional_id(group: str, worker: str) -> str:
    """The transactional.id of one group in one process; stable across restarts if the worker's name is."""
    return f"{transactional_prefix(group)}{worker}"


def create_group(runner: StageRunner, runtime: Runtime, producer: TransactionalProducer | None = None) -> GroupConsumer:
    """The consumer group of one stage; without a producer, group and worker give its transactional.id."""
    group, client_id = runner.group, f"{runner.group}.{runtime.worker}"
    retry, topics = RetryPolicy(group, runtime.ladder, time_scale=runtime.time_scale), TopicLookup(runtime.kafka)
    executor = _executor(runner, runtime, retry, topics)
    pool = _worker_pool(runner, runtime, executor)
    consumer = Consumer(consumer_config(runtime.kafka, group, client_id), logger=client_log)
    producer = producer or TransactionalProducer(runtime.kafka, transactional_id(group, runtime.worker))
    assignment, epochs = Assignment(), runtime.kafka.kafka_partition_epochs
    committer = Committer(
        group, consumer, producer, assignment, executor.ends, executor.duplicates, partition_epochs=epochs
    )
    rebalance = RebalanceParts(group, assignment, committer, pool, runtime.shutdown, topics.ids)
    intake = IntakeParts(
        group=group,
        consumer=consumer,
        assignment=assignment,
        gate=GroupGate(),
        pool=pool,
        duplicates=executor.duplicates,
        unreadable=UnreadableBatches(runtime.kafka, client_id),
        ends=executor.ends,
        committer=committer,
        retry_delays=retry.longest_waits,
    )
    loop = GroupParts(
        consumer=consumer,
        producer=producer,
        intake=Intake(intake),
        rebalance=Rebalance(rebalance),
        pool=pool,
        committer=committer,
        shutdown=runtime.shutdown,
        caught_up=runtime.caught_up,
    )
    return GroupConsumer(group, (*runner.topics, *intake.retry_delays), loop)


def _executor(runner: StageRunner, runtime: Runtime, retry: RetryPolicy, topics: TopicLookup) -> JobExecutor:
    return create_executor(
        runner,
        ErrorPolicy(runner.group, runtime.results, retry=retry),
        runtime.serde,
        WorkParts(runtime.progress, runtime.shutdown, cancelled=runtime.cancelled),
        Deduplicator(),
        routing=ResultRouting(topics.exists),
    )


def _worker_pool(runner: StageRunner, runtime: Runtime, executor: JobExecutor) -> WorkerPool:
    return WorkerPool(
        runner.group,
        runner.workers,
        executor.execute,
        scheduling_info=executor.decoder.scheduling_info,
        isolation=runtime.isolation,
        stall_detector=executor.work.stall_detector,
    )


class GpuService:
    """Runs the groups until a requested shutdown or an error ends all of them."""

    def __init__(self, shutdown: Shutdown) -> None:
        self._shutdown = shutdown
        self._groups: Sequence[GroupConsumer] = ()
        self._ended = Flag()
        self._error: BaseException | None = None

    def run(self, groups: Sequence[GroupConsumer]) -> int:
        """Run the groups until the end; returns the exit status of the process."""
        self._groups = groups
        threads = [Thread(target=self._run, args=(group,), name=group.group, daemon=True) for group in groups]
        for thread in threads:
            thread.start()
        # short waits: signals are handled between them
        while not (self._shutdown.requested.is_set() or self._ended.wait(0.2)):
            pass
        self._join(threads)
        return FAILED if self._error is not None else 0

    def live(self) -> str | None:
        """Description of the groups without progress; None when all make progress."""
        stuck = [f"{group.group} does not poll" for group in self._groups if group.stuck]
        hanging = [f"{group.group}: {count} jobs hang" for group in self._groups if (count := group.hanging)]
        return ", ".join((*stuck, *hanging)) or None

    def ready(self) -> str | None:
        """Reason why the process is not working; None when it is ready."""
        if self._shutdown.requested.is_set():
            return "draining"
        if not self._groups:
            return "loading models"
        absent = [f"{group.group} {reason}" for group in self._groups if (reason := group.not_ready_reason)]
        uninformed = [
            f"{group.group} does not hear of cancels or policies" for group in self._groups if not group.caught_up
        ]
        return ", ".join((*absent, *uninformed)) or None

    def busy(self) -> bool:
        """Whether any group has jobs in work."""
        return self.jobs_in_work() > 0

    def jobs_in_work(self) -> int:
        """The number of jobs in work, over all groups: those of which a kill would repeat a part."""
        return sum(group.jobs_in_work for group in self._groups)

    def waits(self) -> WaitReport:
        """The report of waiting work in the process, with reasons."""
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
            self._shutdown.abort()
        finally:
            self._ended.set()

    def _join(self, threads: Sequence[Thread]) -> None:
        """Wait for the groups to drain, then to leave; the process ends even if one of them hangs."""
        while not self._shutdown.deadline_passed and any(thread.is_alive() for thread in threads):
            time.sleep(0.05)
        deadline = time.monotonic() + (2.0 if self._shutdown.aborted else CLOSING_SECONDS)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self._error = self._error or Fatal(f"{thread.name} did not end in time")
                log.error("%s", self._error)
