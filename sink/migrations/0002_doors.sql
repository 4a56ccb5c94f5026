-- What the doors need: recognising a request that is sent again, and cleaning the outbox.

-- a digest of all that was asked for; `request` is kept without the query of its address, where two requests may differ
ALTER TABLE jobs ADD COLUMN fingerprint bytea;

CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;
