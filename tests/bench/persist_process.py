"""The persist app as the bench runs it: `python -m tests.bench.persist_process s3|memory GROUP DLQ RESULTS JOBS PROGRESS TENANTS`.

Composed as in streams.__main__; `memory` puts sink.memory.MemoryObjectStore in the place of the object store.
"""

import sys
from pathlib import Path

from schemas.ports import ObjectStore
from schemas.process import logs
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from schemas.settings.service import ServiceSettings
from schemas.settings.stores import ObjectStoreSettings, PostgresSettings
from schemas.wire.serde import Serde
from sink.memory import MemoryObjectStore
from sink.objects.s3 import S3ObjectStore
from sink.postgres.database import Database
from sink.records.kafka.access import AccessGate
from streams.agents import persist
from streams.runtime.app import create_app
from streams.runtime.event_loop import EventLoop
from streams.runtime.worker import WorkerParts, run_worker


def main(store: str, group: str, dlq: str, results: str, jobs: str, progress: str, tenants: str) -> None:
    """Run until SIGTERM."""
    service, kafka, postgres = load(ServiceSettings), load(KafkaSettings), load(PostgresSettings)
    objects: ObjectStore = S3ObjectStore(load(ObjectStoreSettings)) if store == "s3" else MemoryObjectStore()

    def compose(database: Database, folder: Path) -> WorkerParts:
        app = create_app(group, kafka, folder, instance_id="only")
        event_loop = EventLoop(app, Serde(), group, dlq)
        handlers = persist.Persist(database, objects)
        persist.register(app, event_loop, handlers, jobs=(jobs,), progress=progress, results=results, tenants=tenants)
        return WorkerParts(app, event_loop)

    logs.configure(service, group)
    run_worker(service, postgres, compose, AccessGate(kafka, ()))


if __name__ == "__main__":
    main(*sys.argv[1:])
