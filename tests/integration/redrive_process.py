"""A redrive that dies: `python -m tests.integration.redrive_process DLQ JOBS before|after` the sending of its first batch."""

import asyncio
import os
import signal
import sys
from uuid import uuid4

from producers.kafka.publisher import Publisher
from producers.kafka.topic_history import TopicHistory
from producers.replay.dead_letters import DeadLetterFilter, read
from producers.replay.redrive import prepare
from producers.replay.replayer import RateLimit, send_again
from schemas.settings.loading import load
from schemas.settings.processes import ReplayProcess
from schemas.topics import TRANSCRIBERS
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from sink.jobs.replay_log import ReplayAction, ReplayCommand
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database


class Dying:
    """A publisher whose process is killed; implements RecordPublisher."""

    def __init__(self, publisher: Publisher, moment: str) -> None:
        self._publisher, self._moment = publisher, moment

    def publish(self, *records: Record) -> None:
        if self._moment == "after":
            self._publisher.publish(*records)
        os.kill(os.getpid(), signal.SIGKILL)


async def main(topic: str, jobs: str, moment: str) -> None:
    """Redrive all dead letters of a topic to another one."""
    settings, serde = load(ReplayProcess), Serde()
    with TopicHistory.open(settings) as history:
        letters = list(read(history, serde, DeadLetterFilter(), {topic: TRANSCRIBERS}))
    prepared = prepare(serde, S3ObjectStore(settings), letters, ways_back={TRANSCRIBERS: (jobs,)})
    command = ReplayCommand(action=ReplayAction.REDRIVE, replay_id=uuid4(), requested_by="operator")
    with Publisher(settings) as publisher:
        async with Database.open(settings) as database:
            await send_again(database, Dying(publisher, moment), command, prepared, RateLimit(None))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
