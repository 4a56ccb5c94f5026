"""The relay as a process that dies between publishing and marking: `python -m tests.integration.relay_process`."""

import asyncio
import os
import signal

from producers.kafka.publisher import Publisher
from producers.relay import serve
from schemas.settings.loading import load
from schemas.settings.processes import RelayProcess
from schemas.wire.records import Record
from sink.process.termination import Termination


class DyingPublisher:
    """Publishes for real, and then the process is gone."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def publish(self, *records: Record) -> None:
        self._publisher.publish(*records)
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    settings = load(RelayProcess)
    asyncio.run(serve(settings, DyingPublisher(Publisher(settings, "dying-relay")), Termination(30)))
