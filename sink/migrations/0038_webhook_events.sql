-- Which events an endpoint is sent; null: all of them.

ALTER TABLE webhook_endpoints ADD COLUMN events text[] CHECK (cardinality(events) > 0);
