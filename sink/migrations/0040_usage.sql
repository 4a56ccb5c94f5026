-- What was done for a tenant in a day (UTC): written as jobs end, and kept when they are erased, since it names none.

CREATE TABLE usage_entries (                -- appended, so that no two commits wait for each other; merged by the sweep
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant         text NOT NULL,
    day            date NOT NULL,
    completed      bigint NOT NULL,
    failed         bigint NOT NULL,
    cancelled      bigint NOT NULL,
    audio_seconds  double precision NOT NULL,
    gpu_seconds    double precision NOT NULL,
    bytes          numeric NOT NULL
);
CREATE INDEX usage_entries_by_tenant ON usage_entries (tenant, day);

CREATE TABLE usage_by_day (
    tenant         text NOT NULL,
    day            date NOT NULL,
    completed      bigint NOT NULL,
    failed         bigint NOT NULL,
    cancelled      bigint NOT NULL,
    audio_seconds  double precision NOT NULL,
    gpu_seconds    double precision NOT NULL,
    bytes          numeric NOT NULL,
    PRIMARY KEY (tenant, day)
);
CREATE INDEX usage_by_day_by_day ON usage_by_day (day);

DO $$
BEGIN
    PERFORM scribe_secure('usage_entries', 'SELECT');
    PERFORM scribe_secure('usage_by_day', 'SELECT');
END $$;
GRANT SELECT ON enhanced_ai_spending TO scribe_tenant;  -- own rows, by the policy that the table has
