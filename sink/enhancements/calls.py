"""Calls of the enhanced-AI service for the dispatcher: leased once their job is completed, extended, finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schemas.ports import KeptAnswer
from schemas.retries.schedules import OUTAGES
from schemas.wire.records import Record
from sink.jobs import outbox
from sink.jobs.states import ENDED_STATES
from sink.postgres.database import Connection, Database
from sink.postgres.job_lock import lock
from sink.postgres.sanitize import sanitize_text
from sink.webhooks.deliveries import MOST_COUNTED

PAUSE_SECONDS = OUTAGES.first  # before an answer is tried to be kept again


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An enhancement leased by this process until the lease runs out; `run` is the current run of its job."""

    enhancement_id: UUID
    job_id: UUID
    tenant: str
    run: int
    summarization: bool
    entity_extraction: bool
    llm_model: str | None
    attempt: int
    lease_token: UUID
    job_state: str
    trace: str | None = None
    """The traceparent of what asked for it."""


# One probe of the index a tenant: the first of its calls, then the first of the tenant after it. Of each tenant that has
# some that are due as many are looked at as may run for it, behind what runs already in any process. The job is looked
# at once more: it may have begun anew while the call was leased.
_LEASE = f"""
WITH RECURSIVE heads AS (
    (SELECT tenant, next_attempt_at FROM enhancement_calls
    WHERE state = 'pending' ORDER BY tenant, next_attempt_at LIMIT 1)
    UNION ALL
    SELECT following.* FROM heads CROSS JOIN LATERAL (
        SELECT tenant, next_attempt_at FROM enhancement_calls
        WHERE state = 'pending' AND tenant > heads.tenant ORDER BY tenant, next_attempt_at LIMIT 1
    ) following
), running AS (
    SELECT tenant, count(*) AS calls FROM enhancement_calls
    WHERE lease_token IS NOT NULL AND lease_until > now() GROUP BY tenant
), due AS (
    SELECT first.* FROM heads LEFT JOIN running USING (tenant) CROSS JOIN LATERAL (
        SELECT c.enhancement_id, c.next_attempt_at, job.run, job.state FROM enhancement_calls c CROSS JOIN LATERAL (
            SELECT j.run, j.state FROM jobs j WHERE j.job_id = c.job_id AND j.tenant = c.tenant AND j.run >= c.run
                AND j.state IN {ENDED_STATES}
            OFFSET 0  -- one by one: a plan for unknown numbers would read all jobs first
        ) job
        WHERE c.tenant = heads.tenant AND c.state = 'pending' AND c.next_attempt_at <= now()
            AND (c.lease_until IS NULL OR c.lease_until <= now())
        ORDER BY c.next_attempt_at LIMIT GREATEST(%(per_tenant)s - COALESCE(running.calls, 0), 0)
    ) first
    WHERE heads.next_attempt_at <= now()
), chosen AS MATERIALIZED (
    SELECT enhancement_id FROM enhancement_calls
    -- as an array: the planner takes a join with rows of unknown number for a reason to read the whole table
    WHERE enhancement_id = ANY(ARRAY(SELECT enhancement_id FROM due))
        AND state = 'pending' AND (lease_until IS NULL OR lease_until <= now())
    ORDER BY next_attempt_at LIMIT %(free)s FOR UPDATE SKIP LOCKED
)
UPDATE enhancement_calls c SET attempt = attempt + 1, run = due.run,
    lease_token = gen_random_uuid(), lease_until = now() + make_interval(secs => %(seconds)s)
FROM due WHERE c.enhancement_id = ANY(ARRAY(SELECT enhancement_id FROM chosen)) AND due.enhancement_id = c.enhancement_id
RETURNING c.enhancement_id, job_id, tenant, c.run, summarization, entity_extraction, llm_model, attempt, lease_token,
    due.state AS job_state, c.trace"""  # noqa: S608 - our own words


async def lease(connection: Connection, *, free: int, per_tenant: int, seconds: float) -> list[Call]:
    """Lease up to `free` due calls; at most `per_tenant` run at once for one tenant across all processes."""
    cursor = await connection.execute(_LEASE, {"free": free, "per_tenant": per_tenant, "seconds": seconds})
    return [Call(**row) for row in await cursor.fetchall()]


async def extend(connection: Connection, tokens: Sequence[UUID], seconds: float) -> None:
    """Extend the leases of calls that are in progress."""
    await connection.execute(
        "UPDATE enhancement_calls SET lease_until = now() + make_interval(secs => %s) WHERE lease_token = ANY(%s)",
        [seconds, list(tokens)],
    )


async def postpone(connection: Connection, call: Call, until: datetime, *, counts: bool) -> bool:
    """Postpone a call until `until`; `counts`: this attempt counts. False when the lease went to another process."""
    cursor = await connection.execute(
        "UPDATE enhancement_calls SET next_attempt_at = %s, attempt = attempt - %s, lease_token = NULL, lease_until = NULL"
        " WHERE enhancement_id = %s AND lease_token = %s",
        [until, 0 if counts else 1, call.enhancement_id, call.lease_token],
    )
    return cursor.rowcount == 1


async def finish(connection: Connection, call: Call, state: str, record: Record) -> bool:
    """Finish a call: delete its stored answers and put `record`, its result, into the outbox; False without the lease.

    The call of a job that was erased meanwhile is gone, so no event is published for it.
    """
    await lock(connection, call.job_id)
    cursor = await connection.execute(
        "UPDATE enhancement_calls SET state = %s, ended_at = now(), lease_token = NULL, lease_until = NULL"
        " WHERE enhancement_id = %s AND lease_token = %s",
        [state, call.enhancement_id, call.lease_token],
    )
    if cursor.rowcount == 0:
        return False
    await connection.execute("DELETE FROM enhancement_answers WHERE enhancement_id = %s", [call.enhancement_id])
    await outbox.add(connection, record)
    return True


async def waiting(connection: Connection, most: int = MOST_COUNTED) -> int:
    """The number of unfinished calls, counted up to `most`."""
    cursor = await connection.execute(
        "SELECT count(*) AS calls FROM (SELECT FROM enhancement_calls WHERE state = 'pending'"
        " ORDER BY tenant, next_attempt_at LIMIT %s) AS some_of_them",
        [most],
    )
    row = await cursor.fetchone()
    return int(row["calls"]) if row else 0


async def spent_today(connection: Connection, tenant: str) -> tuple[int, int]:
    """The tokens spent on the current day (UTC): by the tenant, and by all tenants."""
    cursor = await connection.execute(
        "SELECT COALESCE(sum(tokens) FILTER (WHERE tenant = %s), 0)::bigint AS own, COALESCE(sum(tokens), 0)::bigint AS all"
        " FROM enhanced_ai_spending WHERE day = (now() AT TIME ZONE 'UTC')::date",
        [tenant],
    )
    row = await cursor.fetchone()
    return (int(row["own"]), int(row["all"])) if row else (0, 0)


class LeaseLost(Exception):
    """The lease went to another process, or the job was erased: nothing may be sent any more."""


class KeptAnswers:
    """Implements schemas.ports.Answers in PostgreSQL: an answer and its cost are stored in one transaction."""

    def __init__(self, database: Database, call: Call) -> None:
        self._database = database
        self._call = call

    async def find(self, step: str) -> KeptAnswer | None:
        """See Answers; raises LeaseLost, so that no call is made without a lease."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(
                "SELECT a.answer, a.tokens FROM enhancement_calls c"
                " LEFT JOIN enhancement_answers a ON a.enhancement_id = c.enhancement_id AND a.step = %s"
                " WHERE c.enhancement_id = %s AND c.lease_token = %s",
                [step, self._call.enhancement_id, self._call.lease_token],
            )
            row = await cursor.fetchone()
        if row is None:
            raise LeaseLost
        return KeptAnswer(text=row["answer"], tokens=row["tokens"]) if row["answer"] is not None else None

    async def keep(self, step: str, answer: KeptAnswer) -> None:
        """See Answers; waits for the database as long as necessary. The cost is counted even when the lease is lost."""
        await self._database.run_when_back(lambda connection: self._keep(connection, step, answer), PAUSE_SECONDS)

    async def _keep(self, connection: Connection, step: str, answer: KeptAnswer) -> None:
        call = self._call
        await connection.execute(
            "INSERT INTO enhanced_ai_spending AS s (tenant, day, tokens)"
            " VALUES (%s, (now() AT TIME ZONE 'UTC')::date, %s)"
            " ON CONFLICT (tenant, day) DO UPDATE SET tokens = s.tokens + EXCLUDED.tokens",
            [call.tenant, answer.tokens],
        )
        await connection.execute(
            "INSERT INTO enhancement_answers (enhancement_id, tenant, step, answer, tokens)"
            " SELECT enhancement_id, tenant, %s, %s, %s FROM enhancement_calls"
            " WHERE enhancement_id = %s AND run = %s ON CONFLICT DO NOTHING",
            [step, sanitize_text(answer.text), answer.tokens, call.enhancement_id, call.run],
        )
