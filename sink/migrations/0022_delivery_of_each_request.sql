-- One delivery an event and endpoint is what webhook_deliveries_by_event says now, for each request under the job id.

ALTER TABLE webhook_deliveries DROP CONSTRAINT webhook_deliveries_event_id_endpoint_id_key;
