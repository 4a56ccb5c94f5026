-- Sessions of people who logged in to the page with a key: one works as long as its key does, at most until it expires.

CREATE TABLE sessions (
    digest      bytea PRIMARY KEY,          -- SHA-256 of the token in the cookie, which is random
    key_id      text NOT NULL REFERENCES api_keys ON DELETE CASCADE,
    tenant      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
CREATE INDEX sessions_by_key ON sessions (key_id, created_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

DO $$
BEGIN
    PERFORM scribe_secure('sessions', '');
END $$;
