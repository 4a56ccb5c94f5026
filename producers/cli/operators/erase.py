"""`scribe erase` and `scribe hold`: early erasure and legal holds, for operators with the database."""

import getpass
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import typer

from producers.cli.operators.database_ids import id_of, ids_of
from producers.cli.operators.keys import with_database
from producers.cli.terminal.interruption import telling
from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.tables import add_row, make_table, show_rows
from producers.inputs.id_prefix import Ambiguous, IdPrefix
from producers.jobs.cancelling import cancel_record
from producers.messages.absence import NotThere
from producers.messages.exit_codes import exit_code
from schemas.errors import Permanent, Rejected
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from schemas.vocabulary.job_states import ENDED
from schemas.wire.object_keys import check_tenant
from schemas.wire.serde import Serde
from sink.jobs import outbox
from sink.jobs.queries import find
from sink.postgres.database import Connection, Database
from sink.postgres.id_lookup import Kind
from sink.records.serdes import serde_for
from sink.retention.erasure import Erasure, jobs_of_recording
from sink.retention.erasure import erase as erase_job
from sink.tenants.legal_holds import Hold, list_holds, release_hold, set_hold


def erase(tenant: str, jobs: list[IdPrefix] | None, recording_id: str | None, as_json: bool) -> None:
    """Implements `scribe erase`."""
    if not jobs and recording_id is None:
        raise typer.BadParameter("name a JOB or --recording-id")
    found: list[Erasure] = []
    words = "interrupted: {} erased, objects follow by `scribe-streams retention`; asked again it goes on"
    with telling(lambda: words.format(len(found))):
        refused = with_database(lambda database: _erase(database, tenant, tuple(jobs or ()), recording_id, found))
    if as_json:
        print_json(asdict(erasure) for erasure in found)
    else:
        _show(found)
    for error in refused:
        sys.stderr.write(f"{error.message}\n")
    if refused:
        raise typer.Exit(exit_code(refused[0]))


def _show(found: list[Erasure]) -> None:
    for erasure in found:
        done = f"done {erasure.done_at:%Y-%m-%d %H:%M} UTC" if erasure.done_at else "objects follow"
        last = f"{erasure.last_copy_expires_at:%Y-%m-%d %H:%M}"
        sys.stdout.write(
            f"{erasure.job_id}  {sum(erasure.rows.values())} rows  {erasure.objects} objects  {done}"
            f"  last copy in a topic until {last} UTC\n"
        )


async def _erase(
    database: Database, tenant: str, named: tuple[IdPrefix, ...], recording_id: str | None, found: list[Erasure]
) -> list[Permanent]:
    """Erase the jobs and return the errors; the evidence of each erasure is added to `found` at once."""
    async with database.connection() as connection:
        jobs = await ids_of(connection, named, Kind.JOB, Kind.ERASURE, tenant=tenant)
        if recording_id is not None:
            jobs += await jobs_of_recording(connection, tenant, recording_id)
    if not jobs:
        raise Rejected("not_found", f"tenant '{tenant}' has no job of recording '{recording_id}'")
    step = partial(
        _erase_one, serde_for(load(KafkaSettings)), tenant, f"operator {getpass.getuser()}", datetime.now(UTC)
    )
    refused: list[Permanent] = []
    for job_id in dict.fromkeys(jobs):
        try:
            found.append(await database.run(partial(step, job_id)))
        except Permanent as error:
            refused.append(error)
    return refused


async def _erase_one(
    serde: Serde, tenant: str, requested_by: str, now: datetime, job_id: UUID, connection: Connection
) -> Erasure:
    """Erase one job and order its workers to stop; the order is written last, since other records are deleted."""
    job = await find(connection, job_id, tenant)
    erasure = await erase_job(connection, tenant, job_id, requested_by, now)
    if job is not None and job.state not in ENDED:
        await outbox.add(
            connection, cancel_record(serde, job_id, job.run, tenant, requested_by=requested_by, source="cli", now=now)
        )
    return erasure


def set_(tenant: str, reason: str, job: IdPrefix | None, force: bool) -> None:
    """Implements `scribe hold set`."""
    check_tenant(tenant)

    async def step(connection: Connection) -> Hold:
        job_id = await id_of(connection, job, Kind.JOB, tenant=tenant) if job else None
        return await set_hold(connection, tenant, job_id, reason, unknown_too=force)

    try:
        held = with_database(lambda database: database.run(step))
    except Ambiguous:
        raise
    except Permanent as error:
        if job or error.code != "not_found":
            raise
        raise NotThere(f"{error.detail}; --force holds it all the same") from error
    sys.stdout.write(f"held {held.job_id or 'all'} of {tenant}\n")


def release(tenant: str, job: IdPrefix | None) -> None:
    """Implements `scribe hold release`."""

    async def step(connection: Connection) -> tuple[UUID | None, bool]:
        job_id = await id_of(connection, job, Kind.HOLD, tenant=tenant) if job else None
        return job_id, await release_hold(connection, tenant, job_id)

    job_id, released = with_database(lambda database: database.run(step))
    if not released:
        raise NotThere("no hold of this tenant, or of this job of it")
    sys.stdout.write(f"released {job_id or 'all'} of {tenant}\n")


def list_(tenant: str | None, as_json: bool) -> None:
    """Implements `scribe hold list`."""
    holds: tuple[Hold, ...] = with_database(lambda database: database.run(partial(list_holds, tenant=tenant)))
    if as_json:
        print_json(asdict(hold) for hold in holds)
        return
    shown = make_table("TENANT", "JOB", "SINCE (UTC)", "REASON", whole=("TENANT", "JOB"))
    for hold in holds:
        add_row(shown, [hold.tenant, hold.job_id or "all", f"{hold.set_at:%Y-%m-%d %H:%M}", hold.reason])
    show_rows(shown, "no holds")
