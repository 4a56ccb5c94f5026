"""Which gate holds a job: one decision, over facts as data."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from producers.kafka.group_offsets import GroupMember
from producers.kafka.topic_history import StoredRecord
from producers.replay.dead_letters import DeadLetter
from producers.waiting.explanation import SILENT, Explanation, WaitSubject, explain
from producers.waiting.facts import GroupState, KafkaFacts, PendingRecord, ProcessFacts, RowFacts
from schemas.process.wait_reasons import WAIT_REASONS, WaitReason
from schemas.process.wait_report import IN_WORK, ClosedGate, PartitionState, WaitReport, merged
from schemas.topics import CONTROL, DIARIZERS, ENHANCE, JOBS, PERSIST, RESULTS, TRANSCRIBERS, WEBHOOKS, retry_topic
from schemas.wire.headers import Origin
from schemas.wire.offset_metadata import BegunRecord
from schemas.wire.serde import to_json
from sink.jobs.queries import JobRow
from sink.jobs.unfinished.waiting import UnpublishedRecord
from tests.samples import BARE_REQUEST, FULL_REQUEST, JOB

NOW = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(minutes=10)
LATER = NOW + timedelta(minutes=10)
MEMBER = GroupMember("scribe.transcribers.worker", "/10.0.0.7", frozenset({(JOBS, 3)}))


def row(**changes: Any) -> JobRow:
    fields: dict[str, Any] = dict.fromkeys(JobRow.__dataclass_fields__)
    fields |= {"job_id": JOB, "tenant": "acme", "run": 1, "state": "queued", "request": to_json(BARE_REQUEST)}
    fields |= {"requested_at": EARLIER, "updated_at": NOW, "cancelled_run": 0}
    return JobRow(**{**fields, **changes})


def rows(job: JobRow | None, **changes: Any) -> RowFacts:
    return replace(RowFacts(job_id=JOB, now=NOW, job=job, state_since=EARLIER), **changes)


def pending(group: str, topic: str = JOBS, event: str = "JobRequested", **changes: Any) -> PendingRecord:
    return replace(PendingRecord(group=group, place=Origin(topic, 3, 17), at=EARLIER, event=event), **changes)


def kafka(*records: PendingRecord, members: tuple[GroupMember, ...] = (MEMBER,)) -> KafkaFacts:
    return KafkaFacts(pending=records, groups={r.group: GroupState(members=members, lag=40) for r in records})


def reporting(reason: str) -> ProcessFacts:
    state = PartitionState(TRANSCRIBERS, JOBS, 3, 10, 1, (), {17: reason})
    return ProcessFacts(reports={"http://one:9100": WaitReport(), "http://two:9100": WaitReport(partitions=(state,))})


def found(facts: RowFacts, records: KafkaFacts | None = None, processes: ProcessFacts | None = None) -> Explanation:
    explanation = explain(facts, records, processes)
    assert explanation is not None
    return explanation


def reasons(explanation: Explanation) -> list[tuple[WaitSubject, WaitReason]]:
    return [(wait.subject, wait.reason) for wait in explanation.waits]


def outbox(topic: str = JOBS, failed: str | None = None) -> UnpublishedRecord:
    return UnpublishedRecord(topic=topic, created_at=EARLIER, failed_at=failed and NOW, failed_reason=failed)  # type: ignore[arg-type]


RUNNING = row(state="transcribing")
SILENT_ROW = row(state="transcribing", updated_at=NOW - SILENT - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (rows(row(), unpublished=(outbox(),)), WaitReason.OUTBOX_UNPUBLISHED),
        (rows(row(), ahead=1), WaitReason.BACKLOG),
        (rows(row(), ahead=0), WaitReason.TURN),
        (rows(row(), ahead=None), WaitReason.BACKLOG),
        (rows(RUNNING), None),
        (rows(SILENT_ROW), WaitReason.UNHEARD),
        (rows(row(state="completed")), None),
        (rows(row(state="failed", updated_at=EARLIER)), None),
    ],
    ids=["outbox", "queue", "first in the queue", "uncounted queue", "in work", "silent", "completed", "failed"],
)
def test_the_database_alone_tells_this(facts: RowFacts, reason: WaitReason | None) -> None:
    explanation = found(facts)
    assert reasons(explanation) == ([(WaitSubject.JOB, reason)] if reason else [])
    assert explanation.sentence.startswith("Nothing holds it" if reason is None else WAIT_REASONS[reason].sentence)


RETRY = retry_topic(TRANSCRIBERS, "10m")


@pytest.mark.parametrize(
    ("facts", "records", "reason"),
    [
        (rows(row(), unpublished=(outbox(failed="too large"),)), kafka(), WaitReason.OUTBOX_REFUSED),
        (rows(row()), kafka(pending(TRANSCRIBERS), members=()), WaitReason.NO_MEMBERS),
        (rows(row()), kafka(pending(TRANSCRIBERS, before=5)), WaitReason.BACKLOG),
        (rows(row()), kafka(pending(TRANSCRIBERS, RETRY, not_before=LATER), members=()), WaitReason.RETRY_DELAY),
        (rows(row()), kafka(pending(TRANSCRIBERS, RETRY, not_before=EARLIER), members=()), WaitReason.NO_MEMBERS),
        (rows(RUNNING), kafka(pending(TRANSCRIBERS)), None),
        (rows(SILENT_ROW), kafka(pending(TRANSCRIBERS)), WaitReason.BACKLOG),
        (rows(row()), kafka(pending(TRANSCRIBERS, begun=BegunRecord(1, True))), WaitReason.SUSPECT),
        (rows(row()), kafka(pending(TRANSCRIBERS, begun=BegunRecord(0, False))), None),
        (
            rows(row()),
            kafka(pending(DIARIZERS, "scribe.transcripts", "TranscriptReady"), members=()),
            WaitReason.NO_MEMBERS,
        ),
        (
            rows(row()),
            kafka(pending(PERSIST, RESULTS, "JobResult"), pending(TRANSCRIBERS)),
            WaitReason.RESULT_NOT_APPLIED,
        ),
        (rows(RUNNING), kafka(pending(PERSIST, "scribe.progress", "JobProgress")), WaitReason.NO_RECORD),
        (rows(row()), kafka(), WaitReason.NO_RECORD),
        (rows(None), kafka(pending(PERSIST), pending(TRANSCRIBERS), members=()), WaitReason.NO_MEMBERS),
        (rows(row(run=2)), kafka(pending(TRANSCRIBERS)), WaitReason.NO_RECORD),
        (rows(row(state="completed")), kafka(pending(TRANSCRIBERS, run=2), members=()), WaitReason.NO_MEMBERS),
    ],
)
def test_kafka_tells_where_its_record_lies(facts: RowFacts, records: KafkaFacts, reason: WaitReason | None) -> None:
    assert reasons(found(facts, records)) == ([(WaitSubject.JOB, reason)] if reason else [])


def test_a_dead_letter_counts_when_nothing_else_is_left() -> None:
    record = StoredRecord(
        Origin("scribe.transcribers.dlq", 0, 4), EARLIER, None, None, {"scribe-error-code": "internal"}
    )
    letter = DeadLetter(TRANSCRIBERS, record, None)
    alone = found(rows(row()), KafkaFacts(letters=(letter,)))
    assert reasons(alone) == [(WaitSubject.JOB, WaitReason.DEAD_LETTER)]
    assert "transcribers/0/4: internal" in alone.waits[0].evidence[0]
    redriven = replace(kafka(pending(TRANSCRIBERS), members=()), letters=(letter,))
    assert reasons(found(rows(row()), redriven)) == [(WaitSubject.JOB, WaitReason.NO_MEMBERS)]


@pytest.mark.parametrize("reason", [*WaitReason, IN_WORK])
def test_a_process_that_has_the_record_knows_best(reason: str) -> None:
    """Whatever is known from outside."""
    explanation = found(rows(row()), kafka(pending(TRANSCRIBERS)), reporting(str(reason)))
    assert reasons(explanation) == ([] if reason == IN_WORK else [(WaitSubject.JOB, WaitReason(reason))])
    evidence = explanation.waits[0].evidence if explanation.waits else explanation.evidence
    assert any("http://two:9100" in line for line in evidence)


def report(
    *closed: WaitReason, group: str = TRANSCRIBERS, partition: int | None = 3, paused: tuple[WaitReason, ...] = ()
) -> WaitReport:
    """A process that has one partition at most, and no record of it in hand."""
    states = () if partition is None else (PartitionState(group, JOBS, partition, 10, 0, paused),)
    return WaitReport(closed=tuple(ClosedGate(group, reason) for reason in (*closed, *paused)), partitions=states)


FULL = (WaitReason.LOOKAHEAD_FULL,)
NOBODY = GroupState()
SOMEBODY = GroupState(members=(MEMBER,))


@pytest.mark.parametrize(
    ("group", "asked", "reason"),
    [
        (SOMEBODY, report(paused=FULL), WaitReason.LOOKAHEAD_FULL),
        (SOMEBODY, report(paused=(WaitReason.OFFSETS_FULL,)), WaitReason.OFFSETS_FULL),
        (SOMEBODY, report(WaitReason.DRAINING), WaitReason.DRAINING),
        (SOMEBODY, report(WaitReason.DRAINING, paused=FULL), WaitReason.LOOKAHEAD_FULL),
        (NOBODY, report(WaitReason.ORDERS_UNKNOWN, partition=None), WaitReason.ORDERS_UNKNOWN),
        (NOBODY, report(WaitReason.STARTING, partition=None), WaitReason.STARTING),
        # another process has its partition, another partition rests, another group's gates are closed
        (SOMEBODY, report(WaitReason.DRAINING, partition=2), WaitReason.BACKLOG),
        (SOMEBODY, merged([report(paused=FULL, partition=2), report()]), WaitReason.BACKLOG),
        (SOMEBODY, report(WaitReason.DRAINING, group=PERSIST, paused=FULL), WaitReason.BACKLOG),
        (NOBODY, report(WaitReason.STARTING, group=DIARIZERS, partition=None), WaitReason.NO_MEMBERS),
        # what is done waits for a commit, and it is not done
        (SOMEBODY, report(WaitReason.COMMIT_PENDING), WaitReason.BACKLOG),
        (SOMEBODY, report(), WaitReason.BACKLOG),
    ],
)
def test_a_process_that_does_not_take_it_says_by_which_gate(
    group: GroupState, asked: WaitReport, reason: WaitReason
) -> None:
    facts = KafkaFacts(pending=(pending(TRANSCRIBERS),), groups={TRANSCRIBERS: group})
    explanation = found(rows(row()), facts, ProcessFacts(reports={"http://one:9100": asked}))
    assert reasons(explanation) == [(WaitSubject.JOB, reason)]
    told_by = any(line.startswith("http://one:9100") for line in explanation.waits[0].evidence)
    assert told_by == (reason not in (WaitReason.BACKLOG, WaitReason.NO_MEMBERS))


def test_a_reason_of_a_later_version_is_told_as_it_is() -> None:
    explanation = found(rows(row()), kafka(pending(TRANSCRIBERS)), reporting("moon phase"))
    assert (explanation.waits, explanation.evidence[-1]) == ((), "http://two:9100 says: moon phase")


def test_an_operator_is_told_where_it_lies_and_whom_to_ask() -> None:
    [wait] = found(rows(row()), kafka(pending(TRANSCRIBERS, attempt=2, before=5))).waits
    record, group, owner = wait.evidence
    assert record == "record scribe.jobs/3/17, attempt 2, 5 before it"
    assert group == "group scribe.transcribers: 1 process, about 40 records behind"
    assert owner.startswith("scribe.transcribers.worker at /10.0.0.7 has its partition: ask that process")
    assert "--process http://" in owner
    assert wait.ahead == 5


def test_a_retry_says_when_it_goes_on() -> None:
    [wait] = found(rows(row()), kafka(pending(TRANSCRIBERS, RETRY, not_before=LATER))).waits
    assert wait.next_at == LATER


def test_of_several_records_the_latest_attempt_counts() -> None:
    first, second = pending(TRANSCRIBERS, RETRY, not_before=LATER, attempt=2), pending(TRANSCRIBERS, attempt=1)
    assert reasons(found(rows(row()), kafka(second, first))) == [(WaitSubject.JOB, WaitReason.RETRY_DELAY)]


def test_a_job_that_was_asked_to_stop_says_so_until_it_has_ended() -> None:
    asked = row(state="transcribing", cancelled_run=1, cancel_requested_at=EARLIER)
    explanation = found(rows(asked, unpublished=(outbox(CONTROL),)))
    assert reasons(explanation) == [(WaitSubject.JOB, WaitReason.CANCELLING)]
    assert explanation.waits[0].evidence == ("the order waits in the outbox",)
    assert reasons(found(rows(replace(asked, run=2)))) == []
    assert reasons(found(rows(replace(asked, state="cancelled")))) == []


def test_what_is_made_of_a_result_waits_for_the_apps_that_make_it() -> None:
    wanting = row(state="completed", run=3, request=to_json(FULL_REQUEST))
    records = [pending(group, RESULTS, "JobResult", run=3) for group in (WEBHOOKS, ENHANCE)]
    applied = pending(PERSIST, "scribe.enhancements", "EnhancementResult", run=3)
    assert reasons(found(rows(wanting), kafka(*records, applied))) == [
        (WaitSubject.WEBHOOK, WaitReason.WEBHOOK_UNSCHEDULED),
        (WaitSubject.ENHANCEMENT, WaitReason.ENHANCEMENT_UNSCHEDULED),
        (WaitSubject.ENHANCEMENT, WaitReason.RESULT_NOT_APPLIED),
    ]
    assert reasons(found(rows(replace(wanting, request=to_json(BARE_REQUEST))), kafka(*records))) == []


def test_legal_holds_are_told_and_hold_no_job() -> None:
    explanation = found(rows(row(state="completed"), holds=("case 17",)))
    assert (explanation.waits, explanation.evidence) == ((), ("legal hold, it may not be erased: case 17",))


def test_nobody_knows_of_it() -> None:
    assert explain(RowFacts(job_id=UUID(int=1), now=NOW)) is None
    assert explain(RowFacts(job_id=UUID(int=1), now=NOW), KafkaFacts()) is None
