"""Wait reasons: every gate that can hold a job, with a sentence for its owner and advice for operators.

Pure decisions return these reasons, the edges count them (`scribe_rabbit_jobs_waiting`, `scribe_rabbit_gates_closed`),
`/readyz?verbose` of each process and `scribe why JOB` show them, and deploy/README.md has this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class WaitReason(StrEnum):
    """The gate that holds a job, one of its webhooks or one of its enhancements."""

    OUTBOX_UNPUBLISHED = "outbox_unpublished"
    OUTBOX_REFUSED = "outbox_refused"
    NO_MEMBERS = "no_members"
    STARTING = "starting"
    ORDERS_UNKNOWN = "orders_unknown"
    DRAINING = "draining"
    REBALANCE = "rebalance"
    BACKLOG = "backlog"
    LOOKAHEAD_FULL = "lookahead_full"
    OFFSETS_FULL = "offsets_full"
    RETRY_DELAY = "retry_delay"
    TURN = "turn"
    LONG_RECORDINGS = "long_recordings"
    ISOLATION = "isolation"
    SUSPECT = "suspect"
    FAILURE_BREAKER = "failure_breaker"
    DUPLICATE = "duplicate"
    COMMIT_BARRIER = "commit_barrier"
    OUTAGE = "outage"
    MEMORY_BUDGET = "memory_budget"
    COMMIT_PENDING = "commit_pending"
    RESULT_NOT_APPLIED = "result_not_applied"
    CANCELLING = "cancelling"
    UNHEARD = "unheard"
    DEAD_LETTER = "dead_letter"
    NO_RECORD = "no_record"
    LEASE_HELD = "lease_held"
    WEBHOOK_UNSCHEDULED = "webhook_unscheduled"
    WEBHOOK_GATE = "webhook_gate"
    WEBHOOK_RETRY = "webhook_retry"
    WEBHOOK_DUE = "webhook_due"
    ENDPOINT_PAUSED = "endpoint_paused"
    ENDPOINT_DISABLED = "endpoint_disabled"
    ENHANCEMENT_UNSCHEDULED = "enhancement_unscheduled"
    ENHANCEMENT_GATE = "enhancement_gate"
    ENHANCEMENT_RETRY = "enhancement_retry"
    ENHANCEMENT_DUE = "enhancement_due"
    TOKENS_SPENT = "tokens_spent"
    ENHANCED_AI_AWAY = "enhanced_ai_away"


FAUST = ("persist", "enhance", "webhooks")


@dataclass(frozen=True, slots=True)
class WaitSpec:
    """A wait reason: the sentence for the job's owner, the runbook line for operators, and the processes concerned."""

    reason: WaitReason
    sentence: str
    runbook: str
    holders: tuple[str, ...]


_R = WaitReason
_GPU = ("scribe-gpu",)
_RELAY = ("scribe-relay",)
_DISPATCH = ("dispatch",)
# fmt: off
WAIT_REASONS: Mapping[WaitReason, WaitSpec] = {
    spec.reason: spec
    for spec in (
        WaitSpec(_R.OUTBOX_UNPUBLISHED, "It was accepted and is about to enter the queue.", "Is `scribe-relay` up, and does `scribe_rabbit_outbox_pending` fall? `/readyz?verbose` and the log of the relay say whether Kafka or PostgreSQL is away.", _RELAY),
        WaitSpec(_R.OUTBOX_REFUSED, "It was accepted, but could not enter the queue.", "Kafka will never take its record: the log of the relay and `failed_reason` of its outbox row say why. Mend that, then `scribe replay --job JOB --include-running`.", _RELAY),
        WaitSpec(_R.NO_MEMBERS, "No worker is there for it at the moment.", "No process of the named consumer group runs: start `scribe-gpu`, or `scribe-streams persist`, `enhance` or `webhooks`.", (*_GPU, *FAUST)),
        WaitSpec(_R.STARTING, "The workers are just starting.", "The process loads its models or has not joined its group: `/readyz` says which, its log names the model or address that is away.", (*_GPU, *FAUST, *_DISPATCH)),
        WaitSpec(_R.ORDERS_UNKNOWN, "The workers are just starting.", "`scribe.control` and `scribe.tenants` are not read to their ends yet: `scribe topics check`, and does Kafka answer?", _GPU),
        WaitSpec(_R.DRAINING, "Its worker is being ended, and another one takes it over.", "The process was told to end and begins nothing more; another one of its group goes on. Is there one?", _GPU),
        WaitSpec(_R.REBALANCE, "The work is just being shared out anew.", "A rebalance of the group takes seconds. One that lasts: do processes start and die all the time?", FAUST),
        WaitSpec(_R.BACKLOG, "Others came before it.", "The group is behind: `scribe_rabbit_consumer_lag`, and `scribe why JOB --direct` counts the records before it. Add processes, up to one a partition.", (*_GPU, *FAUST)),
        WaitSpec(_R.LOOKAHEAD_FULL, "Others came before it.", "The process has as many records in hand as it may and reads on when half of them are done: more workers or more processes make that sooner.", _GPU),
        WaitSpec(_R.OFFSETS_FULL, "An older job of the same queue must end first.", "So much is done behind one unfinished record that offsets could not tell of more: `/readyz?verbose` has the committed offset of the partition, where that record lies. `scribe dlq skip` passes it over.", _GPU),
        WaitSpec(_R.RETRY_DELAY, "Its last attempt failed, and the next one comes later.", "Nothing to do before the time that is named. The log has why the attempt failed; `scribe dlq list --job JOB` when it was the last one.", _GPU),
        WaitSpec(_R.TURN, "It waits for a free worker; tenants take turns.", "All workers are busy or with another tenant: more `SCRIBE_TRANSCRIBE_WORKERS` or more processes.", _GPU),
        WaitSpec(_R.LONG_RECORDINGS, "It is long, and long recordings leave a worker to short ones.", "As many long recordings run as may at once, all workers but one: more workers or more processes.", _GPU),
        WaitSpec(_R.ISOLATION, "Another job runs alone for a while.", "A record that may have ended a process before runs alone, for five minutes at most: `/readyz?verbose` shows where, `scribe why` of its job tells of its deaths.", _GPU),
        WaitSpec(_R.SUSPECT, "It may have ended a worker before, so it runs alone, as soon as others are done.", "A process died while it ran. It runs alone, and is quarantined after the second death: look at its recording, and at the end of the log of that process.", (*_GPU, *FAUST)),
        WaitSpec(_R.FAILURE_BREAKER, "Work is paused, for too much of it failed lately; it goes on by itself.", "Most of the latest jobs failed by no fault of theirs: the log of the GPU process has the errors (device, disk, model). See `scribe_rabbit_failure_breaker_open`.", _GPU),
        WaitSpec(_R.DUPLICATE, "The same job was sent twice, and the other copy is being worked on.", "Nothing to do: it is passed over when the other record of this job has ended.", _GPU),
        WaitSpec(_R.COMMIT_BARRIER, "It is about to begin.", "A process died before, so each start is committed first: when this lasts, Kafka takes no transactions. See `scribe_rabbit_transactions_total`.", _GPU),
        WaitSpec(_R.OUTAGE, "A part of the service is away; it goes on by itself.", "The log of the process names what is away (PostgreSQL, object store, Kafka, schema registry, the host of the recording). All goes on by itself when it is back.", (*_GPU, *FAUST, *_RELAY, *_DISPATCH)),
        WaitSpec(_R.MEMORY_BUDGET, "It is about to be stored.", "Large events wait for memory, for moments: when this lasts, something beside them hangs.", FAUST),
        WaitSpec(_R.COMMIT_PENDING, "Its result is about to be published.", "The work is done and waits for a Kafka transaction: when this lasts, the log says why commits are repeated.", _GPU),
        WaitSpec(_R.RESULT_NOT_APPLIED, "Its result is there and is about to be shown.", "`scribe-streams persist` has not applied it: does it run, is it behind (`scribe_rabbit_consumer_lag`), does it wait for PostgreSQL or the object store (`/readyz?verbose`)?", ("persist",)),
        WaitSpec(_R.CANCELLING, "It was asked to stop, and will at its next look.", "The order waits in the outbox or in `scribe.control`, or no GPU process runs to hear it.", (*_RELAY, *_GPU)),
        WaitSpec(_R.UNHEARD, "It was begun, and nothing was heard of it for a while.", "A later attempt, or a step that tells nothing: `scribe why JOB --direct` finds its record. A job that hangs for an hour fails `/livez` of its process.", _GPU),
        WaitSpec(_R.DEAD_LETTER, "It was set aside because of an error, and does not go on by itself.", "`scribe dlq list --job JOB` has the error. Mend its cause, then `scribe dlq redrive`.", (*_GPU, *FAUST)),
        WaitSpec(_R.NO_RECORD, "It was lost sight of, and does not go on by itself.", "No record of it waits in Kafka: `scribe replay --job JOB --include-running` does it again, `scribe database stalled --fail` ends it.", _GPU),
        WaitSpec(_R.LEASE_HELD, "It is being sent.", "A dispatcher has it until the time that is named, and prolongs that while it works; if it died, another one takes it then.", _DISPATCH),
        WaitSpec(_R.WEBHOOK_UNSCHEDULED, "Its webhook is about to be scheduled.", "`scribe-streams webhooks` has not read the result: does it run, is it behind?", ("webhooks",)),
        WaitSpec(_R.WEBHOOK_GATE, "Its webhook waits until the result can be read.", "`scribe-streams persist` has not applied the result: see `result_not_applied`.", _DISPATCH),
        WaitSpec(_R.WEBHOOK_RETRY, "The receiver did not take its webhook; it is sent again later.", "`scribe webhooks show DELIVERY` has every attempt; `scribe webhooks redeliver` sends it at once.", _DISPATCH),
        WaitSpec(_R.WEBHOOK_DUE, "Its webhook is about to be sent.", "Is `scribe-streams dispatch` up? An endpoint gets at most 4 calls at once and as many a second as it takes; see `scribe_rabbit_webhooks_oldest_due_seconds`.", _DISPATCH),
        WaitSpec(_R.ENDPOINT_PAUSED, "The receiver of its webhook has asked for a pause.", "The endpoint answered 429, 502, 503 or 504; nothing is sent to it before the time that is named.", _DISPATCH),
        WaitSpec(_R.ENDPOINT_DISABLED, "The receiver of its webhook is disabled, so nothing is sent.", "`scribe webhooks list` says why. `scribe webhooks enable ENDPOINT`, then `scribe webhooks redeliver ENDPOINT --since TIME`.", ("webhooks", *_DISPATCH)),
        WaitSpec(_R.ENHANCEMENT_UNSCHEDULED, "Its enhancement is about to be scheduled.", "`scribe-streams enhance` has not read the result: does it run, is it behind?", ("enhance",)),
        WaitSpec(_R.ENHANCEMENT_GATE, "Its enhancement waits for the end of the job.", "Nothing to do: it gets its time with the end of the job. If the job has ended, `scribe-streams persist` is behind.", _DISPATCH),
        WaitSpec(_R.ENHANCEMENT_RETRY, "The enhanced-AI service did not do it; it is asked again later.", "The log of `scribe-streams dispatch` has what the service answered.", _DISPATCH),
        WaitSpec(_R.ENHANCEMENT_DUE, "The enhanced-AI service is about to be asked.", "Is `scribe-streams dispatch` up, with ENHANCED_AI_ENDPOINT? A tenant gets half of SCRIBE_ENHANCED_AI_CALLS at once.", _DISPATCH),
        WaitSpec(_R.TOKENS_SPENT, "The day's limit of the enhanced-AI service is reached; it goes on after midnight (UTC).", "`SCRIBE_ENHANCED_AI_TOKENS_PER_DAY`, or the tenant's quota `llm_tokens_per_day`: `scribe tenants set TENANT --quota llm_tokens_per_day=…`.", _DISPATCH),
        WaitSpec(_R.ENHANCED_AI_AWAY, "The enhanced-AI service is away or asks for patience; it is asked again by itself.", "`scribe_rabbit_enhanced_ai_breaker_open` is 1 while the service does not answer or refuses the key; else it has asked for patience. The log of `scribe-streams dispatch` says which.", _DISPATCH),
    )
}
# fmt: on
