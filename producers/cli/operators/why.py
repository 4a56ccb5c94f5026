"""`scribe why --direct`: explains a job's wait from database, Kafka and processes, and advises the operator."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from producers.cli.clients.processes import ask_processes
from producers.cli.jobs.why import second, wait_lines
from producers.cli.operators.database_ids import id_of
from producers.cli.operators.keys import with_database
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import print_pairs
from producers.inputs.id_prefix import IdPrefix
from producers.waiting.database import facts_for_operator
from producers.waiting.explanation import Explanation, Wait, explain
from producers.waiting.facts import RowFacts
from producers.waiting.kafka_records import read_kafka
from schemas.errors import Rejected
from schemas.process.wait_reasons import WAIT_REASONS, WaitReason
from schemas.settings.loading import load
from schemas.settings.processes import WhyCommand
from sink.postgres.database import Database
from sink.postgres.id_lookup import Kind
from sink.records.serdes import serde_for

SLACK = timedelta(hours=1)  # by which clocks may differ, or the database be late, without a second look


def explain_directly(job: IdPrefix, processes: Sequence[str], *, as_json: bool) -> None:
    """Print the explanation; raises Rejected(not_found) when neither database nor Kafka knows the job."""
    settings = load(WhyCommand)
    reports = ask_processes(processes)
    rows = with_database(partial(_rows, job=job))
    since = _since(rows)
    explanation = explain(rows, read_kafka(settings, serde_for(settings), rows.job_id, since), reports)
    if since is not None and explanation is not None and _is_lost(explanation):
        # its clock, or the database, may be further from Kafka's than was thought: who is told so does it again
        explanation = explain(rows, read_kafka(settings, serde_for(settings), rows.job_id, None), reports)
    if explanation is None:
        raise _unknown(rows)
    if as_json:
        print_json(_plain(rows, explanation))
    else:
        print_pairs(_lines(rows, explanation))


async def _rows(database: Database, job: IdPrefix) -> RowFacts:
    async with database.connection() as connection:
        job_id: UUID = await id_of(connection, job, Kind.JOB, Kind.ERASURE)
    return await facts_for_operator(database, job_id)


def _since(rows: RowFacts) -> datetime | None:
    """The time before which hardly any record of the job was written; None for an unknown job."""
    return None if rows.job is None else min(rows.job.requested_at, rows.job.updated_at) - SLACK


def _is_lost(found: Explanation) -> bool:
    return any(wait.reason is WaitReason.NO_RECORD for wait in found.waits)


def _unknown(rows: RowFacts) -> Rejected:
    if rows.erased_at is not None:
        return Rejected("not_found", f"job {rows.job_id} was erased at {second(rows.erased_at)}")
    return Rejected("not_found", f"job {rows.job_id}: neither the database nor a record that waits in Kafka names it")


def _lines(rows: RowFacts, found: Explanation) -> Iterator[tuple[str, object]]:
    yield "job", found.job_id
    if rows.job is not None:
        yield "tenant, run", f"{rows.job.tenant}, {rows.job.run}"
    yield "state", found.state if rows.job is not None else "not in the database"
    yield "since", second(found.since)
    yield ("held" if found.waits else "not held"), found.sentence
    yield from (("", line) for line in found.evidence)
    for wait in found.waits:
        spec = WAIT_REASONS[wait.reason]
        yield from wait_lines(_wait(wait), spec.sentence)
        yield from (("", line) for line in wait.evidence)
        yield "what to do", spec.runbook


def _plain(rows: RowFacts, found: Explanation) -> dict[str, Any]:
    return {
        "job_id": found.job_id,
        "tenant": rows.job and rows.job.tenant,
        "run": rows.job and rows.job.run,
        "state": found.state,
        "since": found.since,
        "held": bool(found.waits),
        "message": found.sentence,
        "evidence": list(found.evidence),
        "waits": [
            {**_wait(wait), "evidence": list(wait.evidence), "runbook": WAIT_REASONS[wait.reason].runbook}
            for wait in found.waits
        ],
        "looked_at": datetime.now(UTC),
    }


def _wait(wait: Wait) -> dict[str, Any]:
    """A gate in the form of REST."""
    return {
        "subject": str(wait.subject),
        "id": str(wait.id),
        "reason": str(wait.reason),
        "message": WAIT_REASONS[wait.reason].sentence,
        "since": wait.since,
        "next_attempt_at": wait.next_at,
        "ahead": wait.ahead,
    }
