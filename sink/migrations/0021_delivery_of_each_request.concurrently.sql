-- Two requests under one job id share its event ids: where both name one endpoint, each has a delivery of its own there.

CREATE UNIQUE INDEX CONCURRENTLY webhook_deliveries_by_event ON webhook_deliveries (event_id, endpoint_id, asked) NULLS NOT DISTINCT;
