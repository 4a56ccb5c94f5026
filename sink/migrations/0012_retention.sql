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

-- A tombstone names the objects of its job until all that could still write some has ended.
ALTER TABLE erased_jobs
    ADD COLUMN tenant       text,           -- NULL: an older version's
    ADD COLUMN upload       text,           -- scribe_upload of its request
    ADD COLUMN asked        boolean NOT NULL DEFAULT false,     -- somebody asked for it: else its time was over
    ADD COLUMN until        timestamptz NOT NULL DEFAULT now() + interval '45 days',
    ADD COLUMN next_look_at timestamptz NOT NULL DEFAULT now();

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
