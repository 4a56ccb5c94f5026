"""Every metric of the service: name, labels, help, and the processes that count it. Edges count; the pure core never does.

The first five names are those of the first edition and stay.
"""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

disable_created_metrics()  # type: ignore[no-untyped-call] # a series for each one that nobody asks for
P = "scribe_rabbit_"

JOBS_SUBMITTED = Counter(P + "jobs_submitted", "Jobs accepted, by door (rest).", ["door"])
JOBS_COMPLETED = Counter(P + "jobs_completed", "Jobs that ended with a transcript.")
JOBS_FAILED = Counter(P + "jobs_failed", "Jobs that failed, by error kind.", ["kind"])
JOB_DURATION = Histogram(
    P + "job_duration_seconds",
    "Time from request to result.",
    buckets=(1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400),
)
QUEUE_DEPTH = Gauge(P + "queue_depth", "Jobs that wait for their turn, as the database knows them.")

STAGE_DURATION = Histogram(
    P + "stage_duration_seconds",
    "Time spent in a stage of a job.",
    ["stage"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
)
AUDIO_SECONDS = Counter(P + "audio_seconds", "Seconds of audio worked through, by stage.", ["stage"])
INFLIGHT = Gauge(P + "inflight_jobs", "Jobs in work in this process.", ["group"])
FAILURE_BREAKER_OPEN = Gauge(
    P + "failure_breaker_open",
    "1 while jobs wait because most of the latest ones failed by no fault of theirs.",
    ["group"],
)
JOBS_WAITING = Gauge(
    P + "jobs_waiting",
    "Jobs, webhooks and enhancements that a gate holds, by group and reason (deploy/README.md has the reasons).",
    ["group", "reason"],
)
GATES_CLOSED = Gauge(
    P + "gates_closed",
    "Gates that let nothing through: partitions of a group that rest for a reason, or 1 for the whole group.",
    ["group", "reason"],
)
RECORDS_PROCESSED = Counter(
    P + "records_processed", "Records that a consumer group is done with, by outcome.", ["group", "outcome"]
)
TRANSACTIONS = Counter(P + "transactions", "Kafka transactions, by group and outcome.", ["group", "outcome"])
UNREADABLE = Counter(
    P + "unreadable_records",
    "Records and whole batches of strangers that a Faust app could not read, by topic.",
    ["topic"],
)
PERSIST_BATCH_SIZE = Histogram(
    P + "persist_batch_size",
    "Events, or marks of records, that a Faust app wrote to PostgreSQL in one batch, by kind.",
    ["kind"],
    buckets=(1, 2, 4, 8, 16, 32, 128, 512),
)
PERSIST_BATCH_DURATION = Histogram(
    P + "persist_batch_duration_seconds",
    "Time a Faust app took to write a batch of events, or of marks of records, to PostgreSQL, by kind.",
    ["kind"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 45),
)
CONSUMER_LAG = Gauge(P + "consumer_lag", "Records of its partitions that a Faust app has not committed yet.", ["group"])
CONSUMER_PARTITIONS = Gauge(P + "consumer_partitions", "Partitions that a Faust app has.", ["group"])
CONSUMER_UNCOMMITTED = Gauge(
    P + "consumer_uncommitted_seconds", "How long a Faust app has committed nothing although work is done.", ["group"]
)
REBALANCES = Counter(P + "consumer_rebalances", "Times that a Faust app got its partitions.", ["group"])
OUTBOX_PUBLISHED = Counter(P + "outbox_published", "Outbox rows published by the relay, by topic.", ["topic"])
OUTBOX_FAILED = Counter(P + "outbox_failed", "Outbox rows that Kafka will never take, by topic.", ["topic"])
OUTBOX_PENDING = Gauge(P + "outbox_pending", "Outbox rows that wait for the relay.")
WEBHOOK_ATTEMPTS = Counter(P + "webhook_attempts", "Webhook calls, by how they ended.", ["outcome"])
DELIVERIES_AWAITING_RESULT = Gauge(
    P + "webhook_deliveries_awaiting_result",
    "Webhooks that have waited over 5 minutes for their result to be applied.",
)
WEBHOOKS_PENDING = Gauge(P + "webhooks_pending", "Webhooks that have not ended, counted up to 10,000.")
WEBHOOKS_ENDED = Counter(
    P + "webhooks_ended", "Webhooks that ended, by state (delivered, exhausted, disabled).", ["state"]
)
WEBHOOKS_OLDEST_DUE = Gauge(P + "webhooks_oldest_due_seconds", "How long the longest waiting webhook has been due.")
WEBHOOK_ENDPOINTS_CURRENTLY_DISABLED = Gauge(
    P + "webhook_endpoints_currently_disabled", "Webhook endpoints that are disabled."
)
WEBHOOK_ENDPOINTS_DISABLED = Counter(
    P + "webhook_endpoints_disabled",
    "Webhook endpoints that were disabled for their answers, by reason (gone, failing).",
    ["reason"],
)
RETENTION_ROWS = Counter(
    P + "retention_rows", "Rows deleted or emptied because their time was over, by class of data.", ["data_class"]
)
RETENTION_OBJECTS = Counter(P + "retention_objects", "Objects deleted, by class of data.", ["data_class"])
RETENTION_LAST_SUCCESS = Gauge(
    P + "retention_last_success_timestamp_seconds",
    "When the last sweep began that left nothing behind whose time was over; 0 before the first one.",
)
JOBS_STALLED = Gauge(
    P + "jobs_stalled",
    "Jobs whose state has not moved for longer than the settings SCRIBE_STALLED_… say, by state, counted up to 10,000.",
    ["state"],
)
ERASURES_PENDING = Gauge(P + "erasures_pending", "Erasures that were asked for and are not done.")
HTTP_REQUESTS = Counter(P + "http_requests", "REST requests, by route and status.", ["method", "route", "status"])
HTTP_CONNECTIONS_CUT = Counter(
    P + "http_connections_cut",
    "REST connections that were closed or refused, by reason (head, body, unread, room, full).",
    ["reason"],
)
HTTP_SECONDS = Histogram(P + "http_request_seconds", "Time to answer REST requests.", ["method", "route"])
ENHANCED_AI_CALLS = Counter(
    P + "enhanced_ai_calls", "Calls of the enhanced-AI service, by how they ended.", ["outcome"]
)
ENHANCED_AI_SECONDS = Histogram(
    P + "enhanced_ai_call_seconds",
    "Time a call of the enhanced-AI service took.",
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 120, 300),
)
ENHANCED_AI_OPEN = Gauge(
    P + "enhanced_ai_breaker_open", "1 while calls are held back because the enhanced-AI service is away."
)
ENHANCEMENTS = Counter(P + "enhancements", "Attempts at enhancements, by how they ended.", ["outcome"])
ENHANCEMENTS_WAITING = Gauge(P + "enhancements_waiting", "Enhancements that have not ended, counted up to 10,000.")
ENHANCED_AI_TOKENS = Counter(P + "enhanced_ai_tokens", "Tokens that the enhanced-AI service charged.")
DB_READS = Counter(
    P + "db_reads",
    "Transcripts read and searched, by the role of the server that answered (replica, primary).",
    ["role"],
)

# What the database knows of all jobs, asked by the shim at a scrape: equal in every process that tells it, never summed.
JOBS_ACCEPTED = Gauge(
    P + "jobs_accepted", "Jobs in the database, whatever their state: the sum of jobs over all states."
)
JOBS = Gauge(
    P + "jobs",
    "Jobs in the database, by state (waiting, running, completed, failed, expired, cancelled), in one count with jobs_accepted.",
    ["state"],
)
JOBS_OLDEST = Gauge(
    P + "jobs_oldest_seconds", "Time since the oldest waiting and the oldest running job were requested.", ["state"]
)
AUDIO_PENDING = Gauge(
    P + "audio_pending_seconds",
    "Seconds of audio of waiting and running jobs that are not worked through; estimated by size where only that is known.",
    ["state"],
)
QUOTAS_FULL = Gauge(P + "quotas_full", "Tenants that have reached a quota of their policy, by quota.", ["quota"])
COUNT_SECONDS = Gauge(
    P + "jobs_count_duration_seconds", "Time the last count of all jobs took; one that takes long is made less often."
)

# Rate, errors and duration; use, saturation and errors: what each process needs beside its own numbers above.
PROCESS_INFO = Gauge(P + "process_info", "1 for the process and its version.", ["process", "version"])
PROCESS_CLOCK = Gauge(P + "process_clock_seconds", "The clock of the process (Unix time), by which skew is found.")
LOG_LINES = Counter(P + "log_lines", "Lines of the log, by level.", ["level"])
LEADER = Gauge(
    P + "leader",
    "1 in the one process that does the work of a role (relay, retention), 0 in those that wait.",
    ["role"],
)
DATABASE_CONNECTIONS = Gauge(
    P + "database_connections",
    "Connections of the process to PostgreSQL, by role of the server (primary, replica) and state (used, idle, most).",
    ["role", "state"],
)
DATABASE_WAITING = Gauge(P + "database_requests_waiting", "Tasks that wait for a connection to PostgreSQL.", ["role"])
REPLICA_PASSED_OVER = Counter(
    P + "replica_passed_over", "Reads that the replica could not answer, by reason (behind, away).", ["reason"]
)
HTTP_IN_PROGRESS = Gauge(P + "http_requests_in_progress", "REST requests that are being answered.")
HTTP_PROBLEMS = Counter(
    P + "http_problems", "Errors that REST answered, by code; schemas/README.md has them all.", ["code"]
)
WORKERS = Gauge(P + "workers", "Workers of a group in this process, by state (busy, all).", ["group", "state"])
REAL_TIME_FACTOR = Histogram(
    P + "real_time_factor",
    "Seconds of work for a second of audio, by stage.",
    ["stage"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
BATCH_FILL = Histogram(
    P + "batch_fill_ratio",
    "Windows in a batch of the model, of as many as fit into one.",
    buckets=(0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1),
)
GPU_MEMORY = Gauge(P + "gpu_memory_bytes", "Memory of the GPU, by state (used, all).", ["device", "state"])
GPU_USE = Gauge(
    P + "gpu_use_ratio", "Part of the last moments in which the GPU computed; not of a slice of one (MIG).", ["device"]
)
RECORD_SECONDS = Histogram(
    P + "record_duration_seconds",
    "Time from the receipt of a record to its end.",
    ["group"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300),
)
OUTBOX_OLDEST = Gauge(P + "outbox_oldest_seconds", "Age of the oldest outbox row that waits for the relay.")
WEBHOOK_SECONDS = Histogram(
    P + "webhook_attempt_duration_seconds",
    "Time a webhook call took.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40),
)
CALLS = Gauge(P + "calls", "Calls of the dispatcher, by kind and state (running, most).", ["kind", "state"])
ERASURES_OLDEST = Gauge(P + "erasures_oldest_seconds", "Time since the oldest erasure that is not done was asked for.")
SPANS_DROPPED = Counter(P + "spans_dropped", "Spans of traces that the collector did not take.")

_EVERYWHERE = (PROCESS_INFO, PROCESS_CLOCK, LOG_LINES, SPANS_DROPPED)
_DATABASE = (DATABASE_CONNECTIONS, DATABASE_WAITING)
_WAITS = (JOBS_WAITING, GATES_CLOSED)
_FAUST = (
    *(RECORDS_PROCESSED, UNREADABLE, PERSIST_BATCH_SIZE, PERSIST_BATCH_DURATION),
    *(CONSUMER_LAG, CONSUMER_PARTITIONS, CONSUMER_UNCOMMITTED, REBALANCES),
    *(RECORD_SECONDS, *_WAITS, *_DATABASE, *_EVERYWHERE),
)
COUNTED_BY: Mapping[str, tuple[MetricWrapperBase, ...]] = {
    "scribe-api": (
        *(JOBS_SUBMITTED, QUEUE_DEPTH, HTTP_REQUESTS, HTTP_SECONDS, HTTP_CONNECTIONS_CUT, DB_READS, WEBHOOKS_ENDED),
        *(JOBS_ACCEPTED, JOBS, JOBS_OLDEST, AUDIO_PENDING, QUOTAS_FULL, COUNT_SECONDS, OUTBOX_OLDEST),
        *(HTTP_IN_PROGRESS, HTTP_PROBLEMS, REPLICA_PASSED_OVER, *_WAITS, *_DATABASE, *_EVERYWHERE),
    ),
    "scribe-relay": (
        *(OUTBOX_PUBLISHED, OUTBOX_FAILED, OUTBOX_PENDING, OUTBOX_OLDEST, LEADER),
        *(*_WAITS, *_DATABASE, *_EVERYWHERE),
    ),
    "scribe-gpu": (
        *(STAGE_DURATION, AUDIO_SECONDS, INFLIGHT, FAILURE_BREAKER_OPEN, RECORDS_PROCESSED, TRANSACTIONS),
        *(WORKERS, REAL_TIME_FACTOR, BATCH_FILL, GPU_MEMORY, GPU_USE, *_WAITS, *_EVERYWHERE),
    ),
    "persist": (JOBS_COMPLETED, JOBS_FAILED, JOB_DURATION, *_FAUST),
    "enhance": _FAUST,
    "webhooks": (WEBHOOKS_ENDED, *_FAUST),
    "dispatch": (
        *(WEBHOOK_ATTEMPTS, DELIVERIES_AWAITING_RESULT, WEBHOOKS_PENDING, WEBHOOKS_ENDED, WEBHOOKS_OLDEST_DUE),
        *(
            WEBHOOK_ENDPOINTS_CURRENTLY_DISABLED,
            WEBHOOK_ENDPOINTS_DISABLED,
            ENHANCED_AI_CALLS,
            ENHANCED_AI_SECONDS,
            ENHANCED_AI_OPEN,
        ),
        *(ENHANCEMENTS, ENHANCEMENTS_WAITING, ENHANCED_AI_TOKENS),
        *(WEBHOOK_SECONDS, CALLS, *_WAITS, *_DATABASE, *_EVERYWHERE),
    ),
    "retention": (
        *(RETENTION_ROWS, RETENTION_OBJECTS, RETENTION_LAST_SUCCESS, ERASURES_PENDING, ERASURES_OLDEST, JOBS_STALLED),
        *(LEADER, *_DATABASE, *_EVERYWHERE),
    ),
}
"""What each process counts; those of `scribe-streams` by their subcommands. Every other metric stays 0 there."""
