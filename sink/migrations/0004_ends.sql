-- What ends otherwise than it should: rows that Kafka will never take, results that could not be applied, mixed-up job ids.

ALTER TABLE outbox ADD COLUMN failed_at timestamptz, ADD COLUMN failed_reason text;
DROP INDEX outbox_pending;
CREATE INDEX outbox_pending ON outbox (id) WHERE published_at IS NULL AND failed_at IS NULL;

-- two requests under one job id share event ids too: a webhook goes out only for the request whose result was applied
ALTER TABLE applied_events ADD COLUMN asked bytea;
ALTER TABLE webhook_deliveries ADD COLUMN asked bytea;

-- the JobError of a result that was applied as a failure whatever its event says
ALTER TABLE applied_events ADD COLUMN error jsonb;
