"""The Faust apps as processes on topics of a test's own: `python -m tests.integration.streams_process persist GROUP ...`.

Composed as in streams.__main__, with names and a group from the command line and short session times.
"""

import os
import secrets
import sys
from pathlib import Path

from schemas.process import logs
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from schemas.settings.outbound import OutboundSettings
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import ObjectStoreSettings, PostgresSettings
from schemas.topics import ENHANCEMENTS
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.records.kafka.access import AccessGate
from sink.records.marks import RecordMarks
from sink.records.serdes import serde_for
from sink.webhooks.secrets import SecretBox
from streams.agents import enhance, persist, webhooks
from streams.runtime.app import create_app
from streams.runtime.event_loop import EventLoop
from streams.runtime.last_resort import LastResort
from streams.runtime.worker import WorkerParts, run_worker
from tests.integration import faults


def main(
    kind: str,
    group: str,
    dlq: str,
    results: str,
    jobs: str = "",
    progress: str = "",
    tenants: str = "",
    express: str = "",
    enhanced: str = ENHANCEMENTS,
) -> None:
    """Run one app until SIGTERM."""
    service, kafka, postgres = load(ServiceSettings), load(KafkaSettings), load(PostgresSettings)

    def compose(database: Database, folder: Path) -> WorkerParts:
        app = create_app(group, kafka, folder, instance_id="only")
        marks = RecordMarks(database, group, secrets.token_hex(8))
        event_loop = EventLoop(app, serde_for(kafka), group, dlq, LastResort(marks, patience=3))
        if kind == "persist":
            handler = persist.Persist(database, S3ObjectStore(load(ObjectStoreSettings)))
            topics = {"progress": progress, "results": results, "tenants": tenants, "enhanced": enhanced}
            persist.register(app, event_loop, handler, jobs=(jobs, express) if express else (jobs,), **topics)
        elif kind == "enhance":
            enhance.register(app, event_loop, enhance.Enhance(database), results=results)
        else:
            box = SecretBox.from_settings(load(OutboundSettings))
            handlers = webhooks.Webhooks(database, box, "https://scribe.example")
            webhooks.register(app, event_loop, handlers, results=results, enhanced=enhanced)
        if kind_of_fault := os.environ.get("FAULT"):
            app.on_partitions_assigned.connect(faults.FAULTS[kind_of_fault](app), weak=False)
            return WorkerParts(app, event_loop, faults.LIMITS_OF.get(kind_of_fault, faults.LIMITS))
        return WorkerParts(app, event_loop)

    logs.configure(service, group)
    run_worker(service, postgres, compose, AccessGate(kafka, ()))


if __name__ == "__main__":
    main(*sys.argv[1:])
