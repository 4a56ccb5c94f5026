"""Selection of jobs to run again from their records in the job topics, without a new submission."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from producers.kafka.admin import TopicAdmin
from producers.kafka.topic_history import StoredRecord, TopicHistory
from producers.replay.new_run import Changes, of_run, recording_of, renewed
from producers.replay.replayer import Prepared, ReplayItem, gone
from schemas.errors import Permanent, Poison, Rejected
from schemas.events import JobRequested
from schemas.models.registry import ModelRegistry, known_as
from schemas.ports import ObjectStore
from schemas.requests.limits import mistakes
from schemas.tenants.retention import LONGEST_TOPIC_DAYS
from schemas.topics import DAY_MS, JOBS, JOBS_EXPRESS, RESULTS, may_take_results
from schemas.wire.headers import ONLY_FOR, REPLAY_ID, RESULTS_TO
from schemas.wire.records import Record
from schemas.wire.serde import Serde
from sink.jobs.replay_log import ReplayEntry, ReplayRejection, ReplayRequest

JOB_TOPICS = (JOBS, JOBS_EXPRESS)
_DERIVED = frozenset({ONLY_FOR, RESULTS_TO})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFilter:
    """A filter over jobs by their records; None matches all."""

    tenant: str | None = None
    jobs: frozenset[UUID] | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, request: JobRequested, at: datetime) -> bool:
        """Whether a request that was published at a time matches."""
        return (
            (self.tenant is None or request.tenant == self.tenant)
            and (self.jobs is None or request.job_id in self.jobs)
            and (self.since is None or at >= self.since)
            and (self.until is None or at < self.until)
        )


@dataclass(frozen=True, slots=True)
class SelectedRequest:
    """A job and its latest matching record, without the bytes."""

    record: StoredRecord
    request: JobRequested


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTarget:
    """Options of the new runs and the destination of their results; None: the usual topic."""

    changes: Changes = field(default_factory=Changes)
    results: str | None = None


def read(
    history: TopicHistory,
    serde: Serde,
    wanted: ReplayFilter,
    topics: Sequence[str] = JOB_TOPICS,
    *,
    replay_id: UUID | None = None,
) -> list[SelectedRequest]:
    """Each matching job once, in the order of its first record; raises Outage.

    Records that `replay_id` has sent are ignored, or a resumed replay would replay its own runs.
    """
    found: dict[tuple[str, UUID], SelectedRequest] = {}
    for each in _requests(serde, history.records(topics, wanted.since), replay_id):
        key = (each.request.tenant, each.request.job_id)
        last = found.get(key)
        if wanted.matches(each.request, each.record.at) and (last is None or last.request.run <= each.request.run):
            found[key] = each
    return sorted(found.values(), key=lambda each: each.record.at)


def _requests(serde: Serde, records: Iterable[StoredRecord], replay_id: UUID | None) -> Iterator[SelectedRequest]:
    for record in records:
        # a run whose result went elsewhere, or that one group only was to see, is not the job as it was asked for
        if not _DERIVED & set(record.headers) and record.headers.get(REPLAY_ID) != str(replay_id):
            try:
                request = serde.decode(record.value, JobRequested)
            except Poison:
                continue
            yield SelectedRequest(replace(record, value=None), request)  # there may be very many


def prepare(
    serde: Serde, store: ObjectStore, registry: ModelRegistry, found: Sequence[SelectedRequest], target: ReplayTarget
) -> Prepared:
    """Check everything that needs no database; raises Outage."""
    refused = {
        x.record.place: ReplayRejection.INVALID for x in found if not _is_valid(x.request, registry, target.changes)
    }
    items = [_item(serde, each, target) for each in found if each.record.place not in refused]
    missing = gone(store, items)
    refused |= dict.fromkeys(missing, ReplayRejection.RECORDING_GONE)
    return Prepared([item for item in items if item.request.place not in missing], refused)


def _is_valid(request: JobRequested, registry: ModelRegistry, changes: Changes) -> bool:
    """Whether the changes are valid for the job: a run that must fail would replace one that succeeded."""
    changed = changes.applied_to(request)
    if mistakes(changed):
        return False
    # the registry here may not be that of the GPU processes, and says nothing of tracks
    if replace(changed.options, track=request.options.track) == request.options:
        return True
    try:
        registry.for_job(changed.options)
    except Permanent:
        return False
    return True


def check_model(registry: ModelRegistry, name: str) -> None:
    """Raise Rejected(unknown_model) unless jobs may name a model."""
    if name not in (known := registry.names()):
        raise Rejected("unknown_model", f"{known_as(name, known)} (see SCRIBE_MODELS_FILE)")


def _item(serde: Serde, found: SelectedRequest, target: ReplayTarget) -> ReplayItem:
    request, record = found.request, found.record
    replay = ReplayRequest(
        place=record.place, at=record.at, tenant=request.tenant, job_id=request.job_id, run=request.run
    )
    return ReplayItem(replay, partial(_record, serde, found, target), recording_of(request))


def _record(serde: Serde, found: SelectedRequest, target: ReplayTarget, entry: ReplayEntry) -> Record:
    now, headers, place = datetime.now(UTC), found.record.headers, found.record.place
    event = of_run(found.request, entry.run or found.request.run + 1, now, target.changes)
    record = renewed(serde, event, place.topic, headers, entry.replay_id, now, "scribe-replay")
    return replace(record, headers={**record.headers, **({RESULTS_TO: target.results} if target.results else {})})


def check_results(admin: TopicAdmin, name: str) -> str:
    """A topic for results besides RESULTS; raises Rejected(invalid_request) for any other.

    Its retention must not exceed that of any of the service's own topics, or erased jobs would stay there.
    """
    if not may_take_results(name):
        raise Rejected("invalid_request", f"'{name}' is no topic such as {RESULTS}.trial")
    existing = admin.existing([name]).get(name)
    if existing is None:
        raise Rejected("invalid_request", f"Kafka has no topic {name}: make it first, with cleanup.policy=delete")
    kept = existing.config.get("retention.ms", "-1")
    if existing.config.get("cleanup.policy") != "delete" or not 0 <= int(kept) <= (LONGEST_TOPIC_DAYS - 1) * DAY_MS:
        raise Rejected(
            "invalid_request",
            f"{name} must have cleanup.policy=delete and a retention.ms of {LONGEST_TOPIC_DAYS - 1} days at most",
        )
    return name
