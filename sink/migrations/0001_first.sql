-- Jobs and all that hangs on them. Every row names its tenant, directly or through its job.

CREATE TABLE api_keys (
    key_id      text PRIMARY KEY,
    tenant      text NOT NULL,
    digest      bytea NOT NULL,             -- SHA-256 of the secret part; keys are random, so no slow hash is needed
    label       text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);

CREATE TABLE jobs (
    job_id          uuid PRIMARY KEY,
    tenant          text NOT NULL,
    recording_id    text,
    run             integer NOT NULL DEFAULT 1,
    state           text NOT NULL CHECK (state IN ('queued', 'transcribing', 'diarizing', 'completed', 'failed', 'cancelled')),
    request         jsonb NOT NULL,         -- JobRequested as JSON, its source without query
    attempt         integer NOT NULL DEFAULT 0,
    sequence        integer NOT NULL DEFAULT 0,
    done_seconds    double precision,
    total_seconds   double precision,
    language        text,
    duration        double precision,
    speakers        text[] NOT NULL DEFAULT '{}',
    models          jsonb NOT NULL DEFAULT '[]',
    timings         jsonb NOT NULL DEFAULT '{}',
    warnings        text[] NOT NULL DEFAULT '{}',
    error           jsonb,                  -- JobError as JSON
    transcript_uri  text,                   -- the transcript as JSON in the object store
    result_event_id uuid,
    requested_at    timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    completed_at    timestamptz
);
CREATE INDEX jobs_by_tenant ON jobs (tenant, requested_at DESC, job_id);
CREATE INDEX jobs_unfinished ON jobs (state) WHERE state IN ('queued', 'transcribing', 'diarizing');

CREATE TABLE segments (
    job_id      uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    position    integer NOT NULL,
    start_s     double precision NOT NULL,
    end_s       double precision NOT NULL,
    speaker     text,
    channel     integer,
    text        text NOT NULL,
    words       jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (job_id, position)
);

CREATE TABLE job_events (                   -- the history a client can read
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id      uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    run         integer NOT NULL,
    state       text NOT NULL,
    detail      jsonb NOT NULL DEFAULT '{}',
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX job_events_by_job ON job_events (job_id, id);

CREATE TABLE applied_events (               -- written in the transaction that applied them
    event_id    uuid PRIMARY KEY,
    job_id      uuid NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE erased_jobs (                  -- tombstones keep events from bringing a job back
    job_id      uuid PRIMARY KEY,
    erased_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic        text NOT NULL,
    key          bytea NOT NULL,
    value        bytea NOT NULL,
    headers      jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_pending ON outbox (id) WHERE published_at IS NULL;

CREATE TABLE webhook_endpoints (
    endpoint_id uuid PRIMARY KEY,
    tenant      text NOT NULL,
    url         text NOT NULL,
    secret      bytea NOT NULL,             -- encrypted
    state       text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled')),
    reason      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant, url)
);

CREATE TABLE webhook_deliveries (
    delivery_id     uuid PRIMARY KEY,       -- uuid5(event_id, endpoint_id); the webhook-id is made of it
    event_id        uuid NOT NULL,
    endpoint_id     uuid NOT NULL REFERENCES webhook_endpoints,
    job_id          uuid NOT NULL,
    type            text NOT NULL,
    payload         jsonb NOT NULL,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'exhausted', 'disabled')),
    attempt         integer NOT NULL DEFAULT 0,     -- attempts begun
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_until     timestamptz,
    lease_token     uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    UNIQUE (event_id, endpoint_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE state = 'pending';

CREATE TABLE webhook_attempts (             -- the ledger: intent before the request, outcome after
    delivery_id uuid NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    attempt     integer NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    status      integer,
    outcome     text,
    error       text,
    latency_ms  integer,
    answer      text,                       -- its first characters
    PRIMARY KEY (delivery_id, attempt)
);
