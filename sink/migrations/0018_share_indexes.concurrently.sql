-- Lists, counts and leases whose cost grows neither with what one tenant has waiting nor with what has ended.

-- pages of a tenant's endpoints
CREATE INDEX CONCURRENTLY webhook_endpoints_by_tenant ON webhook_endpoints (tenant, created_at, endpoint_id);
CREATE INDEX CONCURRENTLY webhook_endpoints_disabled ON webhook_endpoints (endpoint_id) WHERE state = 'disabled';
-- one probe a tenant
CREATE INDEX CONCURRENTLY enhancement_calls_queued ON enhancement_calls (tenant, next_attempt_at) WHERE state = 'pending';
DROP INDEX CONCURRENTLY IF EXISTS enhancement_calls_pending;
