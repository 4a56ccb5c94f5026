"""Job states in SQL: sets of them as literals, as the planner needs them for partial indexes; counts of all jobs by them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.vocabulary.job_states import ENDED, JOB_STATES, UNFINISHED
from schemas.vocabulary.scheduling import BYTES_PER_SECOND, MOST_SECONDS, UNKNOWN_SECONDS
from sink.postgres.database import Connection


def _literals(states: Iterable[str]) -> str:
    quoted = (f"'{state}'" for state in states)
    return f"({', '.join(quoted)})"


ENDED_STATES = _literals(state for state in JOB_STATES if state in ENDED)
UNFINISHED_STATES = _literals(UNFINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCounts:
    """All jobs in the database at one moment, by names of metrics; each is in one state."""

    accepted: int
    states: Mapping[str, int]
    oldest_seconds: Mapping[str, float]
    """Of unfinished jobs: time since the oldest one was requested, 0 when there is none."""
    audio_seconds: Mapping[str, float]
    """Of unfinished jobs: what is still to be worked through."""


# Ended jobs are counted in an index each and are many; the others by that of unfinished ones and are read.
_COUNT = f"""
WITH unfinished AS (
    SELECT CASE state WHEN 'queued' THEN 'waiting' ELSE 'running' END AS state,
        greatest(0, extract(epoch FROM now() - requested_at))::float8 AS age,
        greatest(0, least(%(most)s, coalesce(
            total_seconds, (request -> 'source' ->> 'size_bytes')::float8 / %(bytes)s, %(unknown)s
        )) - coalesce(done_seconds, 0)) AS audio
    FROM jobs WHERE state IN {UNFINISHED_STATES}
), ended AS (
    SELECT state, count(*) AS jobs FROM jobs WHERE state IN {ENDED_STATES} GROUP BY state
), expired AS (
    SELECT count(*) AS jobs FROM jobs WHERE state = 'failed' AND error ->> 'kind' = 'expired'
)
SELECT state, count(*) AS jobs, max(age) AS age, sum(audio)::float8 AS audio FROM unfinished GROUP BY state
UNION ALL SELECT state, jobs - CASE state WHEN 'failed' THEN (SELECT jobs FROM expired) ELSE 0 END, 0, 0 FROM ended
UNION ALL SELECT 'expired', jobs, 0, 0 FROM expired
UNION ALL SELECT 'accepted', count(*), 0, 0 FROM jobs"""  # noqa: S608 - our own words
PENDING = ("waiting", "running")
STATES = (*PENDING, "completed", "failed", "expired", "cancelled")


async def count_jobs(connection: Connection) -> JobCounts:
    """All jobs, counted as of one moment."""
    values = {"most": MOST_SECONDS, "bytes": BYTES_PER_SECOND, "unknown": UNKNOWN_SECONDS}
    rows = {row["state"]: row for row in await (await connection.execute(_COUNT, values)).fetchall()}

    def column(name: str, states: tuple[str, ...]) -> dict[str, float]:
        return {state: float(rows[state][name]) if state in rows else 0.0 for state in states}

    return JobCounts(
        accepted=int(rows["accepted"]["jobs"]),
        states={state: int(count) for state, count in column("jobs", STATES).items()},
        oldest_seconds=column("age", PENDING),
        audio_seconds=column("audio", PENDING),
    )
