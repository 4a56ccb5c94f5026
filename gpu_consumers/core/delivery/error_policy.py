"""Error policy: an error becomes a failed result, a later attempt, a dead letter, or the end of the process."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from gpu_consumers.core.delivery.messages import Delivery, Emission, Job
from schemas.errors import (
    Cancelled,
    ErrorKind,
    Fatal,
    InvalidEvent,
    NotAllowedYet,
    Permanent,
    Poison,
    ScribeError,
    SourceFailed,
    Transient,
)
from schemas.events import Audio, JobResult, Outcome, TranscriptReady
from schemas.requests.limits import cut, slim_request
from schemas.retries.topic_ladder import Retry, RetryPolicy
from schemas.topics import RESULTS, dlq_topic
from schemas.wire import rejected_events
from schemas.wire.headers import VALUE_OMITTED, dead_letter_headers, own_headers, retry_headers
from schemas.wire.records import Record

MAX_KEY_BYTES = 1000

# after these a CUDA context is lost: every later call in the process fails, whatever the recording
STICKY = (
    "illegal memory access",
    "device-side assert",
    "unspecified launch failure",
    "CUBLAS_STATUS_EXECUTION_FAILED",
)


class DeviceLost(Fatal):
    """The GPU is unusable for this process, possibly because of the recording in progress."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """End of a delivery: what to write for it; `outcome` is a label for metrics.

    `client_fault`: it ended so by what the client or the record brought, whatever the outcome is.
    """

    outcome: str
    emissions: tuple[Emission, ...] = ()
    forwards: tuple[Record, ...] = ()
    client_fault: bool = False

    @property
    def service_fault(self) -> bool | None:
        """Whether the service is at fault; None when the end says nothing about the service."""
        if self.client_fault:
            return None
        if self.outcome == "completed":
            return False
        internal = ErrorKind.INTERNAL.value
        errors = [e.event.error for e in self.emissions if isinstance(e.event, JobResult) and e.event.error is not None]
        return True if self.outcome == "retried" or any(error.kind == internal for error in errors) else None

    @property
    def final(self) -> bool:
        """Whether the job is finished in this stage."""
        return self.outcome != "retried"


def classify(error: BaseException) -> ScribeError:
    """Our error for any error of a stage: sticky GPU errors end the process, unexpected ones are retried.

    The text of an unexpected error stays in the log: it may hold what a client must not see.
    """
    # first, for ours quote what clients wrote: no job may choose words that end the process
    if isinstance(error, ScribeError):
        return error
    text = str(error)
    if any(phrase in text for phrase in STICKY):
        return DeviceLost(f"the GPU is lost to this process: {text}")
    return Transient(f"unexpected {type(error).__name__}")


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """The rules of one consumer group; topics are arguments so that tests can use their own."""

    group: str
    results: str = RESULTS
    retry: RetryPolicy = field(kw_only=True)

    def settle(self, error: ScribeError, delivery: Delivery, job: Job | None, now: datetime) -> Settlement:
        """The end, or the next attempt, of a record that failed with `error`.

        Outage, NotOwner and Fatal are not the record's: asking for them raises ValueError.
        """
        match error:
            case Cancelled() if job is not None:
                return Settlement("cancelled", emissions=(Emission(self.results, cancelled_result(job, now)),))
            case InvalidEvent():
                return self.settle(error.reason, delivery, job, now)
            case Poison():
                internal = Permanent("internal", str(error))
                dead = self._dead(delivery, "poison", "undecodable", str(error), self._failed(job, internal, now))
                return replace(dead, client_fault=True)
            case Permanent():
                if job is None:
                    return self._dead(delivery, error.kind, error.code, error.message)
                return Settlement("failed", emissions=self._failed(job, error, now))
            case Transient():
                again = self._again(error, delivery, job, now)
                return replace(again, client_fault=isinstance(error, SourceFailed | NotAllowedYet))
        raise ValueError(f"{type(error).__name__} settles no record") from error

    def dead_letter(self, delivery: Delivery, error: Permanent) -> Settlement:
        """The dead letter of a record for which not even a failed result can be written."""
        return self._dead(delivery, error.kind, error.code, error.message)

    def _again(self, error: Transient, delivery: Delivery, job: Job | None, now: datetime) -> Settlement:
        match self.retry.after(delivery.attempt, now):
            case Retry(topic, not_before, attempt):
                headers = retry_headers(delivery.headers, delivery.origin, attempt, not_before, str(error))
                return Settlement("retried", forwards=(Record(topic, delivery.key, delivery.value, headers),))
            case exhausted:
                given_up = Permanent("retries_exhausted", f"{exhausted.attempts} attempts, the last: {error}")
                emissions = self._failed(job, given_up, now)
                return self._dead(delivery, given_up.kind, given_up.code, given_up.message, emissions)

    def quarantine(self, delivery: Delivery, job: Job, now: datetime) -> Settlement:
        """The end of a record that crashed every process that worked on it."""
        killed = Permanent("quarantined")
        dead = self._dead(delivery, "poison", killed.code, killed.message, self._failed(job, killed, now))
        return replace(dead, outcome="quarantined", client_fault=True)

    def _dead(
        self, delivery: Delivery, kind: str, code: str, message: str, emissions: tuple[Emission, ...] = ()
    ) -> Settlement:
        headers = dead_letter_headers(delivery.headers, delivery.origin, self.group, kind, code, message)
        record = Record(dlq_topic(self.group), delivery.key, delivery.value, headers)
        return Settlement("dead_lettered", emissions=emissions, forwards=(record,))

    def _failed(self, job: Job | None, error: Permanent, now: datetime) -> tuple[Emission, ...]:
        return () if job is None else (Emission(self.results, failed_result(job, error, now)),)


def cancelled_result(job: Job, now: datetime) -> JobResult:
    """The end of a cancelled job."""
    return replace(failed_result(job, Permanent("cancelled"), now), outcome=Outcome.CANCELLED, error=None)


def failed_result(job: Job, error: Permanent, now: datetime) -> JobResult:
    """The end of a job that cannot succeed; the same event id however often it is written."""
    return rejected_events.failed_result(job.request, error, now, _audio(job))


def _audio(job: Job) -> Audio | None:
    return job.event.audio if isinstance(job.event, TranscriptReady) else None


def shrunk(settlement: Settlement) -> Settlement | None:
    """A settlement in fewer bytes, None when nothing more can be removed.

    Text from untrusted results and headers is removed first, then the value of a dead letter; that of a retry stays.
    """
    emissions = tuple(map(_slim_emission, settlement.emissions))
    forwards = tuple(replace(record, headers=own_headers(record.headers)) for record in settlement.forwards)
    if (emissions, forwards) == (settlement.emissions, settlement.forwards) and settlement.final:
        forwards = tuple(map(without_value, forwards))
    slimmer = replace(settlement, emissions=emissions, forwards=forwards)
    return None if slimmer == settlement else slimmer


def _slim_emission(emission: Emission) -> Emission:
    return (
        replace(emission, event=without_free_text(emission.event))
        if isinstance(emission.event, JobResult)
        else emission
    )


def without_free_text(result: JobResult) -> JobResult:
    """A result without the free texts of its request, and with a limit on every other text in it."""
    request = slim_request(result.request)
    return replace(result, tenant=request.tenant, request=request, audio=cut(result.audio))


def without_value(record: Record) -> Record:
    """A forwarded record without its value, for one that is too large: its origin refers to the original bytes."""
    # a key has no limit of its own either
    kept = replace(record, key=record.key if len(record.key or b"") <= MAX_KEY_BYTES else None)
    if record.value is None:
        return kept
    return replace(kept, value=None, headers={**record.headers, VALUE_OMITTED: str(len(record.value))})
