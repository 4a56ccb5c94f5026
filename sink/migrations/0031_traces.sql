-- The trace (W3C traceparent) of what a webhook tells of, and of what asked for an enhancement.

ALTER TABLE webhook_deliveries ADD COLUMN trace text;
ALTER TABLE enhancement_calls ADD COLUMN trace text;
