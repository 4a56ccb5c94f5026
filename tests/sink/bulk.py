"""Jobs in bulk with rows in every table that tells of jobs, and objects of every kind; each text of theirs holds a mark."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import psycopg

from schemas.wire.object_keys import audio_key, claim_key, transcript_key, upload_key
from sink.objects.s3 import S3ObjectStore
from sink.webhooks.deliveries import endpoint_id

URL = "https://hooks.example/in"
# what stays by intention: tombstones and evidence name jobs, and the schedule of migrations tells of none
NAMING = ("erased_jobs", "erasures", "schema_migrations")


@dataclass(frozen=True)
class Bulk:
    """Some jobs of one tenant that ended at the same time; every third one was uploaded."""

    tenant: str
    mark: str
    job_ids: tuple[UUID, ...]
    uploads: dict[UUID, UUID]

    def keys(self) -> list[str]:
        """The key of every object."""
        keys = [upload_key(self.tenant, upload) for upload in self.uploads.values()]
        for job_id in self.job_ids:
            if job_id not in self.uploads:
                keys.append(audio_key(self.tenant, job_id, "ab" * 32))
            keys += [claim_key(self.tenant, job_id, job_id), transcript_key(self.tenant, job_id, 1)]
        return keys


_JOBS = """
INSERT INTO jobs (job_id, tenant, recording_id, run, state, request, fingerprint, duration, error, transcript_uri,
    result_event_id, requested_at, updated_at, completed_at)
SELECT id, %(tenant)s, %(mark)s || id, 1, CASE WHEN %(ended)s THEN 'completed' ELSE 'transcribing' END,
    jsonb_build_object('source', jsonb_build_object('uri', uri, 'name', %(mark)s || '.wav'), 'metadata', jsonb_build_object('note', %(mark)s::text)),
    decode(md5(id::text), 'hex'), 2.5, jsonb_build_object('message', %(mark)s::text), 's3://bucket/' || %(mark)s, id,
    %(at)s, %(at)s, CASE WHEN %(ended)s THEN %(at)s::timestamptz END
FROM unnest(%(ids)s::uuid[], %(uris)s::text[]) AS new (id, uri)"""

_ROWS = (
    """INSERT INTO segments (job_id, position, start_s, end_s, text, words)
    SELECT id, n, n, n + 1, %(mark)s || ' said', jsonb_build_array(jsonb_build_object('text', %(mark)s::text))
    FROM unnest(%(ids)s::uuid[]) AS id, generate_series(0, 2) AS n""",
    """INSERT INTO transcript_revisions (job_id, number, run, tenant, key_id, changes, at)
    SELECT id, 1, 1, %(tenant)s, 'key', jsonb_build_object('speakers', jsonb_build_object('SPEAKER_00', %(mark)s::text),
        'segments', jsonb_build_array(jsonb_build_object('index', 0, 'text', %(mark)s || ' corrected'))), %(at)s
    FROM unnest(%(ids)s::uuid[]) AS id""",
    """INSERT INTO job_events (job_id, run, state, detail, at)
    SELECT id, 1, state, jsonb_build_object('message', %(mark)s::text), %(at)s
    FROM unnest(%(ids)s::uuid[]) AS id, unnest(ARRAY['queued', 'completed']) AS state""",
    """INSERT INTO applied_events (event_id, job_id, applied_at, error)
    SELECT id, id, %(at)s, jsonb_build_object('message', %(mark)s::text) FROM unnest(%(ids)s::uuid[]) AS id""",
    """INSERT INTO outbox (topic, key, value, headers, created_at, published_at, failed_at, failed_reason)
    SELECT 'scribe.jobs', convert_to(id::text, 'UTF8'), convert_to(%(mark)s, 'UTF8'), jsonb_build_object('x', %(mark)s::text),
        %(at)s, CASE state WHEN 'published' THEN %(at)s::timestamptz END, CASE state WHEN 'failed' THEN %(at)s::timestamptz END,
        %(mark)s
    FROM unnest(%(ids)s::uuid[]) AS id, unnest(ARRAY['published', 'failed']) AS state""",
    """INSERT INTO webhook_deliveries (delivery_id, event_id, endpoint_id, job_id, type, payload, state, attempt,
        next_attempt_at, lease_until, lease_token, created_at, ended_at)
    SELECT gen_random_uuid(), gen_random_uuid(), %(endpoint)s, id, 'job.completed',
        jsonb_build_object('data', jsonb_build_object('text', %(mark)s::text)), state, 1, %(at)s,
        CASE state WHEN 'pending' THEN now() + interval '10 s' END, CASE state WHEN 'pending' THEN gen_random_uuid() END,
        %(at)s, CASE state WHEN 'delivered' THEN %(at)s::timestamptz END
    FROM unnest(%(ids)s::uuid[]) AS id, unnest(ARRAY['pending', 'delivered']) AS state""",
    """INSERT INTO enhancement_calls (enhancement_id, job_id, tenant, run, summarization, entity_extraction, state,
        created_at, ended_at)
    SELECT id, id, %(tenant)s, 1, true, true, 'completed', %(at)s, %(at)s FROM unnest(%(ids)s::uuid[]) AS id""",
    """INSERT INTO enhancement_answers (enhancement_id, tenant, step, answer, tokens)
    SELECT id, %(tenant)s, 'map-1', %(mark)s, 1 FROM unnest(%(ids)s::uuid[]) AS id""",
    """INSERT INTO replayed_records (topic, partition, record_offset, number, action, replay_id, tenant, job_id, run, by, at)
    SELECT %(mark)s, 0, row_number() OVER (), 1, 'redrive', id, %(tenant)s, id, 1, %(mark)s, %(at)s
    FROM unnest(%(ids)s::uuid[]) AS id""",
    """INSERT INTO enhancements (enhancement_id, job_id, tenant, run, event_id, outcome, summary, completed_at)
    SELECT id, id, %(tenant)s, 1, gen_random_uuid(), 'completed', %(mark)s, %(at)s FROM unnest(%(ids)s::uuid[]) AS id""",
    """INSERT INTO webhook_attempts (delivery_id, attempt, ended_at, status, outcome, error, answer)
    SELECT delivery_id, 1, %(at)s, 200, 'delivered', %(mark)s, 'answer ' || %(mark)s FROM webhook_deliveries
    WHERE job_id = ANY(%(ids)s)""",
)


def fill(
    dsn: str,
    store: S3ObjectStore | None,
    count: int,
    at: datetime,
    *,
    tenant: str = "acme",
    ended: bool = True,
    uploads: Sequence[UUID] | None = None,
) -> Bulk:
    """Make jobs whose times are all `at`, and their objects when there is a store."""
    job_ids = tuple(uuid4() for _ in range(count))
    named = dict(zip(job_ids[::3], uploads or [uuid4() for _ in job_ids[::3]], strict=False))
    bulk = Bulk(tenant, f"mark-{uuid4().hex}", job_ids, named)
    values = {
        "tenant": tenant,
        "mark": bulk.mark,
        "ids": list(job_ids),
        "uris": [f"upload://{named[i]}" if i in named else f"https://media.example/{bulk.mark}" for i in job_ids],
        "at": at,
        "ended": ended,
        "endpoint": endpoint_id(tenant, URL),
    }
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO webhook_endpoints (endpoint_id, tenant, url, secret) VALUES (%s, %s, %s, '')"
            " ON CONFLICT DO NOTHING",
            [values["endpoint"], tenant, URL],
        )
        for statement in (_JOBS, *_ROWS):
            connection.execute(statement.encode(), values)
    if store is not None:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda key: store.put(key, bulk.mark.encode(), content_type="text/plain"), bulk.keys()))
    return bulk


def tables(dsn: str) -> list[str]:
    """Every table."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return sorted(str(row[0]) for row in rows)


def traces(dsn: str, bulk: Bulk) -> dict[str, int]:
    """How many rows of each table still hold the mark or the id of one of the jobs, without those that do so by intention."""
    found = {}
    with psycopg.connect(dsn) as connection:
        for table in tables(dsn):
            if table in NAMING:
                continue
            row = connection.execute(
                f"SELECT count(*) FROM {table} t WHERE t::text LIKE %(like)s"
                f" OR EXISTS (SELECT FROM regexp_matches(t::text, %(id)s, 'g') AS m (ids) WHERE ids[1] = ANY(%(ids)s))".encode(),
                {
                    "like": f"%{bulk.mark}%",
                    "id": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                    "ids": [str(job_id) for job_id in bulk.job_ids],
                },
            ).fetchone()
            if row and row[0]:
                found[table] = int(row[0])
    return found


def objects(store: S3ObjectStore, bulk: Bulk) -> list[str]:
    """The keys of objects of the jobs that are still there."""
    expected = set(bulk.keys())
    return sorted(expected.intersection(store.keys(f"{bulk.tenant}/")))


def digest(dsn: str, bulk: Bulk) -> dict[str, str]:
    """A digest by table of the rows that hold the mark."""
    digests = {}
    with psycopg.connect(dsn) as connection:
        for table in tables(dsn):
            row = connection.execute(
                f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t WHERE t::text LIKE %s".encode(),
                [f"%{bulk.mark}%"],
            ).fetchone()
            if row and row[0]:
                digests[table] = str(row[0])
    return digests
