"""`scribe cancel`: stop jobs, through REST or over Kafka."""

import getpass
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import typer

from producers.cli.clients.ids import job_of
from producers.cli.clients.rest import is_outage, rest_client, service_error
from producers.cli.jobs.direct import PUBLISH_SECONDS
from producers.cli.terminal.interruption import Count, telling
from producers.cli.terminal.json_lines import print_json
from producers.client.errors import ClientError
from producers.inputs.id_prefix import IdPrefix
from producers.jobs.cancelling import cancel_record
from producers.kafka.admin import TopicAdmin
from producers.kafka.publisher import Publisher
from producers.messages.exit_codes import exit_code
from schemas.errors import Outage, Rejected
from schemas.settings.api import ClientSettings
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from schemas.topics import CONTROL
from schemas.vocabulary.job_states import ENDED
from schemas.wire.object_keys import check_tenant
from sink.records.serdes import serde_for


def cancel(jobs: list[IdPrefix], direct: bool, tenant: str | None, run: int | None, as_json: bool) -> None:
    """Implements `scribe cancel`."""
    if direct:
        return _direct([_whole(job) for job in jobs], tenant, run or 1, as_json=as_json)
    if tenant is not None:
        raise Rejected("invalid_request", "--tenant goes with --direct: through REST the key tells whose jobs they are")
    if run is not None:
        raise Rejected("invalid_request", "--run goes with --direct: through REST the run that is there is stopped")
    _through_rest(jobs, as_json=as_json)
    return None


def _whole(job: IdPrefix) -> UUID:
    if job.whole is None:
        raise typer.BadParameter("with --direct ids are whole: nobody is asked which jobs there are", param_hint="JOB")
    return job.whole


def _through_rest(jobs: Sequence[IdPrefix], *, as_json: bool) -> None:
    found, refused, count = [], [], Count(len(jobs))
    with (
        telling(lambda: f"interrupted: {count} were asked to stop; asked again it is harmless"),
        rest_client(load(ClientSettings)) as client,
    ):
        # all are found before any is stopped
        for job_id in dict.fromkeys([job_of(client, job) for job in jobs]):
            try:
                found.append(client.cancel(job_id).raw)
            except ClientError as error:
                if is_outage(error):
                    raise
                refused.append((job_id, service_error(error, client.url)))
            count.add()
    if as_json:
        print_json(found)
    else:
        sys.stdout.write("".join(f"{_status_line(job)}\n" for job in found))
    for job_id, reason in refused:
        sys.stderr.write(f"{job_id}: {reason}\n")
    if refused:
        raise typer.Exit(exit_code(refused[0][1]))


def _status_line(job: Mapping[str, Any]) -> str:
    message = f"has ended: {job['state']}" if job["state"] in ENDED else "is asked to stop"
    return f"{job['job_id']}  {message}"


def _direct(jobs: Sequence[UUID], tenant: str | None, run: int, *, as_json: bool) -> None:
    if tenant is None:
        raise Rejected("invalid_request", "--direct needs --tenant: an order counts for its own tenant's jobs only")
    settings = load(KafkaSettings)
    serde, requested_by, now = serde_for(settings), f"operator {getpass.getuser()}", datetime.now(UTC)
    whose, each = check_tenant(tenant), list(dict.fromkeys(jobs))
    records = [
        cancel_record(serde, job_id, run, whose, requested_by=requested_by, source="cli", now=now) for job_id in each
    ]
    if not TopicAdmin(settings).partitions([CONTROL]):
        raise Outage(f"Kafka has no topic {CONTROL}; create it with `scribe topics apply`")
    with Publisher(settings, "scribe-cli", timeout=PUBLISH_SECONDS) as publisher:
        publisher.publish(*records)
    if as_json:
        print_json({"job_id": job_id, "tenant": whose, "run": run, "cancel_requested_at": now} for job_id in each)
    else:
        sys.stdout.write("".join(f"{job_id}  is asked to stop, up to run {run}\n" for job_id in each))
