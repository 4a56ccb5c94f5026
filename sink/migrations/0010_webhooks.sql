-- Webhooks as their owners manage them: secrets that change, order numbers, limits, redelivery; a lease that stays fast.

ALTER TABLE webhook_endpoints
    ADD COLUMN description    text NOT NULL DEFAULT '',
    ADD COLUMN max_per_second double precision CHECK (max_per_second > 0),  -- NULL: the dispatcher's default
    ADD COLUMN tokens         double precision,     -- of its bucket, at tokens_at; NULL: full
    ADD COLUMN tokens_at      timestamptz,
    ADD COLUMN blocked_until  timestamptz,          -- the receiver asked for a pause
    ADD COLUMN failing_since  timestamptz,          -- the first failure after the last success
    ADD COLUMN disabled_at    timestamptz;

CREATE TABLE webhook_old_secrets (          -- sign beside the endpoint's secret until they are over
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id uuid NOT NULL REFERENCES webhook_endpoints ON DELETE CASCADE,
    tenant      text NOT NULL,
    secret      bytea NOT NULL,             -- encrypted
    until       timestamptz NOT NULL
);
CREATE INDEX webhook_old_secrets_by_endpoint ON webhook_old_secrets (endpoint_id);

CREATE TABLE webhook_sequences (            -- apart from the endpoints, so that scheduling and sending never wait for each other
    endpoint_id uuid PRIMARY KEY REFERENCES webhook_endpoints ON DELETE CASCADE,
    tenant      text NOT NULL,
    last        bigint NOT NULL             -- order number of the delivery that was scheduled last
);

-- A delivery is born without a time, also from the hands of older processes, and gets one when its event is applied.
ALTER TABLE webhook_deliveries
    ADD COLUMN sequence        bigint,      -- order number within its endpoint; older versions give none
    ADD COLUMN attempts_before integer NOT NULL DEFAULT 0,  -- those made before it was last scheduled
    ADD COLUMN error           jsonb,       -- JobError of a result that was applied as a failure
    ALTER COLUMN job_id DROP NOT NULL,      -- a test tells of no job
    ALTER COLUMN next_attempt_at DROP NOT NULL,
    ALTER COLUMN next_attempt_at DROP DEFAULT;
UPDATE webhook_deliveries d SET error = a.error
    FROM applied_events a WHERE a.event_id = d.event_id AND a.error IS NOT NULL AND COALESCE(a.asked = d.asked, true);
UPDATE webhook_deliveries d SET next_attempt_at = NULL WHERE attempt = 0 AND NOT EXISTS (
    SELECT FROM applied_events a WHERE a.event_id = d.event_id AND COALESCE(a.asked = d.asked, true)
);

DO $$
BEGIN
    PERFORM scribe_secure('webhook_old_secrets', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM scribe_secure('webhook_sequences', 'SELECT, INSERT, UPDATE');
END $$;
-- tenants manage their endpoints and send deliveries again
GRANT INSERT, UPDATE, DELETE ON webhook_endpoints TO scribe_tenant;
GRANT INSERT, UPDATE, DELETE ON webhook_deliveries TO scribe_tenant;
