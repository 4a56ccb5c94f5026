"""Which reports of a job become events."""

from gpu_consumers.kafka.progress import ProgressReporter
from schemas.errors import Outage
from schemas.events import JobProgress, Stage
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from tests.samples import FULL_REQUEST

SERDE = Serde()


class Told:
    """A clock that is set by hand, and the events that were sent."""

    def __init__(self) -> None:
        self.now = 100.0
        self.records: list[Record] = []
        reporter = ProgressReporter(self.offer, SERDE, "worker-1", topic="progress", clock=lambda: self.now)
        self.job = reporter.start(FULL_REQUEST, attempt=2)

    def offer(self, record: Record) -> bool:
        self.records.append(record)
        return True

    @property
    def events(self) -> list[JobProgress]:
        return [SERDE.decode(record.value, JobProgress) for record in self.records]


def test_reports_are_sent_at_most_once_a_second() -> None:
    told = Told()
    for _ in range(100):
        told.job.report(Stage.TRANSCRIBING, told.now, 1000.0)
        told.now += 0.03
    assert len(told.events) == 3


def test_a_new_stage_and_the_end_are_told_at_once() -> None:
    told = Told()
    told.job.report(Stage.TRANSCRIBING, 0.0, 10.0)
    told.job.report(Stage.TRANSCRIBING, 10.0, 10.0)
    told.job.report(Stage.DIARIZING, 0.0, 10.0)
    assert [(event.stage, event.done_seconds) for event in told.events] == [
        (Stage.TRANSCRIBING, 0.0),
        (Stage.TRANSCRIBING, 10.0),
        (Stage.DIARIZING, 0.0),
    ]


def test_events_carry_the_job_and_their_number() -> None:
    told = Told()
    told.job.report(Stage.TRANSCRIBING, 0.0, None)
    told.now += 1
    told.job.report(Stage.TRANSCRIBING, 5.0, None)
    first, second = told.events
    assert (first.job_id, first.run, first.tenant) == (FULL_REQUEST.job_id, FULL_REQUEST.run, FULL_REQUEST.tenant)
    assert (first.attempt, first.sequence, second.sequence, first.worker) == (2, 1, 2, "worker-1")
    assert first.event_id != second.event_id
    assert told.records[0].key == str(FULL_REQUEST.job_id).encode()


def test_a_report_that_cannot_be_sent_does_not_reach_the_job() -> None:
    def refuse(record: Record) -> bool:
        raise Outage("Kafka is away")

    ProgressReporter(refuse, SERDE, "worker").start(FULL_REQUEST, 1).report(Stage.TRANSCRIBING, 0.0, None)
