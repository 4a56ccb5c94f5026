"""Good events where they do not belong: on other topics, twice under one id, with our own orders in their headers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import pytest

from deploy.local.receiver import Receiver
from schemas import topics
from schemas.events import Options
from schemas.topics import TOPICS as DECLARED
from schemas.wire.headers import ONLY_FOR, REPLAY_ID, RESULTS_TO
from tests.integration.foreign.clients import Foreign, Librdkafka
from tests.integration.foreign.goods import (
    RETRIES,
    TOPICS,
    Good,
    Goods,
    Seen,
    asked,
    behind,
    foreign,
    settled,
)
from tests.integration.foreign.service import ENDED, WholeService, hooks_of
from tests.streams.jobs import Job, new_job

KINDS = {topic.event: topic.name for topic in DECLARED.values() if topic.event}
"""A topic of each event."""
PAIRS = 10
TOLD_TWICE = ("two requests", "two tenants")
ORDERS = {
    "only for persist": [(ONLY_FOR, topics.PERSIST)],
    "only for the transcribers": [(ONLY_FOR, topics.TRANSCRIBERS)],
    "only for nobody": [(ONLY_FOR, "nobody")],
    "only for a name that is empty": [(ONLY_FOR, "")],
    "results to nowhere": [(RESULTS_TO, "nowhere"), (REPLAY_ID, "x" * 1000)],
    "results to a topic that is not there": [(RESULTS_TO, "scribe.results.not-there")],
    "results to the topic of results": [(RESULTS_TO, topics.RESULTS)],
}


@dataclass(frozen=True)
class Written:
    """Pairs of jobs under one id, those with our own headers, and what is missing of all."""

    behind: dict[str, str]
    pairs: dict[str, list[UUID]]
    missing: dict[tuple[str, UUID], str]
    ordered: dict[tuple[str, str], UUID]


@pytest.fixture(scope="module")
def other() -> Iterator[Receiver]:
    """Where the second of two jobs under one id is to be told of."""
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def written(service: WholeService, librdkafka: Librdkafka, other: Receiver) -> Written:
    return write(service, librdkafka, other)


def write(service: WholeService, librdkafka: Librdkafka, other: Receiver) -> Written:
    """All of it, then good records behind."""
    goods = Goods(service)
    wrong = [
        replace(goods.sample_for(of_kind).record, topic=service.topic(name))
        for kind, of_kind in KINDS.items()
        for name in TOPICS
        if kind != read_from(name)
    ]
    librdkafka.send(*wrong)
    pairs: dict[str, list[UUID]] = {}
    cases: dict[tuple[str, UUID], Good] = {}
    for what, make in {
        "two requests": two_requests,
        "two tenants": two_tenants,
        "two topics": two_topics,
        "two partitions": two_partitions,
        "two runs": two_runs,
    }.items():
        for number in range(PAIRS):
            job, records = make(service, other.url, first_express=number % 2 == 0)
            pairs.setdefault(what, []).append(job.job_id)
            cases[what, job.job_id] = Good(
                what, records[0], partial(not_told, job.job_id, [other] if what in TOLD_TWICE else [])
            )
            librdkafka.send(*records, linger_ms=0)
    ordered: dict[tuple[str, str], UUID] = {}
    for name in (topics.JOBS, topics.JOBS_EXPRESS, *RETRIES[:1]):
        for what, headers in ORDERS.items():
            job = new_job(tenant="stranger", webhook_url=service.receiver.url)
            ordered[name, what] = job.job_id
            own = [(header, service.topic(value).encode()) for header, value in headers]
            librdkafka.send(foreign(service, name, asked(job), headers=own))
    last = behind(service)
    librdkafka.send(*(good.record for good in last))
    missing = settled(service, [*cases.values(), *last])
    found = {case: missing[number] for number, case in enumerate(cases) if number in missing}
    lacks = {good.name: missing[n] for n, good in enumerate(last, len(cases)) if n in missing}
    return Written(lacks, pairs, found, ordered)


def not_told(job_id: UUID, others: Sequence[Receiver], seen: Seen) -> str | None:
    """What is missing of an end that is told to everybody who asked, whichever of two jobs under one id it is of."""
    row = seen.rows.get(job_id)
    if row is None or row.state not in ENDED:
        return f"no end: {row}"
    told = [seen.hooks, *map(hooks_of, others)]
    return None if all(job_id in found for found in told) else f"{row.state}, but not told to all"


def read_from(name: str) -> str:
    """The event that belongs on a topic."""
    if (event := DECLARED[name].event) is not None:
        return event
    return "JobRequested" if name.startswith(topics.TRANSCRIBERS) else "TranscriptReady"


def two_requests(service: WholeService, other: str, *, first_express: bool) -> tuple[Job, list[Foreign]]:
    """One id, two topics, two languages, two webhooks."""
    job = new_job(tenant="stranger", webhook_url=service.receiver.url)
    request = asked(job)
    second = replace(request, options=Options(language="he"), webhook_url=other)
    names = (topics.JOBS_EXPRESS, topics.JOBS) if first_express else (topics.JOBS, topics.JOBS_EXPRESS)
    return job, [foreign(service, name, event) for name, event in zip(names, (request, second), strict=True)]


def two_tenants(service: WholeService, other: str, *, first_express: bool) -> tuple[Job, list[Foreign]]:
    """One id, two tenants, two webhooks."""
    job = new_job(tenant="stranger", webhook_url=service.receiver.url)
    request = asked(job)
    second = replace(request, tenant="strangest", webhook_url=other)
    return job, [foreign(service, topics.JOBS, event) for event in (request, second)]


def two_topics(service: WholeService, _other: str, *, first_express: bool) -> tuple[Job, list[Foreign]]:
    """The same request on both topics."""
    job = new_job(tenant="stranger", webhook_url=service.receiver.url)
    return job, [foreign(service, name, asked(job)) for name in (topics.JOBS, topics.JOBS_EXPRESS)]


def two_partitions(service: WholeService, _other: str, *, first_express: bool) -> tuple[Job, list[Foreign]]:
    """The same request in both partitions."""
    job = new_job(tenant="stranger", webhook_url=service.receiver.url)
    return job, [foreign(service, topics.JOBS, asked(job), partition=number) for number in (0, 1)]


def two_runs(service: WholeService, _other: str, *, first_express: bool) -> tuple[Job, list[Foreign]]:
    """A later run before the first one."""
    job = new_job(tenant="stranger", webhook_url=service.receiver.url)
    return job, [foreign(service, topics.JOBS, asked(job, run=run)) for run in (1000, 1)]


@pytest.mark.parametrize("name", TOPICS)
def test_events_of_other_topics_hold_up_nobody(written: Written, name: str) -> None:
    lack = written.behind.get(name)
    assert lack is None


@pytest.mark.parametrize("what", ["two requests", "two tenants", "two topics", "two partitions", "two runs"])
def test_jobs_under_one_id_end(written: Written, what: str) -> None:
    """One of them is the row, and it has an end; whoever asked for another one is told of that too."""
    lacks = {job_id: lack for (found, job_id), lack in written.missing.items() if found == what}
    assert lacks == {}


@pytest.mark.parametrize("what", ["two topics", "two partitions"])
def test_the_same_request_twice_is_told_once(written: Written, service: WholeService, what: str) -> None:
    told = hooks_of(service.receiver)
    assert {job_id: told[job_id] for job_id in written.pairs[what] if told[job_id] != ["job.completed"]} == {}


def test_no_state_stays(written: Written, service: WholeService) -> None:
    """Also where a stranger's headers say where its result goes, or which group alone is to read it."""
    rows = service.rows()
    found = {case: rows[job_id] for case, job_id in written.ordered.items() if job_id in rows}
    assert {case: row for case, row in found.items() if row.state not in ENDED} == {}


def test_no_webhook_waits_for_ever(written: Written, service: WholeService) -> None:
    """One whose event is never applied would be waited for, and the operator be called."""
    names = {job_id: what for what, jobs in written.pairs.items() for job_id in jobs}
    assert [(names.get(job_id, job_id), kind) for job_id, kind in service.waiting_hooks()] == []


def test_no_process_has_ended(written: Written, service: WholeService) -> None:
    assert service.ended_processes == {}
    assert service.parts.pids() == service.pids
