-- What a key may do, and until when. Keys of before go on doing all that is the tenant's but making keys.

ALTER TABLE api_keys ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,write}';
ALTER TABLE api_keys ADD COLUMN expires_at timestamptz;
