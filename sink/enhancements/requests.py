"""Enhancement requests in PostgreSQL: created, read, and updated from the events that report their end."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from schemas.errors import Permanent
from schemas.events import EnhancementRequest, EnhancementResult
from schemas.wire.trace_context import current_traceparent
from sink.jobs.runs import Effect
from sink.jobs.states import ENDED_STATES
from sink.postgres.database import Connection
from sink.postgres.job_lock import lock
from sink.postgres.sanitize import sanitize_for_postgres
from sink.webhooks.deliveries import release

CHANNEL = "scribe_enhancements"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnhancementRow:
    """An enhancement in its current state: its call, and its result once that is applied."""

    enhancement_id: UUID
    job_id: UUID
    run: int
    state: str
    summarization: bool
    entity_extraction: bool
    llm_model: str | None
    summary: str | None
    entities: list[dict[str, Any]]
    model: str | None
    tokens: int | None
    error: dict[str, Any] | None
    created_at: datetime
    completed_at: datetime | None


_ASK = f"""
INSERT INTO enhancement_calls AS c
    (enhancement_id, job_id, tenant, run, summarization, entity_extraction, llm_model, trace, next_attempt_at)
SELECT %(enhancement_id)s, %(job_id)s, %(tenant)s, %(run)s, %(summarization)s, %(entity_extraction)s, %(llm_model)s,
    %(trace)s,
    -- what is asked of a job that runs gets its time with the job's end
    (SELECT now() FROM jobs WHERE job_id = %(job_id)s AND tenant = %(tenant)s AND run >= %(run)s
        AND state IN {ENDED_STATES})
WHERE NOT scribe_is_erased(%(job_id)s)
ON CONFLICT (enhancement_id) DO UPDATE SET
    run = EXCLUDED.run, trace = EXCLUDED.trace, state = 'pending', attempt = 0, next_attempt_at = EXCLUDED.next_attempt_at, created_at = now(),
    ended_at = NULL,
    cleared_at = NULL, lease_token = NULL, lease_until = NULL  -- whoever works on the earlier run has lost it
    WHERE c.run < EXCLUDED.run AND c.job_id = EXCLUDED.job_id AND c.tenant = EXCLUDED.tenant
RETURNING enhancement_id"""  # noqa: S608 - our own words
_SAME = """
SELECT FROM enhancement_calls WHERE enhancement_id = %(enhancement_id)s AND job_id = %(job_id)s AND tenant = %(tenant)s
    AND summarization = %(summarization)s AND entity_extraction = %(entity_extraction)s
    AND llm_model IS NOT DISTINCT FROM %(llm_model)s"""


async def ask(connection: Connection, tenant: str, job_id: UUID, run: int, wishes: EnhancementRequest) -> bool:
    """Schedule an enhancement, or reschedule it for a later run of its job; False if it exists or its job was erased.

    Raises Permanent(conflict) when its id was used for something else.
    """
    own = {"tenant": tenant, "job_id": job_id, "run": run, "trace": current_traceparent()}
    values = {**own, **sanitize_for_postgres(asdict(wishes))}
    await lock(connection, job_id)
    if await (await connection.execute(_ASK, values)).fetchone() is not None:
        await connection.execute("DELETE FROM enhancement_answers WHERE enhancement_id = %(enhancement_id)s", values)
        await connection.execute(f"NOTIFY {CHANNEL}")
        return True
    known = await connection.execute("SELECT FROM enhancement_calls WHERE enhancement_id = %(enhancement_id)s", values)
    if known.rowcount and not (await connection.execute(_SAME, values)).rowcount:
        raise Permanent("conflict", f"enhancement_id {wishes.enhancement_id}")
    return False


_READ = """
SELECT c.enhancement_id, c.job_id, COALESCE(e.run, c.run) AS run,
    CASE WHEN e.enhancement_id IS NOT NULL THEN e.outcome WHEN c.lease_until > now() THEN 'running' ELSE 'queued' END AS state,
    c.summarization, c.entity_extraction, c.llm_model, e.summary, COALESCE(e.entities, '[]') AS entities, e.model, e.tokens,
    e.error, c.created_at, e.completed_at
FROM enhancement_calls c LEFT JOIN enhancements e ON e.enhancement_id = c.enhancement_id AND e.run >= c.run
WHERE c.tenant = %s AND c.cleared_at IS NULL AND """


async def find(connection: Connection, enhancement_id: UUID, tenant: str) -> EnhancementRow | None:
    """An enhancement of this tenant; None for one of another tenant."""
    row = await (await connection.execute(f"{_READ} c.enhancement_id = %s", [tenant, enhancement_id])).fetchone()
    return EnhancementRow(**row) if row else None


_APPLY = """
INSERT INTO enhancements AS e
    (enhancement_id, job_id, tenant, run, event_id, outcome, summary, entities, model, tokens, error, completed_at)
VALUES (%(enhancement_id)s, %(job_id)s, %(tenant)s, %(run)s, %(event_id)s, %(outcome)s, %(summary)s, %(entities)s,
    %(model)s, %(tokens)s, %(error)s, %(completed_at)s)
ON CONFLICT (enhancement_id) DO UPDATE SET
    run = EXCLUDED.run, event_id = EXCLUDED.event_id, outcome = EXCLUDED.outcome, summary = EXCLUDED.summary,
    entities = EXCLUDED.entities, model = EXCLUDED.model, tokens = EXCLUDED.tokens, error = EXCLUDED.error,
    completed_at = EXCLUDED.completed_at
    WHERE e.run < EXCLUDED.run AND e.job_id = EXCLUDED.job_id AND e.tenant = EXCLUDED.tenant
RETURNING enhancement_id"""
_HISTORY = """
INSERT INTO job_events (job_id, run, state, detail, at)
SELECT job_id, %(run)s, %(state)s, %(detail)s, %(completed_at)s FROM jobs WHERE job_id = %(job_id)s AND tenant = %(tenant)s"""


async def apply(connection: Connection, result: EnhancementResult) -> Effect:
    """Store the result of an enhancement, once per event; its job's row need not exist."""
    await lock(connection, result.job_id)
    if effect := await _refusal(connection, result):
        return effect
    plain = sanitize_for_postgres(asdict(result))
    values = {
        **{name: plain[name] for name in ("tenant", "run", "summary", "model", "tokens")},
        **{name: getattr(result, name) for name in ("enhancement_id", "job_id", "event_id", "completed_at")},
        "outcome": str(result.outcome),
        "entities": Jsonb(plain["entities"]),
        "error": Jsonb(plain["error"]) if plain["error"] else None,
        "state": f"enhancement {result.outcome}",
        "detail": Jsonb({"enhancement_id": str(result.enhancement_id)}),
    }
    if await (await connection.execute(_APPLY, values)).fetchone() is None:
        return Effect.STALE
    await connection.execute(_HISTORY, values)
    await connection.execute(
        "INSERT INTO applied_events (event_id, job_id) VALUES (%(event_id)s, %(job_id)s) ON CONFLICT DO NOTHING", values
    )
    await release(connection, [result.event_id])
    return Effect.APPLIED


async def _refusal(connection: Connection, result: EnhancementResult) -> Effect | None:
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM erased_jobs WHERE job_id = %(job_id)s) AS erased,"
        " EXISTS (SELECT FROM jobs WHERE job_id = %(job_id)s AND tenant <> %(tenant)s) AS foreign_job,"
        " EXISTS (SELECT FROM applied_events WHERE event_id = %(event_id)s) AS applied",
        {"job_id": result.job_id, "tenant": result.tenant, "event_id": result.event_id},
    )
    row = await cursor.fetchone()
    assert row is not None, "the query always has one row"  # noqa: S101 - for the type checker
    if row["erased"]:
        return Effect.ERASED
    if row["foreign_job"]:
        return Effect.FOREIGN
    return Effect.DUPLICATE if row["applied"] else None


async def webhook_of(connection: Connection, job_id: UUID, tenant: str) -> str | None:
    """The webhook address for a job's enhancements: the one that the job's request named."""
    cursor = await connection.execute(
        "SELECT request ->> 'webhook_url' AS url FROM jobs WHERE job_id = %s AND tenant = %s", [job_id, tenant]
    )
    row = await cursor.fetchone()
    return row["url"] if row else None
