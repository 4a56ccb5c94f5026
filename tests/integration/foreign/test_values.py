"""Readable Avro with wrong values: the job fails as `invalid_request`, and whoever is named in it hears so."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from schemas import topics
from schemas.events import (
    EnhancementRequest,
    EnhancementResult,
    Event,
    JobControl,
    JobRequested,
    JobResult,
    Outcome,
    TenantPolicy,
    event_id,
)
from tests.integration.foreign.avro_values import changed, framed
from tests.integration.foreign.clients import Foreign, Librdkafka
from tests.integration.foreign.goods import Good, asked, behind, foreign, not_ended, settled, transcribed
from tests.integration.foreign.service import ENDED, WholeService
from tests.streams.jobs import Job, new_job

LAST, FIRST = 2**63 - 1, -(2**63)  # of a long
MOST, LEAST = 2**31 - 1, -(2**31)  # of an int
NAN, INFINITE = float("nan"), float("inf")

REQUESTS: dict[str, dict[str, Any]] = {
    "a priority that is none": {"priority": "URGENT"},
    "a priority in capitals": {"priority": "STANDARD"},
    "an empty priority": {"priority": ""},
    "an enhancement's id that is none": {"enhancement.enhancement_id": "zzz"},
    "an enhancement's id that is empty": {"enhancement.enhancement_id": ""},
    "an enhancement that asks for nothing": {"enhancement.summarization": False},
    "an enhancement's model with NUL": {"enhancement.llm_model": "a\x00b"},
    "the last expires_at": {"expires_at": LAST},
    "the first expires_at": {"expires_at": FIRST},
    "expires_at in the year 10000": {"expires_at": 253_402_300_800_000_000},
    "the last requested_at": {"requested_at": LAST},
    "the first requested_at": {"requested_at": FIRST},
    "requested_at before 1970": {"requested_at": -1},
    "requested_at in milliseconds of the year 56000": {"requested_at": 1_700_000_000_000_000_000},
    "run 0": {"run": 0},
    "run -1": {"run": -1},
    "the first run": {"run": LEAST},
    "a task that is none": {"options.task": "sing"},
    "channels that are none": {"options.channels": "7.1"},
    "an engine that is none": {"options.engine": ""},
    "a model that is none": {"options.model": "\x00"},
    "a language that is none": {"options.language": "klingon"},
    "no speakers": {"options.num_speakers": 0},
    "fewer speakers than none": {"options.min_speakers": LEAST},
    "too many speakers": {"options.max_speakers": MOST},
    "bounds that cross": {"options.min_speakers": 3, "options.max_speakers": 2},
    "hotwords with NUL": {"options.hotwords": "a\x00b"},
    "hotwords without end": {"options.hotwords": "x" * 100_000},
    "a prompt without end": {"options.prompt": "x" * 900_000},
    "no address": {"source.uri": ""},
    "an address of another kind": {"source.uri": "ftp://example.org/a.wav"},
    "an address with NUL": {"source.uri": "https://example.org/\x00.wav"},
    "an address with a line break": {"source.uri": "https://example.org/\r\nHost: evil.example"},
    "an address with brackets": {"source.uri": "https://[::1/a.wav"},
    "an address without end": {"source.uri": "https://example.org/" + "a" * 900_000},
    "a digest that is none": {"source.sha256": "xyz"},
    "a negative size": {"source.size_bytes": FIRST},
    "a recording's name without end": {"recording_id": "r" * 900_000},
    "a recording's name with NUL": {"recording_id": "\x00"},
    "metadata without end": {"metadata": {"key": "v" * 900_000}},
    "10,000 entries of metadata": {"metadata": {str(n): "v" for n in range(10_000)}},
    "metadata with NUL": {"metadata": {"\x00": "\x00"}},
    "two things wrong": {"priority": "?", "run": 0, "options.task": "?", "requested_at": LAST},
}
ADDRESSES: dict[str, str] = {
    "no address of a webhook": "",
    "a webhook of another kind": "javascript:alert(1)",
    "a webhook without end": "https://example.org/" + "a" * 900_000,
    "a webhook with NUL": "https://example.org/\x00",
    "a webhook with brackets": "https://[::1/hook",
}
NAMELESS: dict[str, dict[str, Any]] = {
    "an id that is none": {"job_id": "zzz"},
    "an empty id": {"job_id": ""},
    "an id with NUL": {"job_id": "\x00" * 36},
    "no tenant": {"tenant": ""},
    "a tenant with a slash": {"tenant": "../acme"},
    "a tenant with NUL": {"tenant": "\x00"},
    "a tenant without end": {"tenant": "t" * 100_000},
}
"""Of whom nobody can be told."""
READY: dict[str, dict[str, Any]] = {
    "a request's priority that is none": {"request.priority": "URGENT"},
    "a request's last expires_at": {"request.expires_at": LAST},
    "a request's run 0": {"request.run": 0, "run": 0},
    "a request of another run": {"request.run": 7},
    "a request's enhancement that is none": {"request.enhancement.enhancement_id": "zzz"},
    "a duration that is no number": {"audio.duration": NAN},
    "a duration without end": {"audio.duration": INFINITE},
    "a negative duration": {"audio.duration": -1.0},
    "no channels": {"audio.channels": LEAST},
    "no transcript": {"transcript": None},
    "a claim check of elsewhere": {
        "transcript": None,
        "claim_check": {"uri": "s3://elsewhere/key", "size_bytes": 1, "sha256": "0" * 64},
    },
    "a claim check of another job": {
        "transcript": None,
        "claim_check": {"uri": "s3://scribe/acme/other/key", "size_bytes": FIRST, "sha256": ""},
    },
    "a time that is no number": {"transcript.segments": [{"start": NAN, "end": INFINITE, "text": "a\x00b"}]},
    "the last completed_at": {"completed_at": LAST},
    "an event's id that is none": {"event_id": "zzz"},
    "another event's id": {"event_id": str(uuid4())},
}
RESULTS: dict[str, dict[str, Any]] = {
    "a request's priority that is none": {"request.priority": "URGENT"},
    "a request's last expires_at": {"request.expires_at": LAST},
    "a request's run 0": {"request.run": 0, "run": 0},
    "a request's enhancement that is none": {"request.enhancement.enhancement_id": "zzz"},
    "an outcome that is none": {"outcome": "SUCCESS"},
    "no transcript": {"transcript": None},
    "a claim check of elsewhere": {
        "transcript": None,
        "claim_check": {"uri": "s3://elsewhere/key", "size_bytes": 1, "sha256": "0" * 64},
    },
    "a failure without an error": {"outcome": "failed", "transcript": None, "error": None},
    "an error without words": {"outcome": "failed", "error": {"kind": "", "code": "\x00", "message": "\x00"}},
    "a duration that is no number": {"audio.duration": NAN},
    "times that are no numbers": {"timings": {"decode": NAN, "\x00": INFINITE}},
    "a time that is no number": {"transcript.segments": [{"start": NAN, "end": INFINITE, "text": "a\x00b"}]},
    "a language with NUL": {"transcript.language": "\x00"},
    "10,000 speakers": {"speakers": [f"{n}\x00" for n in range(10_000)]},
    "the last completed_at": {"completed_at": LAST},
    "the first completed_at": {"completed_at": FIRST},
    "an event's id that is none": {"event_id": "zzz"},
    "another event's id": {"event_id": str(uuid4())},
}
CONTRADICTING: dict[str, dict[str, Any]] = {
    "a request of another run": {"request.run": 7},
    "a request of another tenant": {"request.tenant": "globex"},
    "a request of another job": {"request.job_id": str(uuid4())},
}
"""Results that do not say whose they are: each would change a job for what another one asked."""
OTHERS: dict[str, dict[str, dict[str, Any]]] = {
    topics.PROGRESS: {
        "a stage that is none": {"stage": "dreaming"},
        "an attempt below none": {"attempt": LEAST, "sequence": LEAST},
        "the last attempt": {"attempt": MOST, "sequence": MOST},
        "seconds that are no number": {"done_seconds": NAN, "total_seconds": INFINITE},
        "the last at": {"at": LAST},
        "an event's id that is none": {"event_id": "zzz"},
        "a tenant with NUL": {"tenant": "\x00"},
        "run 0": {"run": 0},
    },
    topics.CONTROL: {
        "an action that is none": {"action": "explode"},
        "run -1": {"run": -1},
        "the last at": {"at": LAST},
        "an id that is none": {"job_id": "zzz"},
        "nobody": {"by": "\x00" * 100_000},
    },
    topics.TENANTS: {
        "no tenant": {"tenant": ""},
        "a tenant with NUL": {"tenant": "\x00"},
        "a quota below none": {"quotas": {"queued": LEAST}},
        "days below none": {"retention_days": {"audio": LEAST, "\x00": MOST}},
        "the last at": {"at": LAST},
        "the first at": {"at": FIRST},
        "hosts that are none": {"allowed_hosts": ["", "\x00", "*"], "allowed_prefixes": ["", "s3://"]},
    },
    topics.ENHANCEMENTS: {
        "an outcome that is none": {"outcome": "SUCCESS"},
        "an id that is none": {"enhancement_id": "zzz"},
        "tokens below none": {"tokens": LEAST},
        "a time that is no number": {"entities": [{"text": "\x00", "kind": "\x00", "start": NAN, "end": NAN}]},
        "the last completed_at": {"completed_at": LAST},
        "another event's id": {"event_id": str(uuid4())},
        "a tenant with NUL": {"tenant": "\x00"},
    },
}


ALLOWED = [["request"], ["source"], ["expired"]]


def enhanced_job(job: Job, **changes: Any) -> JobRequested:
    """A request with an enhancement, so that all of it can be wrong."""
    return asked(job, enhancement=EnhancementRequest(enhancement_id=uuid4(), summarization=True), **changes)


def event_of(name: str, job: Job) -> Event:
    """A good event of a topic, about the job."""
    ids = {"job_id": job.job_id, "run": 1, "tenant": job.tenant}
    now = datetime.now(UTC)
    match name:
        case topics.TRANSCRIPTS:
            return transcribed(job, enhancement=EnhancementRequest(enhancement_id=uuid4(), summarization=True))
        case topics.RESULTS:
            return job.result(request=enhanced_job(job).without_query())
        case topics.PROGRESS:
            return job.progress(1, 1)
        case topics.CONTROL:
            return JobControl(**ids, by="stranger", at=now)  # type: ignore[arg-type]
        case topics.TENANTS:
            return TenantPolicy(tenant=f"ruled-{job.job_id}", at=now)
        case topics.ENHANCEMENTS:
            ident = uuid4()
            event = event_id(job.job_id, EnhancementResult.KIND, 1, str(ident))
            told = {"enhancement_id": ident, "event_id": event, "outcome": Outcome.COMPLETED, "completed_at": now}
            return EnhancementResult(**ids, **told)  # type: ignore[arg-type]
    return enhanced_job(job)


@dataclass(frozen=True)
class Written:
    """What is missing of jobs with wrong values, by topic and mistake, and of good records behind all; and the jobs."""

    missing: dict[tuple[str, str], str]
    behind: dict[str, str]
    jobs: dict[tuple[str, str], UUID]
    results: Mapping[UUID, list[JobResult]]


@pytest.fixture(scope="module")
def written(service: WholeService, librdkafka: Librdkafka) -> Written:
    return write(service, librdkafka)


def write(service: WholeService, librdkafka: Librdkafka) -> Written:
    """Every mistake to its topic, then a good record behind it."""
    jobs: dict[tuple[str, str], UUID] = {}
    ends: dict[tuple[str, str], Good] = {}
    records: list[Foreign] = []

    def wrong(name: str, what: str, changes: Mapping[str, Any], webhook: str | None) -> Foreign:
        job = new_job(tenant="stranger", webhook_url=webhook)
        event = event_of(name, job)
        jobs[name, what] = job.job_id
        good = foreign(service, name, event)
        return Foreign(good.topic, framed(service, event, changed(event, changes)), good.key, good.headers)

    ending = {topics.JOBS: REQUESTS, topics.JOBS_EXPRESS: REQUESTS, topics.TRANSCRIPTS: READY, topics.RESULTS: RESULTS}
    for name, cases in ending.items():
        for what, changes in cases.items():
            record = wrong(name, what, changes, service.receiver.url)
            ends[name, what] = Good(name, record, partial(not_ended, jobs[name, what]))
            records.append(record)
    records += [wrong(topics.RESULTS, what, changes, service.receiver.url) for what, changes in CONTRADICTING.items()]
    for what, changes in NAMELESS.items():
        records += [wrong(name, what, changes, service.receiver.url) for name in ending]
    records += [wrong(topics.JOBS, what, {}, address) for what, address in ADDRESSES.items()]
    records += [wrong(name, what, changes, None) for name, cases in OTHERS.items() for what, changes in cases.items()]
    librdkafka.send(*records, message_max_bytes=2_000_000, batch_size=100_000)
    last = behind(service)
    librdkafka.send(*(good.record for good in last))
    missing = settled(service, [*ends.values(), *last])
    found = {case: missing[number] for number, case in enumerate(ends) if number in missing}
    lacks = {good.name: missing[n] for n, good in enumerate(last, len(ends)) if n in missing}
    return Written(found, lacks, jobs, service.results())


@pytest.mark.parametrize("name", [topics.JOBS, topics.JOBS_EXPRESS, topics.TRANSCRIPTS, topics.RESULTS])
def test_every_readable_job_hears_of_its_end(written: Written, name: str) -> None:
    """Its row has ended, and its webhook came; of the transcripts also those that no transcriber writes."""
    lacks = {what: lack for (topic, what), lack in written.missing.items() if topic == name}
    assert lacks == {}


@pytest.mark.parametrize("name", [topics.JOBS, topics.JOBS_EXPRESS])
def test_a_wrong_value_of_a_request_is_the_clients_mistake(written: Written, name: str) -> None:
    """One result, failed, of which every reader can tell that it is the request that must be changed."""
    found = {what: kinds(written.results.get(written.jobs[name, what], [])) for what in REQUESTS}
    assert {what: told for what, told in found.items() if told not in ALLOWED} == {}


def kinds(results: list[JobResult]) -> list[str]:
    """Whose move it is after each failure."""
    return [str(result.error.kind) if result.error else str(result.outcome) for result in results]


@pytest.mark.parametrize("what", ADDRESSES)
def test_a_job_whose_webhook_is_no_address_ends_without_one(written: Written, service: WholeService, what: str) -> None:
    row = service.rows().get(written.jobs[topics.JOBS, what])
    assert row is not None
    assert (row.state, row.code) == ("failed", "invalid_request")


@pytest.mark.parametrize("name", [*OTHERS, topics.JOBS, topics.TRANSCRIPTS, topics.RESULTS])
def test_nobody_waits_for_wrong_values(written: Written, name: str) -> None:
    lack = written.behind.get(name)
    assert lack is None


def test_no_state_stays(written: Written, service: WholeService) -> None:
    """Whatever row a stranger's record made, it has ended."""
    rows = service.rows()
    found = {case: rows[job_id] for case, job_id in written.jobs.items() if job_id in rows}
    assert {case: row for case, row in found.items() if row.state not in ENDED} == {}


def test_no_webhook_waits_for_ever(written: Written, service: WholeService) -> None:
    """One whose event is never applied would be waited for, and the operator be called."""
    names = {job_id: case for case, job_id in written.jobs.items()}
    assert [(names.get(job_id, job_id), kind) for job_id, kind in service.waiting_hooks()] == []


def test_no_process_has_ended(written: Written, service: WholeService) -> None:
    assert service.ended_processes == {}
    assert service.parts.pids() == service.pids
