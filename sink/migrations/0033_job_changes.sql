-- Which transaction wrote a line of a job's history: whoever follows jobs asks for what it has not seen of a snapshot, which
-- numbers could not tell, since a transaction may commit after one with higher numbers. Null in lines of before.

ALTER TABLE job_events ADD COLUMN xid xid8;
ALTER TABLE job_events ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
