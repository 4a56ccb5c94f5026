-- Uploads that come in pieces, or straight to the object store: what has come lies there, and here what is known of it, so
-- that any process of the shim goes on with one. A row is deleted some time after its end, used or not.

CREATE TABLE uploads (
    upload_id       uuid PRIMARY KEY,
    tenant          text NOT NULL,
    name            text,                   -- what the file is called
    metadata        text,                   -- the header Upload-Metadata as it came
    size_bytes      bigint NOT NULL CHECK (size_bytes > 0),
    is_presigned    boolean NOT NULL,       -- written by the client into the store, without us
    received_bytes  bigint NOT NULL DEFAULT 0 CHECK (received_bytes BETWEEN 0 AND size_bytes),
    parts_id        text,                   -- the store's multipart upload; null until the first part
    part_numbers    integer[] NOT NULL DEFAULT '{}',
    part_tags       text[] NOT NULL DEFAULT '{}',
    next_number     integer NOT NULL DEFAULT 1,
    tail_number     integer,                -- the object with what has come of the next part
    tail_bytes      integer NOT NULL DEFAULT 0,
    writer          integer NOT NULL DEFAULT 0,         -- the last one that began; only that one may change the row
    is_written      boolean NOT NULL DEFAULT false,     -- whether it has not ended, as far as is known
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    completed_at    timestamptz             -- when the object was found whole
);
CREATE INDEX uploads_by_tenant ON uploads (tenant, expires_at);
CREATE INDEX uploads_by_end ON uploads (expires_at);

DO $$ BEGIN PERFORM scribe_secure('uploads', 'SELECT, INSERT, UPDATE, DELETE'); END $$;
