"""Good records for every topic that the service reads, each with the effect by which one sees that it was read."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from schemas import topics
from schemas.events import (
    EnhancementResult,
    Event,
    JobControl,
    JobRequested,
    Options,
    Outcome,
    TenantPolicy,
    TranscriptReady,
    event_id,
    key_of,
)
from schemas.retries.schedules import LADDER
from schemas.topics import READS, retry_topic
from schemas.wire.headers import event_headers
from tests.integration.foreign.clients import Foreign, Headers, Librdkafka
from tests.integration.foreign.service import ENDED, Row, WholeService
from tests.samples import AUDIO, MODEL, TRANSCRIPT
from tests.streams.jobs import Job, new_job

RETRIES = tuple(retry_topic(group, step) for group in (topics.TRANSCRIBERS, topics.DIARIZERS) for step in LADDER.steps)
FAUST_TOPICS = READS[topics.PERSIST]
GPU_TOPICS = (*READS[topics.TRANSCRIBERS], *READS[topics.DIARIZERS], *RETRIES)
TOPICS = tuple(dict.fromkeys((*FAUST_TOPICS, *GPU_TOPICS, topics.CONTROL)))
"""Every topic that anything of the service reads."""
PATIENCE_SECONDS = 60.0  # without any news
LOOK_SECONDS = 0.25
PROBE_SECONDS = 1.0
MOST_RUNS = 1000


@dataclass
class Seen:
    """What is known at a moment; each thing is asked for once."""

    service: WholeService

    @cached_property
    def rows(self) -> dict[UUID, Row]:
        return self.service.rows()

    @cached_property
    def hooks(self) -> dict[UUID, list[str]]:
        return self.service.hooks()

    @cached_property
    def enhancements(self) -> set[UUID]:
        return {found for (found,) in self.service.query("SELECT enhancement_id FROM enhancements")}

    @cached_property
    def policies(self) -> set[str]:
        return {tenant for (tenant,) in self.service.query("SELECT tenant FROM tenant_policies")}

    @cached_property
    def progress_ends(self) -> dict[int, int]:
        return self.service.ends(topics.PROGRESS)

    @cached_property
    def progressed(self) -> dict[int, int]:
        return self.service.committed(topics.PERSIST, topics.PROGRESS)


@dataclass(frozen=True)
class Good:
    """A record that must be read, what is missing as long as it is not, and a job by which one finds out."""

    name: str
    record: Foreign
    missing: Callable[[Seen], str | None]
    probe: Callable[[], Foreign] | None = None

    def altered(self, **changes: Any) -> "Good":
        """The same, written differently."""
        return replace(self, record=replace(self.record, **changes))


@dataclass
class Goods:
    """Makes good records of a service; `tenant`: of its jobs."""

    service: WholeService
    tenant: str = "acme"
    partition: int = 0

    def sample_for(self, name: str, **changes: Any) -> Good:
        """One for a topic; `changes` of its JobRequested, where it has one."""
        job = new_job(tenant=self.tenant, webhook_url=self.service.receiver.url)
        match name:
            case topics.PROGRESS:
                return self._progress(job)
            case topics.CONTROL:
                return self._cancel(job)
            case topics.TENANTS:
                return self._policy()
            case topics.ENHANCEMENTS:
                return self._enhancement(job)
            case topics.RESULTS:
                result = job.result()
                return self._ends(name, replace(result, request=replace(result.request, **changes)))
            case topics.TRANSCRIPTS | _ if name.startswith((topics.TRANSCRIPTS, topics.DIARIZERS)):
                return self._ends(name, transcribed(job, **changes))
        return self._ends(name, asked(job, **changes))

    def record(self, name: str, event: Event, **fields: Any) -> Foreign:
        """An event as we write it ourselves."""
        return foreign(self.service, name, event, partition=self.partition, **fields)

    def _ends(self, name: str, event: Any) -> Good:
        """It ends completed, and its webhook comes."""
        job_id = event.job_id
        return Good(name, self.record(name, event), partial(not_ended, job_id, state="completed"))

    def _progress(self, job: Job) -> Good:
        """Nothing is seen of it but that the group has passed it: its job is unknown."""
        ends: list[int] = []

        def missing(seen: Seen) -> str | None:
            if not ends:  # it was sent before it is asked for
                ends.append(seen.progress_ends[self.partition])
            return None if seen.progressed[self.partition] >= ends[0] else "progress is not committed"

        return Good(topics.PROGRESS, self.record(topics.PROGRESS, job.progress(1, 1)), missing)

    def _enhancement(self, job: Job) -> Good:
        ident = uuid4()
        event = EnhancementResult(
            event_id=event_id(job.job_id, EnhancementResult.KIND, 1, str(ident)),
            job_id=job.job_id,
            run=1,
            tenant=job.tenant,
            enhancement_id=ident,
            outcome=Outcome.COMPLETED,
            completed_at=datetime.now(UTC),
        )
        record = self.record(topics.ENHANCEMENTS, event)
        return Good(
            topics.ENHANCEMENTS, record, lambda seen: None if ident in seen.enhancements else "no such enhancement"
        )

    def _cancel(self, job: Job) -> Good:
        """Every run of the job is cancelled; runs are begun until one is, for nobody else shows that it knows."""
        order = JobControl(job_id=job.job_id, run=MOST_RUNS, tenant=job.tenant, by="stranger", at=datetime.now(UTC))
        runs = count(1)

        def probe() -> Foreign:
            return self.record(topics.JOBS, asked(job, run=next(runs)))

        def missing(seen: Seen) -> str | None:
            row = seen.rows.get(job.job_id)
            return None if row is not None and row.state == "cancelled" else f"not cancelled: {row}"

        return Good(topics.CONTROL, self.record(topics.CONTROL, order), missing, probe)

    def _policy(self) -> Good:
        """The tenant may use no model; jobs are sent until one is refused for that."""
        tenant = f"ruled-{uuid4().hex[:8]}"
        policy = TenantPolicy(tenant=tenant, models=("none",), at=datetime.now(UTC))

        def probe() -> Foreign:
            return self.record(topics.JOBS, asked(new_job(tenant=tenant)))

        def missing(seen: Seen) -> str | None:
            refused = any(row.tenant == tenant and row.code == "model_not_allowed" for row in seen.rows.values())
            return None if refused and tenant in seen.policies else "the policy is not in force"

        return Good(topics.TENANTS, self.record(topics.TENANTS, policy), missing, probe)


def asked(job: Job, **changes: Any) -> JobRequested:
    """What begins the job, of now and in a language."""
    return replace(job.request(), requested_at=datetime.now(UTC), options=Options(language="en"), **changes)


def transcribed(job: Job, **changes: Any) -> TranscriptReady:
    """What the diarizers read of it."""
    request = replace(asked(job, **changes).without_query())
    return TranscriptReady(
        event_id=event_id(job.job_id, TranscriptReady.KIND, request.run),
        job_id=job.job_id,
        run=request.run,
        tenant=job.tenant,
        request=request,
        audio=AUDIO,
        transcript=TRANSCRIPT,
        model=MODEL,
        completed_at=datetime.now(UTC),
    )


def foreign(service: WholeService, name: str, event: Event, **fields: Any) -> Foreign:
    """An event as a record of the service's own topic of that name."""
    headers: Headers = [(n, v.encode()) for n, v in event_headers(event, "test", datetime.now(UTC)).items()]
    values = {"key": key_of(event).encode(), "headers": headers, **fields}
    return Foreign(service.topic(name), service.serde.encode(event), **values)


def not_ended(job_id: UUID, seen: Seen, state: str = "", code: str | None = None) -> str | None:
    """What is missing of a job's end, in a state, with an error's code, and told by a webhook."""
    row = seen.rows.get(job_id)
    if row is None or row.state not in ENDED:
        return f"no end: {row}"
    if (state and row.state != state) or (code and row.code != code):
        return f"ended as {row.state} {row.code}, not {state} {code or ''}"
    return None if f"job.{row.state}" in seen.hooks.get(job_id, []) else f"{row.state}, but no webhook"


def settled(service: WholeService, goods: Iterable[Good], patience: float = PATIENCE_SECONDS) -> dict[int, str]:
    """Wait until all have had their effect, or nothing is new for long; what is missing, by the place in `goods`."""
    waiting = dict(enumerate(goods))
    client = Librdkafka(service.bootstrap)
    missing: dict[int, str] = {}
    news = probed = time.monotonic()
    while waiting and time.monotonic() - news < patience:
        seen = Seen(service)
        found = {number: lack for number, good in waiting.items() if (lack := good.missing(seen)) is not None}
        news = time.monotonic() if len(found) < len(waiting) else news
        missing = found
        waiting = {number: good for number, good in waiting.items() if number in found}
        if time.monotonic() - probed > PROBE_SECONDS:
            probed = time.monotonic()
            client.send(*(good.probe() for good in waiting.values() if good.probe))
        time.sleep(LOOK_SECONDS)
    return missing


def behind(service: WholeService, names: Sequence[str] = TOPICS, partition: int = 0) -> list[Good]:
    """One good record for each topic: sent behind what strangers wrote, they show that nobody waits for that."""
    goods = Goods(service, partition=partition)
    return [goods.sample_for(name) for name in names]
