"""Events become rows, whatever their order, number and run: on real PostgreSQL and a real object store."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from prometheus_client import REGISTRY

from schemas.errors import ErrorKind, Permanent
from schemas.events import (
    JobError,
    JobProgress,
    JobRequested,
    JobResult,
    Options,
    Outcome,
    Source,
    Stage,
    TenantPolicy,
)
from schemas.requests.limits import slim_request
from schemas.wire.rejected_events import failed_result
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.tenants.policies import policy_of
from streams.agents.persist import Persist
from tests.samples import AT
from tests.streams.jobs import Job, new_job, saying
from tests.streams.persisting import history_of, row_of, rows, tell

pytestmark = pytest.mark.anyio
Story = Callable[[Job], list[JobRequested | JobProgress | JobResult]]


@dataclass(frozen=True)
class Case:
    """Events in their order of arrival, what each does, and where the job then stands."""

    name: str
    story: Story
    effects: list[str]
    stands: tuple[int, str]
    history: list[tuple[int, str]]


Q1, T1, D1 = (1, "queued"), (1, "transcribing"), (1, "diarizing")
C1, F1, Q2, C2 = (1, "completed"), (1, "failed"), (2, "queued"), (2, "completed")
CASES = [
    Case(
        "the usual way",
        lambda j: [j.request(), j.progress(1, 1), j.progress(1, 2), j.progress(1, 1, Stage.DIARIZING), j.result()],
        ["applied"] * 5,
        C1,
        [Q1, T1, D1, C1],
    ),
    Case("the result before its request", lambda j: [j.result(), j.request()], ["applied", "duplicate"], C1, [Q1, C1]),
    Case("the result alone", lambda j: [j.result(outcome=Outcome.FAILED)], ["applied"], F1, [Q1, F1]),
    Case(
        "everything twice",
        lambda j: [j.request(), j.request(), j.progress(1, 1), j.progress(1, 1), j.result(), j.result()],
        ["applied", "duplicate", "applied", "stale", "applied", "duplicate"],
        C1,
        [Q1, T1, C1],
    ),
    Case(
        "a finished job stays finished",
        lambda j: [j.result(), j.result(outcome=Outcome.CANCELLED, event_id=new_job().job_id), j.progress(9, 9)],
        ["applied", "stale", "stale"],
        C1,
        [Q1, C1],
    ),
    Case(
        "progress of an older attempt or sequence",
        lambda j: [j.request(), j.progress(2, 5), j.progress(1, 9), j.progress(2, 4), j.progress(2, 6)],
        ["applied", "applied", "stale", "stale", "applied"],
        T1,
        [Q1, T1],
    ),
    Case(
        "another group counts its attempts anew",
        lambda j: [j.request(), j.progress(3, 9), j.progress(1, 1, Stage.DIARIZING), j.progress(4, 1)],
        ["applied", "applied", "applied", "stale"],
        D1,
        [Q1, T1, D1],
    ),
    Case("progress without a job", lambda j: [j.progress(1, 1), j.request()], ["unknown", "applied"], Q1, [Q1]),
    Case(
        "a later run replaces the end of an older one",
        lambda j: [j.request(), j.result(outcome=Outcome.FAILED), j.request(2), j.result(2)],
        ["applied"] * 4,
        C2,
        [Q1, F1, Q2, C2],
    ),
    Case(
        "a later run's result before its request",
        lambda j: [j.result(), j.result(2), j.request(2)],
        ["applied", "applied", "duplicate"],
        C2,
        [Q1, C1, Q2, C2],
    ),
    Case(
        "an older run changes nothing",
        lambda j: [j.request(2), j.request(1), j.progress(5, 5, run=1), j.result(1), j.progress(1, 1, run=2)],
        ["applied", "stale", "stale", "stale", "applied"],
        (2, "transcribing"),
        [Q2, (2, "transcribing")],
    ),
    Case(
        "another request under the same id, whose result comes later",
        lambda j: [
            j.request(),
            j.request(recording_id="other"),
            j.result(),
            j.result(request=j.request(source=Source(uri="https://media.example/other.opus"))),
            j.result(request=j.request(options=Options(language="he"))),
            j.result(request=j.request(recording_id="other")),
        ],
        ["applied", "conflicting", "applied", "conflicting", "conflicting", "conflicting"],
        C1,
        [Q1, (1, "conflict"), C1],
    ),
    Case(
        "another request under the same id, whose result comes first",
        lambda j: [
            j.request(),
            j.progress(1, 1),
            j.result(request=j.request(options=Options(language="he"))),
            j.request(options=Options(language="he")),
            j.result(),
        ],
        ["applied", "applied", "applied", "duplicate", "conflicting"],
        C1,
        [Q1, T1, C1, (1, "conflict")],
    ),
    Case(
        "a failed result whose request has lost its free texts",
        lambda j: [
            j.request(options=Options(prompt="p" * 9_000), metadata={"k": "v"}),
            j.result(outcome=Outcome.FAILED, request=slim_request(j.request())),
        ],
        ["applied", "applied"],
        F1,
        [Q1, F1],
    ),
    Case(
        "progress of a run that has not begun",
        lambda j: [j.request(), j.progress(1, 1, run=2)],
        ["applied", "stale"],
        Q1,
        [Q1],
    ),
    Case(
        "another tenant's events with the same id",
        lambda j: [
            j.request(),
            replace(j, tenant="mallory").request(2),
            replace(j, tenant="mallory").progress(1, 1),
            replace(j, tenant="mallory").result(2),
        ],
        ["applied", "foreign", "foreign", "foreign"],
        Q1,
        [Q1],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_job_stands_where_its_events_put_it(case: Case, persist: Persist, db: Database) -> None:
    job = new_job()
    assert await tell(persist, *case.story(job)) == case.effects
    row = await row_of(db, job)
    assert (row.run, row.state) == case.stands
    assert await history_of(db, job) == case.history


async def test_a_later_run_leaves_no_segment_of_the_older_one(persist: Persist, db: Database) -> None:
    job = new_job()
    await tell(persist, job.result())
    await tell(persist, job.request(2))
    row = await row_of(db, job)
    assert (row.transcript_uri, row.speakers, row.completed_at) == (None, [], None)
    assert await rows(db, "SELECT 1 FROM segments WHERE job_id = %s", job.job_id) == []
    await tell(persist, job.result(2, transcript=saying("again")))
    found = await rows(db, "SELECT text FROM segments WHERE job_id = %s AND position = 0", job.job_id)
    assert found == [{"text": "again"}]


async def test_an_erased_job_stays_erased(persist: Persist, db: Database, object_store: S3ObjectStore) -> None:
    job = new_job()
    async with db.transaction() as connection:
        await connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [job.job_id])
    assert await tell(persist, job.request(), job.progress(1, 1), job.result(), job.result(2)) == ["erased"] * 4
    assert await rows(db, "SELECT 1 FROM jobs WHERE job_id = %s", job.job_id) == []
    assert await rows(db, "SELECT 1 FROM applied_events WHERE job_id = %s", job.job_id) == []
    assert list(object_store.keys("acme/")) == []


async def test_a_job_erased_while_its_transcript_is_written_leaves_no_object(
    db: Database, object_store: S3ObjectStore
) -> None:
    job = new_job()

    class Erasing(S3ObjectStore):
        """The store, with the erasure between the write and the row."""

        def __init__(self) -> None:
            self.__dict__.update(object_store.__dict__)
            self.erased = False

        def put(self, key: str, body: bytes, *, content_type: str, if_absent: bool = False) -> bool:
            written = super().put(key, body, content_type=content_type, if_absent=if_absent)
            with psycopg.connect(db._dsn) as connection:
                connection.execute("INSERT INTO erased_jobs (job_id) VALUES (%s)", [job.job_id])
            return written

    assert await tell(Persist(db, Erasing()), job.result()) == ["erased"]
    assert list(object_store.keys("acme/")) == []


async def test_a_tenant_that_cannot_be_one_is_refused(persist: Persist) -> None:
    with pytest.raises(Permanent, match="tenant"):
        await persist.requested(new_job(tenant="../x").request())


@pytest.mark.parametrize(
    "changes",
    [
        {"recording_id": secrets.token_hex(300_000)},
        {"source": Source(uri=f"upload://{secrets.token_hex(300_000)}")},
        {"metadata": {str(number): "" for number in range(10_000)}},
        {"run": 0},
        {"run": -1},
        {"requested_at": datetime(1, 1, 1, tzinfo=UTC)},
        {"requested_at": datetime(9999, 12, 31, tzinfo=UTC)},
        {"source": Source(uri="")},
    ],
    ids=lambda changes: str(*changes),
)
async def test_a_request_that_can_only_fail_has_a_row_that_does(
    changes: dict[str, Any], persist: Persist, db: Database
) -> None:
    """Whatever is wrong with it, its row and the failed result of its own fit together, and into the database's indexes."""
    job = new_job()
    request = job.request(**changes)
    failed = failed_result(request, Permanent("invalid_request", "see there"), AT)
    assert await tell(persist, request, failed, request, failed) == ["applied", "applied", "duplicate", "duplicate"]
    row = await row_of(db, job)
    assert (row.state, row.error and row.error["code"]) == ("failed", "invalid_request")
    assert await history_of(db, job) == [(request.run, "queued"), (request.run, "failed")]


async def test_an_end_is_counted_once(persist: Persist) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"scribe_rabbit_{name}", labels) or 0.0

    before = counted("jobs_completed_total"), counted("jobs_failed_total", kind="media")
    durations = counted("job_duration_seconds_sum")
    done, failed = new_job(), new_job()
    failure = failed.result(outcome=Outcome.FAILED)
    await tell(persist, done.result(), done.result(), failure, failure, done.result())
    assert (counted("jobs_completed_total"), counted("jobs_failed_total", kind="media")) == (
        before[0] + 1,
        before[1] + 1,
    )
    assert counted("job_duration_seconds_sum") == durations + 60


async def test_nobody_can_invent_labels_of_a_metric(persist: Persist) -> None:
    """An error of a kind that we do not know counts as ours."""
    for kind in ("invented", "", "x" * 10_000, "INTERNAL", "media"):
        error = JobError(kind=kind, code="not_media", message="no")
        await tell(persist, replace(new_job().result(outcome=Outcome.FAILED), error=error))
    samples = [s for m in REGISTRY.collect() if m.name == "scribe_rabbit_jobs_failed" for s in m.samples]
    assert {sample.labels["kind"] for sample in samples} <= set(ErrorKind)


async def test_a_tenants_policy_is_kept_and_nonsense_is_not(persist: Persist, db: Database) -> None:
    policy = TenantPolicy(tenant="acme", retention_days={"audio": 7}, at=AT)
    assert await persist.ruled(policy) == "applied"
    assert await persist.ruled(policy) == "stale"
    for nonsense in (replace(policy, retention_days={"sound": 7}), replace(policy, tenant="../x")):
        with pytest.raises(Permanent):
            await persist.ruled(nonsense)
    async with db.connection() as connection:
        assert await policy_of(connection, "acme") == policy
