"""The outbox relay: one leading process publishes outbox rows, and survives outages of Kafka and PostgreSQL.

Rows are published first and marked afterwards: a crash in between publishes a row twice, harmless by its event id.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import timedelta

from producers.commands import relay as main
from producers.kafka.publisher import Publisher
from producers.messages.exit_codes import reported
from schemas import metrics
from schemas.errors import Outage
from schemas.ports import RecordPublisher, Refused
from schemas.process.failpoints import failpoint
from schemas.process.logs import bound
from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import ClosedGate, Waiting, WaitReport
from schemas.retries.schedules import OUTAGES
from schemas.settings.loading import load
from schemas.settings.processes import RelayProcess
from schemas.tenants.retention import FOREVER, RetentionRules
from schemas.wire.headers import TRACEPARENT, trace_id
from sink.jobs.outbox import OutboxBacklog, OutboxRow, OutboxSession
from sink.postgres.database import Database
from sink.process import tracing
from sink.process.cancellation import run_to_end, set_within, until_stopped
from sink.process.health_server import HealthServer
from sink.process.observation import observe
from sink.process.span_names import of_published
from sink.process.termination import Termination
from sink.records.kafka.access import AccessGate

log = logging.getLogger(__name__)
BATCH = 500
GROUP = "relay"  # what metrics and reports call it
PUBLISH_SECONDS = 10.0  # how long Kafka may take before the relay waits for it
GRACE_SECONDS = PUBLISH_SECONDS + 5  # for what is being published to be marked, when the end is asked for
STOP_SECONDS = 30.0  # until the process is ended by force


class Relay:
    """Publishes rows as the leader, and stands by while another relay leads."""

    def __init__(
        self,
        database: Database,
        publisher: RecordPublisher,
        *,
        poll: float = 1.0,
        pause: float = OUTAGES.first,
        keep: timedelta | None = timedelta(days=1),
    ) -> None:
        """`poll` (fallback of LISTEN) and `pause` (after an outage) in seconds; `keep`: published rows, None: all."""
        self._database = database
        self._publisher = publisher
        self._poll = poll
        self._pause = pause
        self._keep = keep
        self.leads = False
        self.connected = False
        self._backlog = OutboxBacklog(0, 0.0)
        self._kafka_away = False

    def waits(self) -> WaitReport:
        """The backlog of the leading relay as last read, and whether a system is unavailable."""
        backlog, away = self._backlog, self._kafka_away or not self.connected
        waiting = (Waiting(GROUP, WaitReason.OUTBOX_UNPUBLISHED, backlog.pending, backlog.oldest_seconds),)
        closed = (ClosedGate(GROUP, WaitReason.OUTAGE),) if away else ()
        return WaitReport(waiting if self.leads and backlog.pending else (), closed)

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop` is set; an outage of PostgreSQL costs the leadership, an outage of Kafka does not."""
        while not stop.is_set():
            try:
                async with OutboxSession.open(self._database) as session:
                    self.connected = True
                    await self._stand_by(session, stop)
                    while not stop.is_set():
                        await self._turn(session, stop)
            except Outage as error:
                log.warning("waiting for PostgreSQL: %s", error)
            finally:
                self.leads = self.connected = self._kafka_away = False  # whoever leads now knows of Kafka
                metrics.LEADER.labels(GROUP).set(0)
            await set_within(stop, self._pause)

    async def _stand_by(self, session: OutboxSession, stop: asyncio.Event) -> None:
        while not await session.lead():
            if await set_within(stop, self._poll):
                return
        self.leads = True
        metrics.LEADER.labels(GROUP).set(1)
        log.info("this relay leads")

    async def _turn(self, session: OutboxSession, stop: asyncio.Event) -> None:
        rows = await session.pending(BATCH)
        failpoint("relay.after_read")
        # what is published must be marked, or it is published twice
        settled = await run_to_end(self._relay(session, rows)) if rows else 0
        if settled < BATCH:
            if self._keep is not None:
                await session.prune(self._keep)
            self._backlog = await session.backlog()
            metrics.OUTBOX_PENDING.set(self._backlog.pending)
            metrics.OUTBOX_OLDEST.set(self._backlog.oldest_seconds)
            await until_stopped(stop, session.wait(self._poll))

    async def _relay(self, session: OutboxSession, rows: Sequence[OutboxRow]) -> int:
        """Publish rows and mark them; returns the number of published or refused rows."""
        began = time.time()
        try:
            await asyncio.to_thread(self._publisher.publish, *(row.record for row in rows))
        except Outage as error:
            log.warning("waiting for Kafka: %s", error)
            self._kafka_away = True
            await asyncio.sleep(self._pause)
            return 0
        except Refused as error:
            return await self._without(session, rows, error)
        _trace(rows, began)
        return await self._published(session, rows)

    async def _without(self, session: OutboxSession, rows: Sequence[OutboxRow], error: Refused) -> int:
        """Publish all rows but the refused ones; a broker may have refused one only because of others in its batch."""
        self._kafka_away = False
        if len(rows) == 1:
            with bound(trace_id=trace_id(rows[0].record.headers.get(TRACEPARENT)), topic=rows[0].record.topic):
                log.error("outbox row %d is set aside, it can never be published: %s", rows[0].id, error)
            await session.mark_failed(rows[0], str(error))
            metrics.OUTBOX_FAILED.labels(rows[0].record.topic).inc()
            return 1
        settled = await self._published(session, [row for n, row in enumerate(rows) if n not in error.places])
        for place in error.places:
            if not await self._relay(session, [rows[place]]):
                break
            settled += 1
        return settled

    async def _published(self, session: OutboxSession, rows: Sequence[OutboxRow]) -> int:
        self._kafka_away = False
        failpoint("relay.after_publish")
        await session.mark_published(rows)
        failpoint("relay.after_mark")
        for row in rows:
            metrics.OUTBOX_PUBLISHED.labels(row.record.topic).inc()
        return len(rows)


def _trace(rows: Sequence[OutboxRow], began: float) -> None:
    """Tell of the publication of each record in its own trace."""
    if not tracing.is_on():
        return
    for row in rows:
        topic = row.record.topic
        parent = row.record.headers.get(TRACEPARENT)
        with tracing.span(f"send {topic}", "producer", parent=parent, attributes=of_published(topic), began=began):
            pass


async def serve(settings: RelayProcess, publisher: RecordPublisher, termination: Termination) -> None:
    """Relay until termination is requested; waits for an unavailable database, also at the start."""
    relay: Relay | None = None
    stop = termination.event()
    days = RetentionRules(settings.retention_days).days_for("outbox")

    gate = AccessGate(settings, ["relay"])

    def ready() -> str | None:
        if gate.reason:
            return gate.reason
        return None if relay and relay.connected else "PostgreSQL is away"

    def waits() -> WaitReport:
        return relay.waits() if relay else WaitReport(closed=(ClosedGate(GROUP, WaitReason.OUTAGE),))

    with HealthServer(settings, ready=ready, waits=waits):
        await asyncio.to_thread(gate.wait, stop.is_set)
        while not stop.is_set():
            try:
                async with Database.open(settings) as database:
                    relay = Relay(database, publisher, keep=None if days == FOREVER else timedelta(days=days))
                    await until_stopped(stop, relay.run(stop), GRACE_SECONDS)
            except Outage as error:
                log.warning("waiting for PostgreSQL: %s", error)
            await set_within(stop, OUTAGES.first)


def run_relay() -> None:
    """Implements `scribe-relay`."""
    termination = Termination(STOP_SECONDS).install()
    with reported():
        settings = load(RelayProcess)
        observe(settings, "relay")
        with Publisher(settings, "scribe-relay", timeout=PUBLISH_SECONDS) as publisher:
            asyncio.run(serve(settings, publisher, termination))


if __name__ == "__main__":
    main()
