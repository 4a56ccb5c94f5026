-- How much of the speech has no words, and which language a stretch of speech is in.

ALTER TABLE jobs
    ADD COLUMN speech double precision,     -- seconds in which somebody speaks; NULL: not measured
    ADD COLUMN uncovered double precision;  -- seconds of them without words
ALTER TABLE segments ADD COLUMN language text;  -- NULL: nobody looked
