-- Jobs that are handed in at the same time, in one transaction: each as scribe_accept_job() would accept it alone.
--
-- All locks of jobs are taken first, in the order of sink/postgres/job_lock.py, so that no two transactions wait for each other.
-- None of them counts the jobs of its tenant, since the lock of that count comes after the one of a job, never before. Where a
-- lock is not free soon, nothing is done: its job must keep no other one waiting, so each is handed in alone then.
CREATE FUNCTION scribe_accept_jobs(
    new_ids uuid[], new_tenants text[], new_recordings text[], new_runs integer[], new_requests jsonb[],
    new_fingerprints bytea[], new_requested timestamptz[],
    record_topics text[], record_keys bytea[], record_values bytea[], record_headers jsonb[], policies_at timestamptz[],
    OUT acceptance text, OUT job jobs
) RETURNS SETOF record LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
    answer record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(new_id::text, 0))
    FROM (
        SELECT asked.id AS new_id FROM unnest(new_ids) AS asked (id)
        GROUP BY asked.id ORDER BY hashtextextended(asked.id::text, 0)
    ) AS jobs_in_order;
    FOR place IN 1 .. cardinality(new_ids) LOOP
        answer := scribe_accept_job(
            new_ids[place], new_tenants[place], new_recordings[place], new_runs[place], new_requests[place],
            new_fingerprints[place], new_requested[place],
            record_topics[place], record_keys[place], record_values[place], record_headers[place], NULL, policies_at[place]
        );
        acceptance := answer.acceptance;
        job := answer.job;
        RETURN NEXT;
    END LOOP;
END $$;
