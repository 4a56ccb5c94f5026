"""No table can be forgotten: each one that tells of jobs is emptied with its job, each other one says why it stays."""

import psycopg

from sink.retention.erasure import TABLES

STAYS = {
    "schema_migrations": "which migrations were applied",
    "api_keys": "until they are revoked, and then for the record: digests only",
    "sessions": "hours, as long as their keys: digests only; the next login deletes what has expired",
    "rate_limits": "as long as their keys: one time each",
    "tenant_policies": "as long as the tenant",
    "webhook_endpoints": "until somebody deletes them",
    "webhook_old_secrets": "until their overlap is over; the dispatcher deletes them",
    "webhook_sequences": "as long as their endpoints",
    "enhanced_ai_spending": "tokens by day, which were paid for: the bookkeeping's",
    "usage_entries": "jobs and seconds by day: the bookkeeping's; the sweep merges them",
    "usage_by_day": "the same, a row a day",
    "partition_owners": "which process has which partition: one row each",
    "record_marks": "places and digests of records, until their partition is committed beyond them",
    "skipped_records": "the audit of what operators passed over: places of records only",
    "erased_jobs": "the tombstones themselves; the sweep deletes them",
    "erasures": "the evidence itself, class `evidence`",
}
SAYING = (
    ": a table that names jobs belongs into _ROWS of sink/retention/erasure.py, and where its rows have a time of their own, into a"
    " class of schemas/tenants/retention.py and a step of streams/retention/sweep.py; tests/sink/bulk.py makes rows for it. One that has no"
    " data of jobs belongs into STAYS, with the reason."
)


def test_every_table_is_emptied_with_its_job_or_says_why_it_stays(database: str) -> None:
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    there = {str(row[0]) for row in rows}
    assert TABLES | set(STAYS) == there, f"{sorted((TABLES | set(STAYS)) ^ there)}{SAYING}"


def test_every_table_with_a_job_is_emptied_with_it(database: str) -> None:
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'job_id'"
        ).fetchall()
    there = {str(row[0]) for row in rows} - {"erased_jobs", "erasures"}
    assert there <= TABLES, f"{sorted(there - TABLES)}{SAYING}"
