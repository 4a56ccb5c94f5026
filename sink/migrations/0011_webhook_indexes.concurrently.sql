-- What leasing, the ledger and redelivery look for.

CREATE INDEX CONCURRENTLY webhook_deliveries_queued ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX CONCURRENTLY webhook_deliveries_gated ON webhook_deliveries (event_id) WHERE state = 'pending' AND next_attempt_at IS NULL;
CREATE INDEX CONCURRENTLY webhook_deliveries_leased ON webhook_deliveries (endpoint_id) WHERE lease_token IS NOT NULL;
CREATE INDEX CONCURRENTLY webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, created_at, delivery_id);
CREATE INDEX CONCURRENTLY webhook_deliveries_failed ON webhook_deliveries (endpoint_id, created_at, delivery_id)
    WHERE state IN ('exhausted', 'disabled');
CREATE INDEX CONCURRENTLY webhook_deliveries_by_job ON webhook_deliveries (job_id);
DROP INDEX CONCURRENTLY IF EXISTS webhook_deliveries_due;
