-- What is over: how far a job is forgotten, tombstones that name what may still come, holds, evidence of erasures.

-- the last run of which that part is gone
ALTER TABLE jobs
    ADD COLUMN audio_gone     integer NOT NULL DEFAULT 0,
    ADD COLUMN artifacts_gone integer NOT NULL DEFAULT 0,
    ADD COLUMN history_gone   integer NOT NULL DEFAULT 0;
ALTER TABLE webhook_deliveries ADD COLUMN cleared_at timestamptz;   -- of its payload and its attempts
ALTER TABLE enhancement_calls ADD COLUMN cleared_at timestamptz;    -- of what came of it; the call is not made again

-- The upload that a request names, as 32 hex digits or whatever stands in their place: as Python's UUID() reads it.
CREATE FUNCTION scribe_upload(request jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN request -> 'source' ->> 'uri' LIKE 'upload://%' THEN
        replace(btrim(replace(replace(lower(substr(request -> 'source' ->> 'uri', 10)), 'urn:', ''), 'uuid:', ''), '{}'), '-', '')
    END
$$;

CREATE INDEX jobs_ended ON jobs (tenant, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX jobs_open ON jobs (tenant) WHERE completed_at IS NULL;
CREATE INDEX jobs_with_audio ON jobs (tenant, completed_at) WHERE audio_gone < run AND completed_at IS NOT NULL;
CREATE INDEX jobs_with_artifacts ON jobs (tenant, completed_at) WHERE artifacts_gone < run AND completed_at IS NOT NULL;
CREATE INDEX jobs_with_history ON jobs (tenant, completed_at) WHERE history_gone < run AND completed_at IS NOT NULL;
CREATE INDEX jobs_with_fingerprint ON jobs (tenant, completed_at) WHERE fingerprint IS NOT NULL AND completed_at IS NOT NULL;
CREATE INDEX jobs_by_upload ON jobs (tenant, scribe_upload(request)) WHERE scribe_upload(request) IS NOT NULL;
CREATE INDEX jobs_by_recording ON jobs (tenant, recording_id) WHERE recording_id IS NOT NULL;
CREATE INDEX outbox_by_key ON outbox (key);
CREATE INDEX outbox_failed ON outbox (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX applied_events_by_job ON applied_events (job_id);
CREATE INDEX applied_events_by_time ON applied_events (applied_at);
CREATE INDEX webhook_deliveries_uncleared ON webhook_deliveries (endpoint_id, ended_at)
    WHERE ended_at IS NOT NULL AND cleared_at IS NULL;
CREATE INDEX webhook_deliveries_cleared ON webhook_deliveries (endpoint_id, ended_at)
    WHERE ended_at IS NOT NULL AND cleared_at IS NOT NULL;
CREATE INDEX enhancements_by_time ON enhancements (tenant, completed_at);
CREATE INDEX enhancement_calls_by_time ON enhancement_calls (tenant, COALESCE(ended_at, created_at));

-- A tombstone names the objects of its job until all that could still write some has ended.
ALTER TABLE erased_jobs
    ADD COLUMN tenant       text,           -- NULL: an older version's
    ADD COLUMN upload       text,           -- scribe_upload of its request
    ADD COLUMN asked        boolean NOT NULL DEFAULT false,     -- somebody asked for it: else its time was over
    ADD COLUMN until        timestamptz NOT NULL DEFAULT now() + interval '45 days',
    ADD COLUMN next_look_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX erased_jobs_due ON erased_jobs (next_look_at);

CREATE TABLE legal_holds (                  -- nothing held is deleted, whatever its time
    tenant  text NOT NULL,
    job_id  uuid,                           -- NULL: all that the tenant has
    reason  text NOT NULL,
    set_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (tenant, job_id)
);

CREATE TABLE erasures (                     -- evidence: it outlives what it tells of
    job_id               uuid PRIMARY KEY,
    tenant               text NOT NULL,
    asked_by             text NOT NULL,     -- the id of the key, or the operator's name
    asked_at             timestamptz NOT NULL,
    done_at              timestamptz,       -- when rows and objects were gone for the first time
    rows                 jsonb NOT NULL DEFAULT '{}',   -- how many were deleted, by table
    objects              bigint NOT NULL DEFAULT 0,
    last_copy_expires_at timestamptz NOT NULL           -- the last record that names it is gone from every topic
);
CREATE INDEX erasures_pending ON erasures (asked_at) WHERE done_at IS NULL;

DO $$
BEGIN
    PERFORM scribe_secure('legal_holds', 'SELECT');
    PERFORM scribe_secure('erasures', 'SELECT');
END $$;
