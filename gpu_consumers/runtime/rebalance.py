"""Rebalance of one consumer group: partitions that are assigned, revoked or lost."""

import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from gpu_consumers.core.delivery.error_policy import DeviceLost
from gpu_consumers.kafka.partitions import Assignment, OwnedPartition, TopicIds, take
from gpu_consumers.runtime.committer import REVOKE_SECONDS, Committer
from gpu_consumers.runtime.shutdown import Shutdown
from gpu_consumers.runtime.worker_pool import WorkerPool
from schemas.errors import Fatal, ScribeError

log = logging.getLogger(__name__)
ABORTED_SECONDS = 1.0  # to commit what is finished when another group has ended the process


@dataclass(frozen=True, slots=True)
class RebalanceParts:
    """Collaborators of the rebalances of one group."""

    group: str
    assignment: Assignment
    committer: Committer
    pool: WorkerPool
    shutdown: Shutdown
    topic_ids: TopicIds


class Rebalance:
    """Callbacks of the consumer, called within its poll and close; belongs to the poll thread."""

    def __init__(self, parts: RebalanceParts) -> None:
        self._parts = parts
        self._owner = secrets.token_hex(3)
        self.joined = False
        """Whether the group has ever given partitions, or none, to this member."""
        self.failure: BaseException | None = None
        """The error that ends this group."""

    def assign(self, consumer: Consumer, toppars: list[TopicPartition]) -> None:
        """Take partitions over at their committed positions; may take a minute. Raises Fatal."""
        for partition in take(consumer, toppars, self._known_ids, self._owner):
            self._parts.assignment.add(partition)
        self.joined = True
        log.info("%s: assigned %s", self._parts.group, _names(toppars))

    def revoke(self, consumer: Consumer, toppars: list[TopicPartition]) -> None:
        """Commit finished work while we own the partitions; work in progress is dropped when it ends."""
        if not self._record_is_to_blame:
            self._leave(self._parts.assignment.owned(toppars))
        self.lose(consumer, toppars)

    def lose(self, consumer: Consumer, toppars: list[TopicPartition]) -> None:
        """Give up partitions that may already belong to another process: nothing more of them is committed."""
        self._parts.assignment.forget(toppars)
        if toppars:
            consumer.incremental_unassign(toppars)
        log.info("%s: gave back %s", self._parts.group, _names(toppars))

    @property
    def _record_is_to_blame(self) -> bool:
        """Whether a record causes the end of the process, so that the marks of started records must stay."""
        failure = self._parts.pool.failure
        return failure is not None and (isinstance(failure, DeviceLost) or not isinstance(failure, Fatal))

    def _leave(self, partitions: Sequence[OwnedPartition]) -> None:
        for partition in partitions:
            partition.leaving = True
        if self.failure is not None:
            self._parts.committer.take_marks_back(partitions)
            return
        try:
            self._flush_all()
        except Fatal as error:
            # the next turn would meet it too, and there is none when the consumer closes
            self.failure = error
            self._parts.shutdown.abort()
            self._parts.committer.take_marks_back(partitions)

    def _flush_all(self) -> None:
        """Commit finished work, and once more what finishes meanwhile; the next owner repeats the rest."""
        finished = self._parts.pool.finished
        for _ in range(2):
            self._parts.committer.collect(finished)
            self._parts.committer.flush_all(ABORTED_SECONDS if self._parts.shutdown.aborted else REVOKE_SECONDS)
            if finished.empty():
                return

    def _known_ids(self, names: Collection[str]) -> Mapping[str, str]:
        try:
            return self._parts.topic_ids(names)
        except ScribeError as error:
            log.warning("%s: topics that were made anew may not be noticed: %s", self._parts.group, error)
            return {}


def _names(toppars: Sequence[TopicPartition]) -> str:
    return ", ".join(f"{t.topic}[{t.partition}]" for t in toppars) or "nothing"
