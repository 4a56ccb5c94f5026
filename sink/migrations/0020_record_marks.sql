-- Which process has which partition of a Faust app, and which records may be why such a process ended. Nothing is written
-- for a record while no process dies.

CREATE TABLE partition_owners (
    group_id    text NOT NULL,
    topic       text NOT NULL,
    partition   integer NOT NULL,
    owner       text NOT NULL,              -- of the process that has it or died having it; '' once it was given back
    base        bigint NOT NULL,            -- from this offset on records are suspected of the deaths
    deaths      integer NOT NULL,           -- of owners, one after the other, none of which came beyond what was suspected
    since       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_id, topic, partition)
);

CREATE TABLE record_marks (
    group_id    text NOT NULL,
    topic       text NOT NULL,
    partition   integer NOT NULL,
    record_offset bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('suspect', 'alone', 'settled')),
    owner       text NOT NULL DEFAULT '',   -- of the process that runs it alone
    deaths      integer NOT NULL DEFAULT 0, -- of processes that ran it alone
    digest      bytea NOT NULL,             -- of the record: a topic that was made anew has other ones at its offsets
    unproven    boolean NOT NULL DEFAULT false,  -- set aside for deaths before another record had ended well
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_id, topic, partition, record_offset)
);

-- Records that an operator lets a group pass over: the order, and the audit of who gave it.
CREATE TABLE skipped_records (
    group_id    text NOT NULL,
    topic       text NOT NULL,
    partition   integer NOT NULL,
    record_offset bigint NOT NULL,
    by          text NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    done_at     timestamptz,                -- when its dead letter was written
    PRIMARY KEY (group_id, topic, partition, record_offset)
);
CREATE INDEX skipped_records_open ON skipped_records (group_id) WHERE done_at IS NULL;
