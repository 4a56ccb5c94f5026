-- How many requests a key may make a minute, and how much of that it has used, which all processes of the shim share.

ALTER TABLE api_keys ADD COLUMN requests_per_minute integer CHECK (requests_per_minute > 0);  -- null: the setting decides

-- Lost with a crash, which gives every key its whole minute again.
CREATE UNLOGGED TABLE rate_limits (
    key_id    text PRIMARY KEY REFERENCES api_keys ON DELETE CASCADE,
    whole_at  timestamptz NOT NULL      -- when all that was taken has come back
);

DO $$
BEGIN
    PERFORM scribe_secure('rate_limits', '', 'api_keys', 'key_id');
END $$;

-- Takes up to `wanted` requests from a key's bucket, which holds those of a minute; then says when it will be whole again.
CREATE FUNCTION scribe_take_requests(
    of_key text, wanted integer, per_minute integer, OUT granted integer, OUT seconds_until_whole double precision
) LANGUAGE plpgsql AS $$
DECLARE
    a_minute CONSTANT double precision := 60;
    used double precision;  -- in seconds of refilling
BEGIN
    INSERT INTO rate_limits VALUES (of_key, now()) ON CONFLICT DO NOTHING;
    SELECT GREATEST(0, EXTRACT(epoch FROM whole_at - clock_timestamp())) INTO used
        FROM rate_limits WHERE key_id = of_key FOR UPDATE;
    -- what is missing to a whole request by rounding alone is given
    granted := LEAST(wanted, GREATEST(0, floor((a_minute - used) * per_minute / a_minute + 1e-6)));
    seconds_until_whole := used + granted * a_minute / per_minute;
    UPDATE rate_limits SET whole_at = clock_timestamp() + make_interval(secs => seconds_until_whole) WHERE key_id = of_key;
END $$;
