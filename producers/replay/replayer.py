"""Resends records: refusals are reported first, then each record is logged as intended, sent, and marked as sent."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

from producers.jobs.submit import UPLOAD_SCHEME
from schemas.errors import Permanent
from schemas.ports import ObjectStore, RecordPublisher, Refused
from schemas.process.failpoints import failpoint
from schemas.wire.headers import Origin
from schemas.wire.object_keys import check_own, upload_key
from schemas.wire.records import Record
from sink.jobs.replay_log import (
    ReplayCommand,
    ReplayEntry,
    ReplayRejection,
    ReplayRequest,
    command_lock,
    delete_intent,
    mark_sent,
    record_intents,
    rejections,
)
from sink.postgres.database import Database

BATCH = 100
THREADS = 16


@dataclass(frozen=True, slots=True)
class ReplayItem:
    """A record to resend: the request, and a function that builds the record once its run is known."""

    request: ReplayRequest
    record: Callable[[ReplayEntry], Record]
    needs: tuple[str, ...] = ()
    """Addresses of what must still be there."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records that can be resent, and reasons against the others, as far as known without the database."""

    items: Sequence[ReplayItem]
    refused: dict[Origin, ReplayRejection]


@dataclass(slots=True)
class Report:
    """The result of a command: the records sent, with their runs, and the reasons against the others."""

    sent: list[ReplayEntry] = field(default_factory=list)
    refused: dict[Origin, ReplayRejection] = field(default_factory=dict)

    @property
    def reasons(self) -> Mapping[ReplayRejection, int]:
        """The number of refused records, by reason."""
        return Counter(self.refused.values())


class RateLimit:
    """An even rate limit in records a second; None: no limit."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._begun: float | None = None
        self._sent = 0

    @property
    def batch(self) -> int:
        """The number of records to send at once: those of a second, at most BATCH."""
        return BATCH if self._per_second is None else max(1, min(BATCH, int(self._per_second)))

    def pause(self, count: int, now: float) -> float:
        """The seconds to wait at `now`, a monotonic time, before `count` more are sent."""
        self._begun = now if self._begun is None else self._begun
        earlier, self._sent = self._sent, self._sent + count
        return 0.0 if self._per_second is None else max(0.0, self._begun + earlier / self._per_second - now)


class Replayer:
    """Resends the records of one command."""

    def __init__(
        self, database: Database, publisher: RecordPublisher, command: ReplayCommand, rate_limit: RateLimit
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._command = command
        self._rate_limit = rate_limit

    async def run(self, items: Sequence[ReplayItem], on_sent: Callable[[int], object] = lambda _: None) -> Report:
        """Send all permitted records; `on_sent` is called with the count of each batch. Raises Outage: run it again."""
        report = Report()
        async with command_lock(self._database, self._command.replay_id):
            for first in range(0, len(items), self._rate_limit.batch):
                batch = items[first : first + self._rate_limit.batch]
                await asyncio.sleep(self._rate_limit.pause(len(batch), time.monotonic()))
                await self._batch(batch, report)
                on_sent(len(batch))
        return report

    async def _batch(self, batch: Sequence[ReplayItem], report: Report) -> None:
        """Process a batch: 1. record the intents, 2. send and confirm the records, 3. mark them as sent."""
        requests = [item.request for item in batch]
        entries, refused = await self._database.run(
            lambda connection: record_intents(connection, self._command, requests)
        )
        report.refused |= refused
        failpoint("replay.after_intent")
        permitted = [(entries[item.request.place], item) for item in batch if item.request.place in entries]
        sent, too_large = await self._send(permitted)
        failpoint("replay.after_publish")
        if sent:
            await self._database.run(lambda connection: mark_sent(connection, sent))
        if too_large:
            await self._database.run(lambda connection: delete_intent(connection, too_large))
        report.sent += sent
        report.refused |= {entry.place: ReplayRejection.TOO_LARGE for entry in too_large}

    async def _send(
        self, permitted: Sequence[tuple[ReplayEntry, ReplayItem]]
    ) -> tuple[list[ReplayEntry], list[ReplayEntry]]:
        """The entries that the broker has accepted, and those that are too large for it."""
        if not permitted:
            return [], []
        records = [item.record(entry) for entry, item in permitted]
        try:
            await asyncio.to_thread(self._publisher.publish, *records)
        except Refused as error:
            # of several, a broker may have refused one for its neighbours
            if len(permitted) == 1:
                return [], [permitted[0][0]]
            sent = [entry for number, (entry, _) in enumerate(permitted) if number not in error.places]
            parts = [await self._send([permitted[number]]) for number in error.places]
            return sent + [e for part, _ in parts for e in part], [e for _, part in parts for e in part]
        return [entry for entry, _ in permitted], []


async def preview(database: Database, command: ReplayCommand, prepared: Prepared) -> dict[Origin, ReplayRejection]:
    """The refusals that would occur at this moment, with reasons."""
    requests = [item.request for item in prepared.items]
    async with database.connection() as connection:
        return prepared.refused | await rejections(connection, command, requests)


async def send_again(
    database: Database,
    publisher: RecordPublisher,
    command: ReplayCommand,
    prepared: Prepared,
    rate_limit: RateLimit,
    on_sent: Callable[[int], object] = lambda _: None,
) -> Report:
    """Resend all permitted records; raises Outage, and then the same call continues."""
    report = await Replayer(database, publisher, command, rate_limit).run(prepared.items, on_sent)
    report.refused |= prepared.refused
    return report


def gone(store: ObjectStore, items: Sequence[ReplayItem]) -> set[Origin]:
    """The records that need an object which no longer exists; addresses outside our store are not checked.

    Raises Outage when the store is away.
    """

    def is_gone(item: ReplayItem) -> bool:
        keys = [_key(store, item.request.tenant, uri) for uri in item.needs]
        return any(key is not None and store.info(key) is None for key in keys)

    with ThreadPoolExecutor(THREADS, "recordings") as pool:
        return {item.request.place for item, missing in zip(items, pool.map(is_gone, items), strict=True) if missing}


def _key(store: ObjectStore, tenant: str, uri: str) -> str | None:
    """The key of an object of the tenant in our store, None for any other address."""
    try:
        if uri.startswith(UPLOAD_SCHEME):
            return upload_key(tenant, UUID(uri.removeprefix(UPLOAD_SCHEME)))
        return check_own(tenant, store.key(uri)) if urlsplit(uri).scheme == "s3" else None
    except (Permanent, ValueError):
        return None
