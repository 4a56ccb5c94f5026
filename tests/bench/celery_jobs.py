"""The Celery application that the GPU runtime is measured against; a job of it ends as a committed row in PostgreSQL.

`python -m celery --app tests.bench.celery_jobs worker` does what waits, `python -m tests.bench.celery_jobs 5000` queues so
many jobs. CELERY_BROKER_URL and SCRIBE_POSTGRES_DSN say where.
"""

import sys
from functools import cache
from typing import Any

import psycopg
from celery import Celery

from gpu_consumers.engines.fake import fake_result
from schemas.events import JobRequested
from schemas.settings.loading import load
from schemas.settings.stores import PostgresSettings
from schemas.wire.serde import event_from_json, to_json, to_json_text
from tests.integration.gpu import job

# a job may be done again after a crash: the row stays as it is
INSERT = "INSERT INTO celery_results (job_id, result) VALUES (%s, %s) ON CONFLICT (job_id) DO NOTHING"

app = Celery("bench")
app.conf.update(
    # no job is lost with its process
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    # its default; with 1, 16 and 32 it was slower
    worker_prefetch_multiplier=4,
    # nobody asks for these here
    task_ignore_result=True,
    worker_disable_rate_limits=True,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
)


@cache
def connection() -> psycopg.Connection[Any]:
    """One for the life of a process; a statement on it is a transaction of its own, in one round trip."""
    return psycopg.connect(load(PostgresSettings).postgres_dsn.get_secret_value(), autocommit=True)


def transcribe(data: dict[str, Any]) -> None:
    """What a job of the fake stage is and gives, as JSON."""
    request = event_from_json(data, JobRequested)
    result = fake_result(request, request.metadata)
    connection().execute(INSERT, (result.job_id, to_json_text(result).decode()))


task = app.task(transcribe, name="bench.transcribe")


def queue(count: int) -> None:
    """Hand so many jobs to the broker."""
    with app.producer_or_acquire() as producer:
        for _ in range(count):
            task.apply_async((to_json(job()),), producer=producer)


if __name__ == "__main__":
    queue(int(sys.argv[1]))
